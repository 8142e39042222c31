"""The console's own store and engine for a section: a database file in a folder, and a clock that the section moves."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from opsconsole.clock import millis
from opsconsole.db import Database, metadata
from opsconsole.model import Labels
from opsconsole.promql import Engine
from opsconsole.promql.labelsets import Known
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings
from opsconsole.tsdb.store import Store


class Clock:
    """The time that the section says; durations are real."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return time.perf_counter()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class Own:
    """The store on its clock, fed as scrapes feed it: one time for many series."""

    def __init__(self, db: Database, store: Store, clock: Clock) -> None:
        self.db, self.store, self.clock = db, store, clock
        self._refs: dict[int, np.ndarray] = {}

    def refs(self, labels: Sequence[Labels]) -> np.ndarray:
        """The series' numbers, made where they are new; `labels` with their names."""
        if (known := self._refs.get(id(labels))) is None:
            known = self.store.refs(labels)
            self._refs[id(labels)] = known
        return known

    def engine(self) -> Engine:
        """As the console has it over its store."""
        return Engine(self.store, self.clock, known=Known(series=lambda: self.store.series))

    async def scrape(self, at_ms: int, labels: Sequence[Labels], values: np.ndarray) -> None:
        """One sample each at one time."""
        self.store.append_refs(at_ms, self.refs(labels), values)

    async def settle(self, at_ms: int) -> None:
        """What a minute's end brings: make durable, and seal what is due."""
        self.clock.at = datetime.fromtimestamp(at_ms / 1000, UTC) + timedelta(milliseconds=1)
        assert millis(self.clock.at) >= at_ms
        await self.store.flush(self.clock.at)
        await self.store.maintain(self.clock.at)
        assert self.store.problem is None, self.store.problem


@asynccontextmanager
async def own(folder: Path, start: datetime) -> AsyncIterator[Own]:
    folder.mkdir(parents=True, exist_ok=True)
    db = Database(f"sqlite:///{folder / 'opsconsole.db'}")
    try:
        async with db.begin() as session:
            await session.run_sync(metadata.create_all)
        clock = Clock(start)
        store = Store(db, clock, Telemetry(), Settings(max_series_per_deployment=0, max_pending_samples=20_000_000))
        await store.open()
        yield Own(db, store, clock)
    finally:
        await db.close()
