"""From an Airflow's answers to what people are told: an API that falls silent ends no alert, on both databases."""

from datetime import timedelta
from typing import Any

from opsconsole import content
from opsconsole.collectors.base import Target
from opsconsole.collectors.runner import Runner
from opsconsole.collectors.settings import Deployment
from opsconsole.db import Database
from opsconsole.model import AlertState
from opsconsole.promql import Engine
from opsconsole.rules import GroupEvaluator, loading
from opsconsole.tsdb.settings import Settings
from opsconsole.tsdb.store import Store
from tests.support.airflow_api import URL, CannedAirflow, html, ok
from tests.support.alerting import Bench, bench
from tests.support.clock import FakeClock

HOOK: dict[str, Any] = {"name": "hook", "webhook": {"url": "http://127.0.0.1:9/never"}}
GROUPS = ("collectors", "executor_and_pools")


def pools(waiting: int, free: int) -> dict[str, Any]:
    slots = {"occupied": 1 - free, "running": 1 - free, "queued": 0, "scheduled": waiting, "open": free, "deferred": 0}
    pool = {"name": "tiny", "slots": 1, "include_deferred": False, **{f"{name}_slots": count for name, count in slots.items()}}
    return {"pools": [pool], "total_entries": 1}


class World:
    """A deployment's pools, collected, judged and told every 15 s."""

    def __init__(self, db: Database, told: Bench) -> None:
        self.clock, self.told = told.clock, told
        self.airflow = CannedAirflow(3)
        deployment = Deployment.model_validate({"name": "prod", "url": URL, "auth": {"token": "t0ken-text"}})
        target = Target(deployment, db, self.clock, open_client=lambda _: self.airflow.client())
        self.store = Store(db, self.clock, told.telemetry, Settings())
        runner = Runner([target], self.store.append, self.clock)
        (self._collection,) = [one for one in runner.collections if one.name.endswith("/airflow_pools")]
        self._collection.deadline = timedelta(hours=1)  # that no machine could be too slow for
        self.restarted()

    def restarted(self) -> None:
        """New rules over the same store, as after a crash."""
        engine, keeper = Engine(self.store, self.clock), self.told.keeper
        self._rules = [
            GroupEvaluator(
                group,
                engine,
                self.store.append_block,
                keeper.take,
                keeper.open_in,
                clock=self.clock,
                telemetry=self.told.telemetry,
                succeeds=True,
            )
            for group in loading.load([content.folder("alert_rules") / f"{name}.yaml" for name in ("console", *GROUPS[1:])])
            if group.name in GROUPS
        ]

    def answers(self, waiting: int, free: int) -> None:
        self.airflow.answers["/pools"] = ok(pools(waiting, free))

    def falls_silent(self) -> None:
        self.airflow.answers["/pools"] = html(503)

    async def goes_on(self, minutes: int) -> None:
        for _ in range(minutes * 4):
            now = self.clock.tick(15)
            await self._collection.step(now)
            for group in self._rules:
                await group.step(now)
            await self.told.keeper.dispatch(now)

    async def occasions(self) -> list[str]:
        return [row.occasion for row in await self.told.rows()]

    def states(self) -> list[AlertState]:
        return [alert.state for alert in self.told.keeper.alerts() if alert.labels["alertname"] == "AirflowPoolStarved"]


async def test_a_starved_pool_is_not_told_as_resolved_while_the_api_is_silent(db: Database) -> None:
    async with bench(db, HOOK, clock=FakeClock()) as told:
        world = World(db, told)
        await world.store.open()
        world.answers(waiting=6, free=0)
        await world.goes_on(minutes=12)
        assert await world.occasions() == ["opened"]
        world.falls_silent()
        await world.goes_on(minutes=6)
        told.restarted()
        await told.open()
        world.restarted()
        await world.goes_on(minutes=6)
        assert (await world.occasions(), world.states()) == (["opened"], [AlertState.FIRING])
        world.answers(waiting=0, free=1)
        await world.goes_on(minutes=3)
        assert (await world.occasions(), world.states()) == (["opened", "resolved"], [])


async def test_a_pool_that_was_full_for_six_minutes_before_the_silence_is_not_told(db: Database) -> None:
    async with bench(db, HOOK, clock=FakeClock()) as told:
        world = World(db, told)
        await world.store.open()
        world.answers(waiting=6, free=0)
        await world.goes_on(minutes=6)
        assert world.states() == [AlertState.PENDING]
        world.falls_silent()
        await world.goes_on(minutes=6)
        assert (await world.occasions(), world.states()) == ([], [])
