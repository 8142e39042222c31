"""A second pair of eyes on the metrics store: it reads what the running console flushed, and takes nothing over."""

import pytest

from opsconsole.db import Database
from opsconsole.db.series import SupersededError
from opsconsole.model import Labels, Matcher, MatchOp, Sample
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings
from opsconsole.tsdb.store import Store
from tests.support.clock import FakeClock

FOREVER = 2**62


def of_all(name: str) -> list[Matcher]:
    return [Matcher("__name__", MatchOp.EQUAL, name)]


def a_store(db: Database, clock: FakeClock) -> Store:
    return Store(db, clock, Telemetry(), Settings())


async def values(store: Store) -> dict[Labels, list[float]]:
    return {one.labels.without("__name__"): one.values.tolist() for one in await store.select(of_all("m"), 0, FOREVER)}


async def test_what_was_flushed_and_sealed_is_read_beside_the_console_that_goes_on_writing(db: Database) -> None:
    clock = FakeClock()
    writing = a_store(db, clock)
    await writing.open()
    for minute in range(45):
        writing.append([Sample.of("m", minute, clock.now(), {"pool": "a"})])
        await writing.flush(clock.now())
        await writing.maintain(clock.now())
        clock.tick(60)
    reading = a_store(db, clock)
    await reading.open(read_only=True)
    assert await values(reading) == {Labels(pool="a"): [float(minute) for minute in range(45)]}
    writing.append([Sample.of("m", 45, clock.now(), {"pool": "a"})])
    await writing.flush(clock.now())
    assert writing.problem is None
    again = a_store(db, clock)
    await again.open(read_only=True)
    assert await values(again) == {Labels(pool="a"): [float(minute) for minute in range(46)]}


async def test_what_is_appended_to_a_reading_store_is_refused_by_the_database(db: Database) -> None:
    clock = FakeClock()
    writing, reading = a_store(db, clock), a_store(db, clock)
    await writing.open()
    await reading.open(read_only=True)
    reading.append([Sample.of("m", 1.0, clock.now(), {})])
    with pytest.raises(SupersededError):
        await reading.commit(clock.now())
    writing.append([Sample.of("m", 2.0, clock.now(), {})])
    await writing.commit(clock.now())
    assert await values(writing) == {Labels(): [2.0]}
