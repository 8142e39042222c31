"""Whatever is written, fails, or ends in between: what was flushed is there afterwards, and nothing that never was."""

import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from opsconsole.clock import millis
from opsconsole.db import Database, Session
from opsconsole.db import series as table
from opsconsole.model import Matcher, MatchOp, Sample
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings
from opsconsole.tsdb.store import Store
from tests.contract.test_store import World
from tests.support.clock import NOON, FakeClock
from tests.support.databases import opened

ROOT = Path(__file__).parents[2]
TABLES = (table.series, table.recent, table.blocks, table.store_state, table.sealed_buckets)
Key = tuple[str, int]
MOST = 3
"""Series that the stories' deployment may have at once."""


class Unreliable(Database):
    """Fails where it is told to: `before` the commit, or `after` it, when only the answer is lost."""

    faults: list[str]

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Session]:
        fault = self.faults.pop(0) if self.faults else ""
        async with super().begin() as session:
            yield session
            if fault == "before":
                raise sa.exc.OperationalError("commit", None, Exception("the connection was lost"))
        if fault == "after":
            raise sa.exc.OperationalError("commit", None, Exception("the answer was lost"))


class Story:
    """A store beside the dictionary that it should be."""

    def __init__(self, db: Unreliable, **settings: Any) -> None:
        self.world, self.db = World(db, **settings), db
        self.wanted: dict[Key, float] = {}
        self.durable: set[Key] = set()
        self.shrinks = "retention_size" in settings

    def again(self, db: "Unreliable", settings: dict[str, Any]) -> "Story":
        """The same so far, in another copy of the database."""
        other = Story(db, **settings)
        other.world.clock.tick((self.world.clock.now() - NOON).total_seconds())
        other.wanted, other.durable = dict(self.wanted), set(self.durable)
        return other

    async def add(self, series: int, minutes_ago: int, value: float) -> None:
        at = self.world.clock.now() - timedelta(minutes=minutes_ago)
        key = (str(series), millis(at))
        told = self.world.store.append([Sample.of("m", value, at, {"i": str(series)})])
        assert key in self.wanted or told.accepted or told.series_limit
        if told.accepted:
            self.wanted.setdefault(key, value)  # of two values the first stays, whether or not the second was told off

    async def flush(self) -> None:
        await self.world.flush()
        if self.world.store.healthy:
            self.durable = set(self.wanted)

    async def wait(self, minutes: int) -> None:
        self.world.clock.tick(60 * minutes)
        await self.world.store.maintain(self.world.clock.now())

    async def fail(self, faults: list[str]) -> None:
        self.db.faults = list(faults)

    async def crash(self) -> None:
        self.db.faults = []
        await self.world.restart()
        found = await self.found()
        assert self.durable - self._expired(found) <= set(found)
        assert all(self.wanted.get(key) == value for key, value in found.items())
        self.wanted = found

    async def check(self) -> None:
        found = await self.found()
        gone = self._expired(found)
        assert found == {key: value for key, value in self.wanted.items() if key not in gone}

    def _expired(self, found: dict[Key, float]) -> set[Key]:
        """What may be gone: where there are too many bytes, what is older than anything that is there."""
        oldest = min((at for _, at in found), default=0)
        return {key for key in self.wanted if key[1] < oldest} if self.shrinks else set()

    async def found(self) -> dict[Key, float]:
        matchers = [Matcher("__name__", MatchOp.EQUAL, "m")]
        return {
            (series.labels["i"], at): value
            for series in await self.world.store.select(matchers, 0, 2**62)
            for at, value in zip(series.timestamps.tolist(), series.values.tolist(), strict=True)
        }


