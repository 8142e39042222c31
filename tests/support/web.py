"""The web application over the scene, asked without a socket."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import httpx
import sqlalchemy as sa
from starlette.types import ASGIApp

from opsconsole.dashboards.model import Dashboard, Panel, PanelQuery, Thresholds
from opsconsole.db import Database, GroupWriter, accounts
from opsconsole.model import Sample, Verdict
from opsconsole.promql.engine import Engine
from opsconsole.rules.groups import AlertingRule, RuleGroup
from opsconsole.slas.state import DagSla
from opsconsole.slas.watch import SlaWatch
from opsconsole.telemetry import Telemetry
from opsconsole.web.app import create_app
from opsconsole.web.console import Console
from opsconsole.web.identity import Role
from opsconsole.web.passwords import Passwords
from opsconsole.web.settings import AuthSettings, ServerSettings
from opsconsole.web.signing_in import Logins
from tests.support import scene
from tests.support.clock import NOON, FakeClock
from tests.support.promql import of_samples

PASSWORD = "correct-horse-battery"
ORIGIN = "http://127.0.0.1:8600"
QUICK = Passwords(memory_kib=64)
SCHEDULER = Dashboard(
    "scheduler",
    "Scheduler",
    "Is the scheduler alive?",
    (
        Panel(
            "Heartbeat age",
            (PanelQuery('time() - airflow_component_heartbeat_timestamp_seconds{deployment="$deployment"}', "{{component}}"),),
            unit="seconds",
            thresholds=Thresholds(30, 60),
        ),
        Panel("Components", (PanelQuery('airflow_component_up{deployment="$deployment"}', "{{component}}"),), show="state"),
    ),
)
RULES = (
    RuleGroup(
        "scheduler",
        "scheduler.yaml",
        (
            AlertingRule(
                "AirflowSchedulerDown",
                "max by (deployment, component) (airflow_component_up) == 0",
                "rules/scheduler;scheduler;AirflowSchedulerDown",
                1,
            ),
        ),
    ),
)


def console(db: Database, clock: FakeClock, samples: Sequence[Sample] = (), **values: Any) -> Console:
    source = of_samples(samples)
    plain: dict[str, Any] = {
        "server": ServerSettings(),
        "auth": AuthSettings(),
        "deployments": scene.DEPLOYMENTS,
        "dashboards": (SCHEDULER,),
        "rules": RULES,
        "querier": Engine(source, clock),
        "reader": source,
    }
    slas, names = values.pop("slas", scene.SLAS), [one.name for one in values.get("deployments", scene.DEPLOYMENTS)]
    watch = SlaWatch(db, slas, names, not_told, lambda deployment: None)

    async def promised(now: datetime) -> Sequence[DagSla]:
        await watch.step(now)
        return await watch.standing(now)

    plain["promised"] = promised
    return Console(db=db, writer=GroupWriter(db), clock=clock, telemetry=Telemetry(), **plain | values)


async def not_told(verdict: Verdict) -> None:
    """Nobody is alerted here."""


def application(console: Console) -> ASGIApp:
    """With passwords of its own: those who wait for a turn do so in one event loop."""
    return create_app(console, Logins(console.db, console.clock, Passwords(memory_kib=64)))


def client(app: ASGIApp, peer: str = "127.0.0.1", base_url: str = ORIGIN) -> httpx.AsyncClient:
    """A browser, as far as headers go."""
    transport = httpx.ASGITransport(app, client=(peer, 40_000), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=base_url, headers={"Accept": "text/html", "Origin": base_url})


async def with_user(db: Database, name: str = "admin", role: str = Role.ADMIN) -> None:
    hashed = await QUICK.hash(PASSWORD)
    async with db.begin() as session:
        await accounts.add_user(session, name, hashed, role, NOON)


async def log_in(browser: httpx.AsyncClient, name: str = "admin", password: str = PASSWORD, **more: str) -> httpx.Response:
    return await browser.post("/login", data={"name": name, "password": password, **more})


def csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found, "the page has no CSRF token"
    return found[1]


class Queries:
    """Counts what is asked of the database."""

    def __init__(self, db: Database) -> None:
        self.count = 0
        for engine in {db.engine, db._reading}:
            sa.event.listen(engine.sync_engine, "before_cursor_execute", self._asked)

    def _asked(self, *_: Any) -> None:
        self.count += 1
