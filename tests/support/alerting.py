"""Alerting and delivery put together as the service does it, with a clock that tests move and a real HTTP client."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import sqlalchemy as sa

from opsconsole.alerts.incidents import Incidents
from opsconsole.alerts.keeper import AlertKeeper
from opsconsole.alerts.posted import Post, alert_of
from opsconsole.alerts.settings import Alerting
from opsconsole.alerts.silencing import Silences
from opsconsole.db import Database, incidents, outbox
from opsconsole.model import Finding, Labels, Verdict
from opsconsole.notify.courier import Courier
from opsconsole.notify.settings import Receiver, integrations
from opsconsole.telemetry import Telemetry
from tests.support.clock import FakeClock

SCHEDULER = Labels(alertname="AirflowSchedulerDown", severity="critical", deployment="prod", component="scheduler")


def finding(labels: Labels = SCHEDULER, **more: Any) -> Finding:
    texts = {"summary": f"{labels.get('deployment', 'prod')}: no scheduler heartbeat"}
    return Finding(labels, annotations=more.pop("annotations", texts), **more)


@dataclass
class Bench:
    """`say` is what a source finds, `pass_time` lets the console's seconds pass."""

    db: Database
    settings: Alerting
    receivers: Sequence[Receiver]
    http: httpx.AsyncClient
    clock: FakeClock = field(default_factory=FakeClock)
    telemetry: Telemetry = field(default_factory=Telemetry)

    def __post_init__(self) -> None:
        self.restarted()

    def restarted(self) -> None:
        """New objects over the same database, as after a crash."""
        self.silences = Silences(self.db, self.clock)
        self.keeper = AlertKeeper(self.db, self.clock, self.telemetry, self.settings, integrations(self.receivers), self.silences)
        self.handled = Incidents(self.db, self.keeper)
        self.courier = Courier(self.db, self.clock, self.telemetry, self.receivers, self.http, "http://console.test/ops")

    async def open(self) -> "Bench":
        await self.silences.open()
        await self.keeper.open()
        return self

    async def say(self, *findings: Finding, scope: str = "rules/scheduler") -> None:
        await self.keeper.take(Verdict(scope, self.clock.now(), findings))

    async def post(self, *posts: Post) -> None:
        """Others say so."""
        now, timeout = self.clock.now(), self.settings.global_.resolve_timeout
        await self.keeper.post([alert_of(post, now, timeout) for post in posts])

    async def dispatch(self, seconds: int = 6) -> None:
        """Alerting's seconds pass, without delivery."""
        for _ in range(seconds):
            await self.keeper.dispatch(self.clock.tick(1))

    async def pass_time(self, seconds: int = 6) -> None:
        for _ in range(seconds):
            now = self.clock.tick(1)
            await self.keeper.dispatch(now)
            await self.deliver()

    async def deliver(self) -> None:
        await self.courier.step(self.clock.now())
        await self.courier.settled()

    async def rows(self, table: sa.Table = outbox.outbox) -> list[Any]:
        async with self.db.read() as session:
            return list((await session.execute(sa.select(table).order_by(*table.primary_key.columns))).all())

    async def incidents(self) -> list[Any]:
        return await self.rows(incidents.incidents)


@asynccontextmanager
async def bench(
    db: Database,
    *receivers: Mapping[str, Any],
    route: Mapping[str, Any] | None = None,
    clock: FakeClock | None = None,
    **alerting: Any,
) -> AsyncIterator[Bench]:
    """A bench whose receivers and route are written as in the configuration file."""
    parsed = [Receiver.model_validate(one) for one in receivers]
    first = parsed[0].name if parsed else ""
    settings = Alerting.model_validate({"route": {"receiver": first, **(route or {})}, **alerting})
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        made = await Bench(db, settings, parsed, http, clock or FakeClock()).open()
        try:
            yield made
        finally:
            await made.courier.close()


MINUTE = timedelta(minutes=1)
