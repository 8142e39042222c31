"""The embedded metrics store: memory in front, the one database behind."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import numpy as np
import sqlalchemy as sa

from opsconsole.clock import Clock, millis
from opsconsole.db import Database
from opsconsole.db.series import SupersededError
from opsconsole.model import STALE, Admit, Appended, Block, Labels, Matcher, Millis, Sample, Series, Values, admit_all
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.codec import Batch, Ids
from opsconsole.tsdb.damage import Damage
from opsconsole.tsdb.head import Head
from opsconsole.tsdb.journal import Journal
from opsconsole.tsdb.keeper import Keeper
from opsconsole.tsdb.late import TIME_LIMIT
from opsconsole.tsdb.reader import Reader
from opsconsole.tsdb.recall import Recall
from opsconsole.tsdb.registry import STRANGE, Registry
from opsconsole.tsdb.settings import Settings

log = logging.getLogger(__name__)

_LATE = timedelta(seconds=15)


class Store:
    """Takes samples at once, makes them durable with the next `flush`, and answers queries from both.

    A *ref* names a series for the fast path; it stays good for as long as the store is open, also where the series
    was idle and memory let it go.
    """

    def __init__(self, db: Database, clock: Clock, telemetry: Telemetry, settings: Settings) -> None:
        self._clock, self._telemetry, self._settings = clock, telemetry, settings
        self._head = Head(Damage(telemetry.store_damaged.inc, lambda: millis(clock.now())))
        self._journal = Journal()
        self._registry = Registry(self._head, telemetry, settings)
        self._keeper = Keeper(db, self._head, self._journal, self._registry, settings)
        self._reader = Reader(db, self._head, self._keeper)
        self._recall = Recall(db, self._head, self._keeper)
        self._writing = asyncio.Lock()
        self._failure: str | None = None
        self._behind_since: datetime | None = None

    async def open(self, *, read_only: bool = False) -> None:
        """Read what was flushed before; samples may come from now on.

        `read_only` is for reading beside a running console, which goes on writing: what it flushes later is not seen, and
        what is appended here is never written.
        """
        await self._keeper.open(self._clock.now(), read_only=read_only)

    def append(self, samples: Iterable[Sample]) -> Appended:
        """Take samples in, in any order of time."""
        now_ms = millis(self._clock.now())
        samples = list(samples)
        refs = [self._registry.ref(sample.name, sample.labels, now_ms) for sample in samples]
        times = [millis(sample.at) for sample in samples]
        values = [sample.value for sample in samples]
        return self._take(np.array(refs, np.int64), np.array(times, np.int64), np.array(values, np.float64), now_ms)

    def ref(self, name: str, labels: Labels) -> int:
        """The number of a series, which is made where it is new; `labels` without `__name__`."""
        return self._registry.ref(name, labels, millis(self._clock.now()))

    def refs(self, series: Sequence[Labels]) -> Ids:
        """`ref` of many at once; `labels` with `__name__`."""
        return np.array(self._registry.refs(series, millis(self._clock.now())), np.int64)

    def append_refs(self, at_ms: int | Millis, refs: Sequence[int] | Ids, values: Sequence[float] | Values) -> Appended:
        """Take in one sample for each ref: all of one time, or each of its own (an array of Unix milliseconds)."""
        ids = np.array(refs, np.int64)
        times = np.full(len(ids), at_ms, np.int64)
        return self._take(ids, times, np.array(values, np.float64), millis(self._clock.now()))

    def append_block(self, block: Block) -> Appended:
        """Take in every sample of a block."""
        refs, (rows, columns) = self.refs(block.labels), block.values.shape
        return self.append_refs(np.tile(block.timestamps, rows), np.repeat(refs, columns), block.values.ravel())

    async def append_history(self, times: Millis, refs: Sequence[int] | Ids, values: Sequence[float] | Values) -> Appended:
        """`append_refs` for whoever can wait: where only the database has a sample at a time, that too is told."""
        batch = Batch(np.array(refs, np.int64), np.array(times, np.int64), np.array(values, np.float64))
        oldest = millis(self._clock.now() - self._settings.retention)
        known, same = await self._recall.find(batch, oldest)
        if not known.any():
            return self.append_refs(batch.times, batch.ids, batch.values)
        rest = batch.where(~known)
        outcome = self.append_refs(rest.times, rest.ids, rest.values)
        again, conflicts = int(np.count_nonzero(same)), int(np.count_nonzero(known & ~same))
        self._count(Appended(conflicting=conflicts))
        return outcome._replace(duplicates=outcome.duplicates + again, conflicting=outcome.conflicting + conflicts)

    def end(self, at_ms: int, refs: Sequence[int] | Ids) -> None:
        """Mark the series as ended at that time (Prometheus' staleness marker): queries from then on do not see them."""
        self.append_refs(at_ms, refs, np.full(len(refs), STALE))

    def _take(self, ids: Ids, times: Millis, values: Values, now_ms: int) -> Appended:
        batch, outcome = self._admitted(Batch(ids, times, values), now_ms)
        if len(batch.ids):
            done = self._head.append(batch, now_ms)
            if done.unknown.any():
                self._keeper.adopt(batch.where(done.unknown))
            taken = batch if done.accepted.all() else batch.where(done.accepted)
            self._journal.add(taken)
            kept = len(taken.ids) + int(np.count_nonzero(done.unknown))
            again = len(batch.ids) - kept - done.conflicts
            outcome = outcome._replace(accepted=kept, duplicates=again, conflicting=done.conflicts)
        self._count(outcome)
        return outcome

    def _admitted(self, batch: Batch, now_ms: int) -> tuple[Batch, Appended]:
        """Without what is refused before anybody looks at it."""
        outcome = Appended()
        refused = batch.ids <= 0
        old = (batch.times < now_ms - self._settings.retention // timedelta(milliseconds=1)) | (batch.times >= TIME_LIMIT)
        if refused.any() or old.any():
            strange, too_old = int(np.count_nonzero(batch.ids == STRANGE)), int(np.count_nonzero(old & ~refused))
            limit = int(np.count_nonzero(refused)) - strange
            outcome = Appended(series_limit=limit, deployment_limit=strange, too_old=too_old)
            batch = batch.where(~(refused | old))
        if (over := len(batch.ids) - self._room) > 0:
            outcome = outcome._replace(backlog=over)
            batch = batch.where(np.arange(len(batch.ids)) < self._room)
        return batch, outcome

    @property
    def _room(self) -> int:
        return max(0, self._settings.max_pending_samples - self._keeper.waiting)

    def _count(self, outcome: Appended) -> None:
        self._telemetry.store_samples.inc(outcome.accepted)
        self._telemetry.store_pending.set(self._keeper.waiting)
        for reason, samples in (
            ("conflict", outcome.conflicting),
            ("too_old", outcome.too_old),
            ("series_limit", outcome.series_limit),
            ("deployment_limit", outcome.deployment_limit),
            ("backlog", outcome.backlog),
        ):
            if samples:
                self._telemetry.store_dropped.labels(reason).inc(samples)

    async def flush(self, now: datetime) -> None:
        """Make durable what was appended. Where the database refuses, samples wait; `problem` says so."""
        self._behind_since = self._behind_since or now
        async with self._writing:
            with suppress(sa.exc.SQLAlchemyError, SupersededError, OSError):
                await self._commit(now)

    async def commit(self, now: datetime) -> None:
        """The same for who must know before answering: raises what the database raised."""
        async with self._writing:
            await self._commit(now)

    async def _commit(self, now: datetime) -> None:
        try:
            await self._keeper.commit(now)
        except (sa.exc.SQLAlchemyError, SupersededError, OSError) as error:
            self._failed(error)
            raise
        self._recovered()

    async def maintain(self, now: datetime) -> None:
        """Once a minute: seal, compact, enforce retention, drop idle series from memory."""
        async with self._writing:
            try:
                await self._keeper.maintain(now)
                self._telemetry.store_bytes.set(self._keeper.sealed_bytes)
            except (sa.exc.SQLAlchemyError, SupersededError, OSError) as error:
                self._failed(error)

    async def close(self) -> None:
        await self.flush(self._clock.now())

    def _failed(self, error: Exception) -> None:
        self._telemetry.store_write_failures.inc()
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        if self._failure is None:
            log.warning("the metrics store cannot write; samples wait in memory", extra={"error": reason})
        self._failure = reason

    def _recovered(self) -> None:
        if self._failure is not None:
            log.info("the metrics store writes again")
        self._failure = self._behind_since = None
        self._telemetry.store_pending.set(self._keeper.waiting)

    @property
    def series(self) -> int:
        return len(self._registry)

    @property
    def problem(self) -> str | None:
        """Why the store is not healthy, in a line."""
        waiting = self._keeper.waiting
        if self._failure is not None:
            return f"the metrics store cannot write: {self._failure} ({waiting} samples wait, {self._room} more may)"
        if self._behind_since is not None and self._clock.now() - self._behind_since > _LATE:
            return f"{waiting} samples have waited for the database since {self._behind_since:%H:%M:%S} UTC"
        told = [self._head.damage.lately(), *self._registry.crowded(millis(self._clock.now()))]
        return "; ".join(filter(None, told)) or None

    @property
    def healthy(self) -> bool:
        return self.problem is None

    async def blocks(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, admit: Admit = admit_all) -> list[Block]:
        """Series that all matchers fit, with their samples in `start_ms <= t <= end_ms`, as matrices of those that share their
        times. Raises QueryError."""
        oldest = millis(self._clock.now() - self._settings.retention)
        return await self._reader.blocks(matchers, max(start_ms, oldest), end_ms, admit)

    async def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Series]:
        """The same one by one."""
        return [
            Series(labels, block.timestamps, values)
            for block in await self.blocks(matchers, start_ms, end_ms)
            for labels, values in zip(block.labels, block.values, strict=True)
        ]

    async def labels(
        self, matchers: Sequence[Matcher] = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[Labels]:
        """Label sets of series that fit; with `start_ms` those too that ended since then, with `end_ms` none that began later."""
        past = end_ms is not None and end_ms < millis(self._clock.now())
        return await self._reader.labels(matchers, start_ms, end_ms if past else None)

    async def label_names(
        self, matchers: Sequence[Matcher] = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[str]:
        if not matchers and start_ms is None and end_ms is None:
            return sorted(self._head.index.names())
        return sorted({name for labels in await self.labels(matchers, start_ms, end_ms) for name in labels})

    async def label_values(
        self, name: str, matchers: Sequence[Matcher] = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[str]:
        if not matchers and start_ms is None and end_ms is None:
            return sorted(self._head.index.values(name))
        return sorted({labels[name] for labels in await self.labels(matchers, start_ms, end_ms) if name in labels})
