"""What a console with a cluster underneath has in place of the embedded store: samples go through a queue on disk."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import numpy as np
import sqlalchemy as sa

from opsconsole.clock import Clock, from_millis, millis
from opsconsole.cluster.arrivals import Arrivals, Batch, Request
from opsconsole.cluster.queue import Queue
from opsconsole.cluster.registry import Ids, Registry
from opsconsole.cluster.sender import Sender
from opsconsole.cluster.settings import Settings
from opsconsole.cluster.transport import Transport
from opsconsole.db import Database
from opsconsole.db.series import SupersededError
from opsconsole.model import STALE, Appended, Block, Labels, Millis, Sample, Values
from opsconsole.telemetry import Telemetry

log = logging.getLogger(__name__)

MOST_SERIES = 1_000_000
"""Series known at once."""
MOST_WAITING = 2_000_000
"""Samples that wait in memory while the database cannot be written; more are refused."""
_IDLE = timedelta(hours=6)
_LATE = timedelta(seconds=15)
_INLINE = 5_000
"""Samples that are encoded without a thread of their own."""


class ClusterStore:
    """Takes samples at once, writes them down with the next `flush`, and then has `wake` hear that there is something to send.

    A *ref* names a series and stays good for as long as the store is open.
    """

    def __init__(self, db: Database, transport: Transport, clock: Clock, telemetry: Telemetry, settings: Settings) -> None:
        self._clock, self._telemetry = clock, telemetry
        self._registry = Registry(MOST_SERIES)
        self._arrivals = Arrivals(self._registry, MOST_WAITING)
        self._encoded: list[Request] = []
        self._queue = Queue(db, telemetry, settings)
        self._sender = Sender(self._queue, transport, settings.write_to, clock, telemetry)
        self._writing = asyncio.Lock()
        self._failure = ""
        self._behind_since: datetime | None = None
        self.wake: asyncio.Queue[None] = asyncio.Queue(1)

    async def open(self) -> None:
        """Take over the queue; what a process before this one left in it is sent on."""
        await self._queue.open()

    def append(self, samples: Iterable[Sample]) -> Appended:
        """Take samples in, in any order of time."""
        samples = list(samples)
        numbers = [self._registry.number(sample.name, sample.labels) for sample in samples]
        times, values = [millis(sample.at) for sample in samples], [sample.value for sample in samples]
        return self._take(np.array(numbers, np.int64), np.array(times, np.int64), np.array(values, np.float64))

    def ref(self, name: str, labels: Labels) -> int:
        return self._registry.number(name, labels, held=True)

    def refs(self, series: Sequence[Labels]) -> Ids:
        return np.array([self.ref(one["__name__"], one.without("__name__")) for one in series], np.int64)

    def append_refs(self, at_ms: int | Millis, refs: Sequence[int] | Ids, values: Sequence[float] | Values) -> Appended:
        """Take in one sample for each ref: all of one time, or each of its own (an array of Unix milliseconds)."""
        numbers = np.array(refs, np.int64)
        return self._take(numbers, np.full(len(numbers), at_ms, np.int64), np.array(values, np.float64))

    def append_block(self, block: Block) -> Appended:
        """Take in every sample of a block."""
        numbers = [self._registry.number(one["__name__"], one.without("__name__")) for one in block.labels]
        rows, columns = block.values.shape
        return self._take(np.repeat(np.array(numbers, np.int64), columns), np.tile(block.timestamps, rows), block.values.ravel())

    async def append_history(self, times: Millis, refs: Sequence[int] | Ids, values: Sequence[float] | Values) -> Appended:
        """The same: what the cluster has at these times it says when they are sent."""
        return self.append_refs(times, refs, values)

    def end(self, at_ms: int, refs: Sequence[int] | Ids) -> None:
        self.append_refs(at_ms, refs, np.full(len(refs), STALE))

    def _take(self, numbers: Ids, times: Millis, values: Values) -> Appended:
        outcome = self._arrivals.add(Batch(numbers, times, values), millis(self._clock.now()))
        telemetry = self._telemetry
        telemetry.store_samples.inc(outcome.accepted)
        telemetry.store_pending.set(self._waiting)
        telemetry.store_series.set(len(self._registry))
        for reason, samples in (
            ("conflict", outcome.conflicting),
            ("series_limit", outcome.series_limit),
            ("backlog", outcome.backlog),
        ):
            if samples:
                telemetry.store_dropped.labels(reason).inc(samples)
        return outcome

    @property
    def _waiting(self) -> int:
        return self._arrivals.count + sum(request.samples for request in self._encoded)

    async def flush(self, now: datetime) -> None:
        """Write down what was appended, and have it sent. Where the database refuses, samples wait in memory."""
        self._behind_since = self._behind_since or now
        try:
            await self.commit(now)
        except (sa.exc.SQLAlchemyError, SupersededError, OSError) as error:
            self._failed(error)
        else:
            self._recovered()
        if self.wake.empty():
            self.wake.put_nowait(None)

    async def commit(self, now: datetime) -> None:
        async with self._writing:
            await self._encode()
            await self._queue.put(self._encoded, now)
            self._encoded = []

    async def _encode(self) -> None:
        taken = self._arrivals.take()
        try:
            if sum(len(batch.numbers) for batches in taken for batch in batches) <= _INLINE:
                made = self._arrivals.requests(taken)
            else:
                made = await asyncio.to_thread(self._arrivals.requests, taken)
        except BaseException:
            self._arrivals.give_back(taken)
            raise
        self._encoded += made

    async def send(self, woken: Sequence[None]) -> None:
        """Send what was written down; for `loops.consume(store.wake, …)`."""
        await self._sender.step(self._clock.now())

    async def settle(self) -> None:
        """Write down and send what was appended, so that a query that follows sees it; as far as the cluster takes it."""
        await self.flush(self._clock.now())
        await self._sender.step(self._clock.now())

    async def maintain(self, now: datetime) -> None:
        """Forget series that are idle."""
        await self.flush(now)
        if not self._arrivals.count:
            self._registry.forget_idle(millis(now - _IDLE))

    async def close(self) -> None:
        """Write down what is left; what the cluster takes at once is sent, the next start sends the rest."""
        await self.settle()
        await self.flush(self._clock.now())

    def _failed(self, error: Exception) -> None:
        self._telemetry.store_write_failures.inc()
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        if not self._failure:
            log.warning("the queue of samples cannot be written; they wait in memory", extra={"error": reason})
        self._failure = reason

    def _recovered(self) -> None:
        if self._failure:
            log.info("the queue of samples is written again")
        self._failure, self._behind_since = "", None
        self._telemetry.store_pending.set(self._waiting)

    def behind(self, now: datetime) -> timedelta:
        """For how long the oldest sample that the cluster lacks has waited."""
        waiting = [self._behind_since] if self._behind_since else []
        if self._queue.oldest_ms:
            waiting.append(from_millis(self._queue.oldest_ms))
        return max(timedelta(0), now - min(waiting, default=now))

    @property
    def refusal(self) -> str:
        """Why the cluster takes no samples at the moment, if it takes none."""
        return self._sender.failing

    @property
    def series(self) -> int:
        return len(self._registry)

    @property
    def problem(self) -> str | None:
        """Why all is not well, in a line."""
        now = self._clock.now()
        if self._failure:
            return f"the queue of samples cannot be written: {self._failure} ({self._waiting} samples wait in memory)"
        if self._queue.dropping:
            return f"the queue of samples is full, the oldest are dropped; {self._sender.problem or 'the cluster is too slow'}"
        if self._sender.since is not None and now - self._sender.since > _LATE:
            return self._sender.problem
        if (behind := self.behind(now)) > _LATE:
            return f"the cluster is {behind.total_seconds():.0f} s behind: {self._queue.samples} samples wait on disk"
        return None
