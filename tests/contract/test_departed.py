"""A deployment taken out of the configuration is not missed, on the metrics store of both databases."""

from opsconsole import content
from opsconsole.collectors.departed import end_departed
from opsconsole.db import Database
from opsconsole.model import Sample, Verdict
from opsconsole.promql import Engine
from opsconsole.rules import GroupEvaluator, loading
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings
from opsconsole.tsdb.store import Store
from tests.support.clock import FakeClock


class World:
    """Two deployments whose health was read until now, and who is missed by the shipped rules after that."""

    def __init__(self, db: Database) -> None:
        self.clock, telemetry = FakeClock(), Telemetry()
        self.store = Store(db, self.clock, telemetry, Settings())
        self.engine = Engine(self.store, self.clock)
        groups = [one for one in loading.load([content.folder("alert_rules") / "health.yaml"]) if one.name == "health"]
        self._rules = [
            GroupEvaluator(group, self.engine, self.store.append_block, self._take, clock=self.clock, telemetry=telemetry)
            for group in groups
        ]
        self.missed: set[tuple[str, str]] = set()

    async def _take(self, verdict: Verdict) -> None:
        self.missed |= {(finding.labels["alertname"], finding.labels["deployment"]) for finding in verdict.findings}

    def collect(self, *deployments: str) -> None:
        now = self.clock.now()
        for name in deployments:
            labels = {"deployment": name, "collector": "airflow_health"}
            self.store.append(
                [
                    Sample.of("opsconsole_collector_up", 1.0, now, labels),
                    Sample.of("opsconsole_collector_last_success_timestamp_seconds", now.timestamp(), now, labels),
                ]
            )

    async def watch(self, deployment: str) -> None:
        """Two minutes in which that deployment alone is collected."""
        for _ in range(24):
            self.clock.tick(5)
            self.collect(deployment)
            for rules in self._rules:
                await rules.step(self.clock.now())


async def test_a_deployment_no_longer_watched_is_not_missed_and_the_other_is_untouched(db: Database) -> None:
    world = World(db)
    await world.store.open()
    world.collect("prod", 'odd"name')
    world.clock.tick(1)
    await end_departed(world.engine, world.store.append, ["prod"], world.clock.now())
    ups = await world.engine.instant("opsconsole_collector_up", world.clock.now())
    assert [point.labels["deployment"] for point in ups.points] == ["prod"]
    await world.watch("prod")
    assert not world.missed


async def test_a_deployment_still_watched_is_missed(db: Database) -> None:
    world = World(db)
    await world.store.open()
    world.collect("prod", "staging")
    world.clock.tick(1)
    await end_departed(world.engine, world.store.append, ["prod", "staging"], world.clock.now())
    await world.watch("prod")
    assert world.missed == {("AirflowHealthUnknown", "staging")}
