"""A store with many series in a process that has little memory, asked for everything. Prints what came of it, as JSON.

Run: `python -m tests.support.besieged FOLDER`. Beside each hostile query a rule looks, every few milliseconds.
"""

import asyncio
import json
import resource
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from opsconsole.clock import SystemClock, millis
from opsconsole.db import Database, metadata
from opsconsole.model import Labels, QueryError
from opsconsole.promql import Engine, Settings
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings as StoreSettings
from opsconsole.tsdb.store import Store
from tests.support.clock import NOON, FakeClock

SERIES, SCRAPES, EVERY = 5_000, 20, timedelta(seconds=15)
MAY_USE, MAY_GROW = 64 << 20, 512 << 20
"""Bytes that the queries are given, and that the process may grow by; what they ask for is many times both."""

LONG = "x" * 100_000
RANGES = [
    '{__name__=~".+"}',
    "m + m + m",
    "sum_over_time(m[10m:1s])",
    "max_over_time(sum_over_time(m[10m:1s])[10m:1s])",
    "quantile_over_time(0.5, vector(1)[10m:1s])",
    'count_values("v", m)',
    "m * on (n) group_right m",
]
INSTANTS = [
    "sum_over_time(vector(1)[30d:1ms])",
    f'label_replace(m, "x", "{LONG}", "n", ".*")',
    f'label_join(m, "x", "{LONG}", "n", "n", "n")',
    'count_values("v", {__name__=~".+"} * 1.5)',
    "m * on () group_left m",
]


async def main(folder: Path) -> dict[str, Any]:
    db, clock = Database(f"sqlite:///{folder / 'many.db'}"), FakeClock()
    try:
        async with db.begin() as session:
            await session.run_sync(metadata.create_all)
        store = Store(db, clock, Telemetry(), StoreSettings())
        await store.open()
        refs = np.array([store.ref("m", Labels(n=str(n), half=str(n % 2))) for n in range(SERIES)])
        for scrape in range(SCRAPES):
            clock.tick(EVERY.total_seconds())
            store.append_refs(millis(clock.now()), refs, np.arange(SERIES) * 1.1 + scrape)
        await store.flush(clock.now())
        _may_grow(MAY_GROW)
        return await _asked(store)
    finally:
        await db.close()


async def _asked(store: Store) -> dict[str, Any]:
    engine = Engine(store, SystemClock(), Settings(max_memory=MAY_USE, timeout=timedelta(minutes=2)))
    rules, end = engine.apart(), NOON + SCRAPES * EVERY
    said, looked = {}, {}
    for expr in RANGES + INSTANTS:
        at_work = asyncio.create_task(_answer(engine, expr, end, expr in RANGES))
        looks = 0
        while not at_work.done() or not looks:
            result = await rules.instant("count(m)", end)
            assert [point.value for point in result.points] == [SERIES]
            looks += 1
            await asyncio.sleep(0.02)
        said[expr[:60]], looked[expr[:60]] = at_work.result(), looks
    return {"said": said, "looked": looked, "afterwards": await _large(engine, end)}


async def _large(engine: Engine, end: datetime) -> int:
    """A query that needs most of the memory, which is there once all others have given it back."""
    result = await engine.range("sum(m * 1)", end - 300 * EVERY / 20, end, EVERY / 20)
    return len(result.rows)


async def _answer(engine: Engine, expr: str, end: datetime, ranged: bool) -> str:
    try:
        if ranged:
            step = timedelta(milliseconds=50)
            result = await engine.range(expr, end - 10_999 * step, end, step)
        else:
            result = await engine.instant(expr, end)
    except QueryError as error:
        return f"{error.kind}: {str(error)[:200]}"
    return f"answered: {len(result.points) + len(result.rows)}"


def _may_grow(size: int) -> None:
    """From now on no more address space than there is, and so much; what does not fit is a MemoryError."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + size, now + size))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
