"""A watch that reads only what moved says what one says that reads everything, on both databases."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsconsole.db import Database
from opsconsole.db.moves import dag_moves
from opsconsole.db.runs import dag_runs, forget_old_runs, forget_run
from opsconsole.db.watermarks import RUNS, WATCHING, set_watermark
from opsconsole.history import record_dags
from opsconsole.history.dags import record_dag
from opsconsole.history.runs import record_runs
from opsconsole.model import OPEN_RUN_STATES, Dag, DagRun
from opsconsole.slas.looking import Looking, mirrored
from opsconsole.slas.settings import Sla
from opsconsole.slas.state import DagSla
from opsconsole.slas.watch import SlaWatch
from tests.support.clock import NOON
from tests.support.web import Queries, not_told

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
JUST = timedelta(microseconds=1)
DAGS = ("orders_a", "orders_b", "other")
Step = tuple[Any, ...]


def promises(deployment: str) -> list[Sla]:
    every = {"deadline": "12:00", "max_duration": "50m", "max_start_delay": "10m", "freshness": "26h"}
    return [
        Sla.model_validate({"name": "all", "deployment": deployment, "dags": ["orders_*"]} | every),
        Sla.model_validate(
            {"name": "late", "deployment": deployment, "dags": ["*_b", "nowhere"], "deadline": "14:00 Europe/Paris"}
        ),
        Sla.model_validate({"name": "none", "deployment": deployment, "dags": ["nowhere"], "freshness": "1h"}),
    ]


@pytest.fixture
def names() -> Iterator[str]:
    """A deployment for each example: they share a database."""
    return (f"prod{number}" for number in itertools.count())


class Far:
    """One deployment as the history stage records it, and two who look at it."""

    def __init__(self, db: Database, deployment: str) -> None:
        self._db, self._deployment, self.now = db, deployment, NOON
        self._watch = Looking(db, deployment, promises(deployment))

    async def begin(self) -> None:
        async with self._db.begin() as session:
            await set_watermark(session, self._deployment, WATCHING, NOON - 2 * DAY)
            await record_dags(session, self._deployment, [Dag(name, ("data",)) for name in DAGS], NOON)
        await self.polled()

    async def polled(self) -> None:
        async with self._db.begin() as session:
            await set_watermark(session, self._deployment, RUNS, self.now)

    async def clock(self, by: timedelta) -> None:
        self.now += by

    async def run(self, dag_id: str, number: int, state: str, kind: str, due: timedelta, took: timedelta) -> None:
        at = NOON + due
        start = None if state == "queued" else at + MINUTE
        end = None if start is None or state in OPEN_RUN_STATES else start + took
        run = DagRun(dag_id, f"r{number}", state, kind, at, at if number else None, at, start, end)
        async with self._db.begin() as session:
            await record_runs(session, self._deployment, [run], self.now)

    async def gone(self, dag_id: str, number: int) -> None:
        async with self._db.begin() as session:
            await forget_run(session, self._deployment, (dag_id, f"r{number}"))

    async def forget(self, age: timedelta) -> None:
        async with self._db.begin() as session:
            await forget_old_runs(session, self.now - age)

    async def dags(self, listed: list[str], paused: bool, due: timedelta | None) -> None:
        some = [Dag(name, ("data",), paused=paused, next_run_due_at=None if due is None else NOON + due) for name in listed]
        async with self._db.begin() as session:
            await record_dags(session, self._deployment, some, self.now)

    async def dag(self, name: str) -> None:
        async with self._db.begin() as session:
            await record_dag(session, self._deployment, Dag(name, ("ops",)), self.now)

    async def both(self) -> tuple[list[DagSla] | None, list[DagSla] | None]:
        """What the one who goes on looking says, and one who looks for the first time."""
        async with self._db.read() as session:
            at = (await mirrored(session)).get(self._deployment)
        news = await Looking(self._db, self._deployment, promises(self._deployment)).look(at, self.now)
        known = await self._watch.look(at, self.now)
        return known and list(known), news and list(news)


ago = st.integers(-60, 12).map(lambda number: number * 2 * HOUR) | st.integers(-6, 6).map(lambda number: number * 10 * MINUTE)
steps = st.one_of(
    st.tuples(
        st.just("run"),
        st.sampled_from((*DAGS, "orders_gone")),
        st.integers(0, 3),
        st.sampled_from(("queued", "running", "success", "failed")),
        st.sampled_from(("scheduled", "manual", "backfill")),
        ago,
        st.sampled_from((MINUTE, 40 * MINUTE, 55 * MINUTE, DAY)),
    ),
    st.tuples(
        st.just("clock"),
        st.sampled_from((JUST, 5 * JUST, MINUTE, 10 * MINUTE, 10 * MINUTE, 40 * MINUTE, HOUR, 7 * HOUR, DAY, 2 * DAY, -HOUR)),
    ),
    st.tuples(st.just("clock"), st.sampled_from((JUST, 5 * MINUTE, HOUR, 12 * HOUR))),
    st.tuples(st.just("gone"), st.sampled_from((*DAGS, "orders_gone")), st.integers(0, 3)),
    st.tuples(st.just("forget"), st.sampled_from((HOUR, DAY, 4 * DAY))),
    st.tuples(st.just("dags"), st.lists(st.sampled_from(DAGS), unique=True), st.booleans(), st.none() | ago),
    st.tuples(st.just("dag"), st.sampled_from((*DAGS, "orders_new"))),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(steps, min_size=5, max_size=25))
async def test_after_every_step_the_watch_says_what_a_new_one_would(
    db: Database, names: Iterator[str], story: list[Step]
) -> None:
    far = Far(db, next(names))
    await far.begin()
    for what, *values in story:
        await getattr(far, what)(*values)
        await far.polled()
        known, new = await far.both()
        assert known == new


async def test_what_an_idle_look_asks_of_the_database_does_not_grow_with_the_fleet(db: Database) -> None:
    counted = {}
    for size in (1, 30):
        names = [f"fleet{size}-{number}" for number in range(size)]
        for name in names:
            far = Far(db, name)
            await far.begin()
            await far.run("orders_a", 1, "success", "scheduled", -HOUR, MINUTE)
        watch = SlaWatch(db, [sla for name in names for sla in promises(name)], names, not_told, lambda deployment: None)
        await watch.step(NOON)
        asked = Queries(db)
        await watch.step(NOON + JUST)
        counted[size] = asked.count
    assert counted[1] == counted[30] > 0


async def test_a_change_in_one_dag_reads_that_one(db: Database) -> None:
    far = Far(db, "prod")
    await far.begin()
    await far.both()
    before = {one.dag_id: one for one in (await far.both())[0] or []}
    await far.run("orders_a", 1, "running", "scheduled", -HOUR, MINUTE)
    after = {one.dag_id: one for one in (await far.both())[0] or []}
    assert after["orders_a"] != before["orders_a"]
    assert after["orders_b"] is before["orders_b"]


async def test_a_number_that_went_back_is_a_new_record(db: Database) -> None:
    far = Far(db, "prod")
    await far.begin()
    await far.run("orders_a", 1, "running", "scheduled", -HOUR, MINUTE)
    known, _ = await far.both()
    async with db.begin() as session:
        await session.execute(sa.delete(dag_runs))
        await session.execute(sa.update(dag_moves).values(number=1))
    restored, new = await far.both()
    assert known != restored == new


async def test_a_clock_that_is_set_back_has_the_limits_before_it_again(db: Database) -> None:
    far = Far(db, "prod")
    await far.begin()
    await far.run("orders_a", 1, "running", "scheduled", -HOUR, MINUTE)
    missed, _ = await far.both()
    await far.clock(-30 * MINUTE)
    known, new = await far.both()
    assert missed != known == new