adds = st.tuples(st.just("add"), st.integers(1, 4), st.sampled_from([0, 0, 0, 1, 5, 100, 400]), st.integers(0, 3).map(float))
waits = st.tuples(st.just("wait"), st.sampled_from([1, 1, 7, 31, 130, 400]))
fails = st.tuples(st.just("fail"), st.lists(st.sampled_from(["", "before", "after"]), max_size=4))
others = st.sampled_from([("flush",), ("flush",), ("crash",), ("check",)])
stories = st.lists(st.one_of(adds, adds, waits, fails, others), min_size=5, max_size=40)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_no_story_loses_what_was_flushed(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = str(request.getfixturevalue("postgres_url")) if kind == "postgres" else f"sqlite:///{tmp_path / 'story.db'}"

    async def prepare() -> None:
        async with opened(url):
            pass

    asyncio.run(prepare())

    @settings(max_examples=max(40, settings().max_examples // 4), suppress_health_check=list(HealthCheck))
    @given(stories)
    @example([("add", 1, 0, 1.0), ("fail", ["after"]), ("flush",), ("flush",), ("crash",), ("check",)])
    @example(
        [
            ("add", 1, 0, 1.0),
            ("flush",),
            ("fail", ["after"]),
            ("wait", 31),
            ("add", 1, 0, 2.0),
            ("crash",),
            ("wait", 31),
            ("crash",),
        ]
    )
    @example([("add", 1, 0, 1.0), ("flush",), ("wait", 400), ("add", 1, 400, 2.0), ("add", 1, 0, 3.0), ("check",), ("crash",)])
    def told(story: list[tuple[Any, ...]]) -> None:
        asyncio.run(tell(url, story))

    told()


async def tell(url: str, story: list[tuple[Any, ...]]) -> None:
    db = Unreliable(url)
    db.faults = []
    try:
        async with db.begin() as session:
            for each in TABLES:
                await session.execute(each.delete())
        told = Story(db, max_series_per_deployment=MOST)
        await told.world.store.open()
        for what, *how in story:
            await getattr(told, what)(*how)
        await told.check()
    finally:
        await db.close()


WRITER = """
import asyncio, sys
from tests.contract.test_store_crashing import write
asyncio.run(write(sys.argv[1]))
"""


async def write(url: str) -> None:
    """Append, flush, and say after each flush how much is durable; until killed."""
    db, clock = Database(url), FakeClock()
    store = Store(db, clock, Telemetry(), Settings())
    await store.open()
    for number in range(1_000_000):
        at = NOON + timedelta(seconds=number)
        store.append([Sample.of("m", float(number), at, {"i": str(i)}) for i in range(50)])
        await store.flush(at)
        print(number, flush=True)


@pytest.mark.parametrize("flushes", [1, 20, 60])
async def test_a_killed_process_loses_nothing_that_it_had_flushed(tmp_path: Path, flushes: int) -> None:
    url = f"sqlite:///{tmp_path / 'killed.db'}"
    async with opened(url):
        pass
    writer = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert writer.stdout is not None
    said = [int(writer.stdout.readline()) for _ in range(flushes)][-1]
    writer.send_signal(signal.SIGKILL)
    rest = writer.stdout.read().split()
    writer.wait()
    last = int(rest[-1]) if rest else said
    async with opened(url) as db:
        store = Store(db, FakeClock(), Telemetry(), Settings())
        await store.open()
        found = await store.select([Matcher("__name__", MatchOp.EQUAL, "m")], 0, 2**62)
    assert len(found) == 50
    assert all(series.values.tolist()[: last + 1] == [float(i) for i in range(last + 1)] for series in found)


SCRIPT: list[tuple[Any, ...]] = [
    *[("add", series, 0, float(series)) for series in (1, 2, 3)],
    ("flush",),
    ("wait", 31),
    *[("add", series, ago, 1.0) for series in (1, 2, 3) for ago in (0, 7, 100)],
    ("flush",),
    ("wait", 31),
    ("add", 1, 5, 2.0),
    ("flush",),
    ("wait", 130),
    ("wait", 400),
    ("add", 2, 0, 3.0),
    ("flush",),
    ("wait", 31),
]
HALF_HOURS: list[tuple[Any, ...]] = [
    step for n in range(31) for step in (("add", 1, 0, n / 7), ("add", 2, 0, n / 9), ("flush",), ("wait", 31))
]
"""So many blocks of one bundle that with the next they are merged."""
LATE: list[tuple[Any, ...]] = [
    *[("add", series, ago, 0.5) for series in (1, 2) for ago in (30, 31, 62, 500, 501)],
    ("add", 1, 500, 0.25),
    ("flush",),
    ("wait", 31),
    ("wait", 31),
    ("check",),
]
"""Samples at times that are sealed, and merged, or that only the database knows, and among them some in conflict."""


class Case(NamedTuple):
    """What was, what then happens with one statement more of it failing each time, and the settings of the store."""

    before: list[tuple[Any, ...]]
    script: list[tuple[Any, ...]]
    settings: dict[str, Any]
    fewer: bool = False
    """Whether blocks are merged or deleted by it."""


CASES = {
    "an evening": Case([], SCRIPT, {}),
    "merging": Case(HALF_HOURS, [("add", 1, 0, 5.0), ("flush",), ("wait", 31), ("wait", 31)], {}, fewer=True),
    "late samples": Case(HALF_HOURS[:80], LATE, {}),
    "too many bytes": Case(
        HALF_HOURS, [("add", 1, 0, 5.0), ("flush",), ("wait", 31), ("check",)], {"retention_size": 1500}, fewer=True
    ),
    "too many series": Case(
        [("add", 1, 0, 1.0), ("flush",)],
        [
            *[("add", series, 0, 1.0) for series in (2, 3, 4)],
            ("flush",),
            ("wait", 31),
            ("wait", 400),
            ("add", 4, 0, 2.0),
            ("flush",),
        ],
        {"max_series_per_deployment": 2},
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_crash_at_any_statement_loses_nothing_that_was_flushed(tmp_path: Path, name: str) -> None:
    """The script again and again; each time one statement later fails, and with it its transaction, and the process ends."""
    case, base, file = CASES[name], tmp_path / "before.db", tmp_path / "story.db"
    async with opened(f"sqlite:///{base}"):
        pass
    first = await lived(base, case)
    blocks, failed_at, statements = await first.world.rows(table.blocks), 0, 0
    while statements >= failed_at:  # the last time, none was left to fail
        failed_at += 1
        for one in tmp_path.glob("story.db*"):
            one.unlink()
        shutil.copy(base, file)
        statements, left = await crashed_at(failed_at, file, case, first)
    assert failed_at > 10
    assert (left < blocks) == case.fewer


async def lived(file: Path, case: Case) -> Story:
    """What was before, in the file, which is closed."""
    db = Unreliable(f"sqlite:///{file}")
    db.faults = []
    told = Story(db)
    await told.world.store.open()
    for what, *how in case.before:
        await getattr(told, what)(*how)
    await db.close()
    return told


async def crashed_at(failed_at: int, file: Path, case: Case, first: Story) -> tuple[int, int]:
    """Go on from what was before until that statement; how many there were, and blocks in the end."""
    db, statements = Unreliable(f"sqlite:///{file}"), 0
    db.faults = []

    def count(*_: Any) -> None:
        nonlocal statements
        statements += 1
        if statements == failed_at:
            raise sa.exc.OperationalError("a statement", None, Exception("the process ended"))

    told = first.again(db, case.settings)
    await told.world.store.open()
    sa.event.listen(db.engine.sync_engine, "before_cursor_execute", count)
    for what, *how in case.script:
        await getattr(told, what)(*how)
        if statements >= failed_at:
            break
    sa.event.remove(db.engine.sync_engine, "before_cursor_execute", count)
    await told.crash()
    await told.wait(31)
    await told.check()
    left = await told.world.rows(table.blocks)
    await db.close()
    return statements, left


@pytest.mark.parametrize("lost", range(6))
async def test_a_series_whose_end_was_committed_unheard_goes_on(tmp_path: Path, lost: int) -> None:
    """The answer to one of the upkeep's transactions is lost, then the series has a sample again, then the process ends."""
    url = f"sqlite:///{tmp_path / 'story.db'}"
    async with opened(url):
        pass
    await tell(
        url,
        [
            ("add", 1, 0, 1.0),
            ("flush",),
            ("wait", 31),
            ("wait", 130),
            ("fail", [""] * lost + ["after"]),
            ("wait", 400),
            ("fail", []),
            ("add", 1, 0, 2.0),
            ("flush",),
            ("crash",),
            ("add", 1, 1, 3.0),
            ("flush",),
            ("wait", 31),
            ("crash",),
        ],
    )
