"""The shipped rules that remember what they found, on the metrics store of both databases."""

from datetime import datetime, timedelta

from opsconsole import content
from opsconsole.db import Database
from opsconsole.model import Sample, Verdict
from opsconsole.promql import Engine
from opsconsole.rules import GroupEvaluator, loading
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings
from opsconsole.tsdb.store import Store
from tests.support.clock import NOON, FakeClock

_GROUP = "scheduler"


class World:
    """A deployment's health as collected, and what the scheduler's rules say of it in the same moment."""

    def __init__(self, db: Database) -> None:
        self.clock, telemetry = FakeClock(), Telemetry()
        self.store = Store(db, self.clock, telemetry, Settings())
        [group] = [one for one in loading.load([content.folder("alert_rules") / "scheduler.yaml"]) if one.name == _GROUP]
        engine = Engine(self.store, self.clock)
        self._rules = GroupEvaluator(group, engine, self.store.append_block, self._take, clock=self.clock, telemetry=telemetry)
        self._told = False

    async def _take(self, verdict: Verdict) -> None:
        self._told = bool(verdict.findings)

    def _say(self, name: str, value: float, at: datetime, **labels: str) -> None:
        self.store.append([Sample.of(name, value, at, {"deployment": "prod", **labels})])

    async def told_down(self, up: float | None) -> bool:
        """After a collection that says `up`, or (where None) one that failed."""
        self.clock.tick(15)
        now = self.clock.now()
        self._say("opsconsole_collector_up", float(up is not None), now, collector="airflow_health")
        if up is not None:
            self._say("airflow_component_up", up, now, component="scheduler")
        await self._rules.step(now)
        return self._told


async def test_what_is_down_is_told_at_once_and_for_as_long_as_nobody_can_look(db: Database) -> None:
    world = World(db)
    await world.store.open()
    assert not await world.told_down(1)
    assert await world.told_down(0)
    while world.clock.now() < NOON + timedelta(minutes=80):
        assert await world.told_down(None)
    assert not await world.told_down(1)
    assert not await world.told_down(None)
