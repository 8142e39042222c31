"""A watch of failures that looks when the record moved says what one says that always looks, on both databases."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsconsole.airflow.links import Links
from opsconsole.db import Database
from opsconsole.db.moves import Moves, newest_moves
from opsconsole.db.runs import forget_run
from opsconsole.db.tries import failed_tries
from opsconsole.failures.settings import Settings
from opsconsole.failures.watch import FailureWatch, Watching
from opsconsole.history.runs import record_runs
from opsconsole.history.tries import record_log, record_tasks
from opsconsole.model import OPEN_RUN_STATES, DagRun, TaskInstance, Verdict
from tests.support.clock import NOON
from tests.support.mirrored import Mirror
from tests.support.web import Queries, not_told

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LINKS = Links("http://airflow", 3)
Step = tuple[Any, ...]


@pytest.fixture
def names() -> Iterator[str]:
    """A deployment for each example: they share a database."""
    return (f"prod{number}" for number in itertools.count())


class Far:
    """One deployment as the history stage records it, and two who watch it."""

    def __init__(self, db: Database, deployment: str) -> None:
        self._db, self._deployment, self.now = db, deployment, NOON
        self._watch, self._always = (Watching(db, Settings(), deployment) for _ in range(2))
        self._looks = itertools.count(1)

    async def clock(self, by: timedelta) -> None:
        self.now += by

    async def run(self, number: int, state: str, due: timedelta) -> None:
        end = None if state in OPEN_RUN_STATES else self.now
        run = DagRun("orders", f"r{number}", state, "scheduled", NOON, NOON + due, NOON, NOON, end)
        async with self._db.begin() as session:
            await record_runs(session, self._deployment, [run], self.now)

    async def task(self, number: int, task_id: str, attempt: int, state: str, *, read: bool) -> None:
        end = self.now if state in ("success", "failed") else None
        task = TaskInstance("orders", f"r{number}", task_id, -1, attempt, state, 3, "", "", "", "", NOON, NOON, end)
        async with self._db.begin() as session:
            await record_tasks(session, self._deployment, [task], self.now)
            if read:
                await record_log(session, self._deployment, task, "KeyError: 'id'", self.now)

    async def gone(self, number: int) -> None:
        async with self._db.begin() as session:
            await forget_run(session, self._deployment, ("orders", f"r{number}"))

    async def both(self) -> tuple[Verdict | None, Verdict | None]:
        async with self._db.read() as session:
            moves = (await newest_moves(session)).get(self._deployment, Moves())
        always = await self._always.judge(self.now, LINKS, Moves(next(self._looks)))
        return await self._watch.judge(self.now, LINKS, moves), always


number = st.integers(0, 3)
steps = st.one_of(
    st.tuples(st.just("run"), number, st.sampled_from(("running", "success", "failed")), number.map(lambda hours: hours * HOUR)),
    st.builds(
        lambda *values: ("task", *values),
        number,
        st.sampled_from(("load", "check")),
        st.integers(1, 2),
        st.sampled_from(("running", "success", "failed", "failed", "up_for_retry")),
    ).flatmap(lambda step: st.booleans().map(lambda read: (*step, read))),
    st.tuples(st.just("clock"), st.sampled_from((SECOND, 5 * SECOND, 10 * SECOND, MINUTE, HOUR, -MINUTE))),
    st.tuples(st.just("gone"), number),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(steps, min_size=4, max_size=20))
async def test_after_every_step_both_find_the_same(db: Database, names: Iterator[str], story: list[Step]) -> None:
    deployment = next(names)
    mirror, far = Mirror(db, deployment), Far(db, deployment)
    await mirror.polled(NOON - HOUR)
    await far.both()
    for what, *values in story:
        if what == "task":
            *values, read = values
            await far.task(*values, read=read)
        else:
            await getattr(far, what)(*values)
        known, always = await far.both()
        assert known == always


async def test_a_failure_ends_at_its_time_though_nothing_moves(db: Database) -> None:
    mirror, far = Mirror(db), Far(db, "prod")
    await mirror.polled(NOON - HOUR)
    await far.both()
    await far.task(1, "load", 1, "failed", read=True)
    found = []
    for by in (SECOND, 24 * HOUR - 2 * SECOND, SECOND, -SECOND):
        await far.clock(by)
        known, always = await far.both()
        assert known == always
        found.append(len(known.findings) if known else None)
    assert found == [1, 1, 0, 1]


async def test_what_an_idle_look_asks_of_the_database_does_not_grow_with_the_fleet(db: Database) -> None:
    counted = {}
    for size in (1, 30):
        fleet = [f"fleet{size}-{number}" for number in range(size)]
        for name in fleet:
            await Mirror(db, name).polled(NOON)
        watch = FailureWatch(db, Settings(), fleet, not_told, lambda deployment: None)
        await watch.step(NOON)
        asked = Queries(db)
        await watch.step(NOON + SECOND)
        counted[size] = asked.count
    assert counted[1] == counted[30] > 0


async def test_a_log_that_is_read_later_is_seen(db: Database) -> None:
    mirror, far = Mirror(db), Far(db, "prod")
    await mirror.polled(NOON - HOUR)
    await far.both()
    await far.task(1, "load", 1, "failed", read=False)
    await far.both()
    await far.clock(MINUTE)
    before, _ = await far.both()
    async with db.begin() as session:
        [failed] = await failed_tries(session, "prod", NOON - HOUR)
        await record_log(session, "prod", failed, "KeyError: 'id'", NOON)
    after, always = await far.both()
    assert after == always
    told = [finding.annotations.get("error") for verdict in (before, after) if verdict for finding in verdict.findings]
    assert told == [None, "KeyError: 'id'"]
