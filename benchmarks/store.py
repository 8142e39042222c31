"""The metrics store in figures: intake, size on disk, restart, select. Prints each beside its limit; about half a minute.

Run: `python benchmarks/store.py [SERIES]` (100,000 where none is said).
"""

import asyncio
import gc
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from opsconsole.clock import millis
from opsconsole.db import Database, metadata
from opsconsole.db.series import blocks
from opsconsole.model import Labels, Matcher, MatchOp
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings
from opsconsole.tsdb.store import Store

START = datetime(2026, 3, 1, tzinfo=UTC)
EVERY = timedelta(seconds=15)


class Clock:
    """Goes as fast as the benchmark says."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return time.perf_counter()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@contextmanager
def timed(into: list[float]) -> Iterator[None]:
    """CPU seconds, of all threads: others at work on the machine do not count."""
    gc.collect()
    began = time.process_time()
    yield
    into.append(time.process_time() - began)


def report(what: str, value: float, unit: str, limit: float, *, most: bool = True) -> None:
    held = value <= limit if most else value >= limit
    print(f"{what:<58} {value:>12,.2f} {unit:<14} {'≤' if most else '≥'} {limit:<10,g} {'ok' if held else 'MISSED'}")


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def opened(path: Path, clock: Clock) -> tuple[Database, Store]:
    db = Database(f"sqlite:///{path}")
    async with db.begin() as session:
        await session.run_sync(metadata.create_all)
    store = Store(db, clock, Telemetry(), Settings())
    await store.open()
    return db, store


def many(store: Store, count: int) -> np.ndarray:
    """`count` series as a fleet has them: 50 metrics, 20 deployments, Dags and tasks."""
    return np.array(
        [
            store.ref(
                f"airflow_metric_{i % 50}",
                Labels(deployment=f"d{i // 50 % 20}", dag_id=f"dag_{i // 1000}", state=("ok", "failed")[i % 2], pool=f"p{i % 7}"),
            )
            for i in range(count)
        ]
    )


async def wide(folder: Path, count: int) -> None:
    """Many series: intake, restart and selects over what memory holds."""
    clock = Clock()
    before = resident_mb()
    db, store = await opened(folder / "wide.db", clock)
    took: list[float] = []
    with timed(took):
        refs = many(store, count)
    report(f"make {count:,} series", took[-1] / count * 1e6, "CPU-µs each", 40)
    await store.flush(clock.now())
    rng = np.random.default_rng(1)
    values = rng.integers(0, 1000, count).astype(np.float64)
    cpu, steps = time.process_time(), 60
    for _ in range(steps):
        clock.at += EVERY
        values += rng.integers(0, 3, count)
        store.append_refs(millis(clock.at), refs, values)
        await store.flush(clock.at)
    cpu = time.process_time() - cpu
    report("take in and make durable (one sample a series)", count * steps / cpu, "per CPU-second", 1_000_000, most=False)
    ten = refs[:10_000]
    burst = []
    for _ in range(20):
        clock.at += timedelta(milliseconds=100)
        with timed(burst):
            store.append_refs(millis(clock.at), ten, values[: len(ten)])
    report("append_refs of 10,000 refs, median", float(np.median(burst)) * 1000, "CPU-ms", 2)
    await store.flush(clock.at)
    report(f"memory, {count:,} series, {steps} samples each", resident_mb() - before, "MB", 600)
    await db.close()

    with timed(took):
        db, again = await opened(folder / "wide.db", clock)
    report(f"restart, {count:,} series, {count * steps:,} unsealed samples", took[-1], "CPU-s", 5)
    start, end = millis(clock.at - timedelta(minutes=5)), millis(clock.at)
    await selects(again, "select 5 min of one metric (memory)", [("__name__", "airflow_metric_3")], start, end, 25)
    await selects(again, "select 5 min of one Dag (memory)", [("dag_id", "dag_7")], start, end, 25)
    await db.close()


async def selects(store: Store, what: str, equal: list[tuple[str, str]], start: int, end: int, limit: float) -> None:
    matchers = [Matcher(name, MatchOp.EQUAL, value) for name, value in equal]
    took: list[float] = []
    found = []
    for _ in range(5):
        with timed(took):
            found = await store.select(matchers, start, end)
    report(f"{what}, {len(found):,} series", min(took) * 1000, "CPU-ms", limit)


async def deep(folder: Path, count: int, hours: int) -> None:
    """Hours of samples: what they take on disk, and selects that read chunks."""
    clock = Clock()
    db, store = await opened(folder / "deep.db", clock)
    refs = many(store, count)
    rng = np.random.default_rng(2)
    kind = np.arange(count) % 4  # a flag, a gauge that moves now and then, a counter, seconds
    values = np.where(kind == 3, 0.5, np.where(kind == 0, 1.0, 10.0))
    steps = hours * 240
    for step in range(steps):
        clock.at += EVERY
        moved = np.where(kind == 1, (rng.random(count) < 0.05) * rng.integers(-2, 3, count), 0.0)
        moved = np.where(kind == 2, rng.poisson(2.0, count), moved)
        values = np.where(kind == 3, np.round(rng.gamma(2.0, 0.2, count), 3), values + moved)
        store.append_refs(millis(clock.at) + int(rng.integers(-5, 6)), refs, values)
        if step % 4 == 3:
            await store.flush(clock.at)
            await store.maintain(clock.at)
    async with db.engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        await raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        await raw.execute("DELETE FROM recent_samples")
        await raw.execute("VACUUM")
    size = (folder / "deep.db").stat().st_size
    sealed = await sealed_samples(db)
    report(f"disk, {count:,} series × {hours} h, indexes and names in", size / sealed, "bytes/sample", 2.5)
    start, end = millis(clock.at - timedelta(hours=6)), millis(clock.at)
    await selects(store, "select 6 h of one metric (chunks)", [("__name__", "airflow_metric_3")], start, end, 100)
    await db.close()


async def sealed_samples(db: Database) -> int:
    async with db.read() as session:
        return int((await session.execute(sa.select(sa.func.sum(blocks.c.samples)))).scalar() or 0)


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        await wide(Path(folder), count)
        await deep(Path(folder), 1000, 24)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
