"""Whatever is written, fails, or ends in between: what was flushed is there afterwards, and nothing that never was."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

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

    def __init__(self, db: Unreliable) -> None:
        self.world, self.db = World(db), db
        self.wanted: dict[Key, float] = {}
        self.durable: set[Key] = set()

    async def add(self, series: int, minutes_ago: int, value: float) -> None:
        at = self.world.clock.now() - timedelta(minutes=minutes_ago)
        self.world.add(value, at, i=str(series))
        self.wanted.setdefault((str(series), millis(at)), value)

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
        assert self.durable <= set(found)
        assert all(self.wanted.get(key) == value for key, value in found.items())
        self.wanted = found

    async def check(self) -> None:
        assert await self.found() == self.wanted

    async def found(self) -> dict[Key, float]:
        matchers = [Matcher("__name__", MatchOp.EQUAL, "m")]
        return {
            (series.labels["i"], at): value
            for series in await self.world.store.select(matchers, 0, 2**62)
            for at, value in zip(series.timestamps.tolist(), series.values.tolist(), strict=True)
        }


adds = st.tuples(st.just("add"), st.integers(1, 3), st.sampled_from([0, 0, 0, 1, 5, 100, 400]), st.integers(0, 3).map(float))
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
        told = Story(db)
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


async def test_a_crash_at_any_statement_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    """The script again and again; each time one statement later fails, and with it its transaction, and the process ends."""
    url, failed_at, statements = f"sqlite:///{tmp_path / 'story.db'}", 0, 0
    async with opened(url):
        pass
    while statements >= failed_at:  # the last time, none was left to fail
        failed_at += 1
        db, statements = Unreliable(url), 0
        db.faults = []
        async with db.begin() as session:
            for each in TABLES:
                await session.execute(each.delete())

        def count(*_: Any, at: int = failed_at) -> None:
            nonlocal statements
            statements += 1
            if statements == at:
                raise sa.exc.OperationalError("a statement", None, Exception("the process ended"))

        told = Story(db)
        await told.world.store.open()
        sa.event.listen(db.engine.sync_engine, "before_cursor_execute", count)
        for what, *how in SCRIPT:
            await getattr(told, what)(*how)
            if statements >= failed_at:
                break
        sa.event.remove(db.engine.sync_engine, "before_cursor_execute", count)
        await told.crash()
        await told.wait(31)
        await told.check()
        await db.close()
    assert failed_at > 30
