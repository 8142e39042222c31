"""The queue on disk: what was written down and the cluster has not taken, in the order in which it is sent."""

import logging
from collections.abc import Sequence
from datetime import datetime

from opsconsole.clock import millis
from opsconsole.cluster.arrivals import Request
from opsconsole.cluster.settings import Settings
from opsconsole.db import Database, Session
from opsconsole.db import queue as table
from opsconsole.db.queue import QueueRow
from opsconsole.telemetry import Telemetry

log = logging.getLogger(__name__)

_AT_ONCE = 500
"""Rows looked at together when the oldest are dropped."""


class Queue:
    """First in, first out. `rows`, `samples` and `size` (bytes) are what waits; `oldest_ms` when the first of it was
    written; `dropping`: the queue is full, and lately something had to go.

    A row that was sent is deleted with the next write, so that a delivery costs no transaction of its own; after a crash it
    is sent again, which the cluster knows already.
    """

    def __init__(self, db: Database, telemetry: Telemetry, settings: Settings) -> None:
        self._db, self._telemetry, self._settings = db, telemetry, settings
        self._epoch = self._last = self._gone = self._deleted = 0
        self._unsure = self.dropping = False
        self.rows = self.samples = self.size = self.oldest_ms = 0

    async def open(self) -> None:
        """Take the queue over. Raises what the database raises."""
        async with self._db.begin() as session:
            self._epoch = await table.take_over(session)
            await self._count(session)
        self._tell()

    async def _count(self, session: Session) -> None:
        last, self.rows, self.samples, self.size, self.oldest_ms = await table.standing(session, self._gone)
        self._last = max(self._last, last)

    async def put(self, requests: Sequence[Request], now: datetime) -> None:
        """Write these down behind the others, all or none. Raises what the database raises, SupersededError too."""
        now_ms = millis(now)
        rows = [QueueRow(self._last + 1 + index, now_ms, one.samples, one.data) for index, one in enumerate(requests)]
        size = sum(len(one.data) for one in requests)
        outgrown = self.size + size > self._settings.queue_size or self._outdated(self.oldest_ms, now_ms)
        if not rows and self._gone == self._deleted and not outgrown:
            return
        gone, unsure, self._unsure = self._gone, self._unsure, True
        self._last += len(rows)  # also where it fails: whether a lost commit was done is not known
        async with self._db.begin() as session:
            await table.hold(session, self._epoch)
            if unsure:
                await self._count(session)
            dropped = await self._outgrown(session, size, now_ms) if outgrown and self.rows else []
            through = max([gone, *(row_id for row_id, *_ in dropped)])
            if through > self._deleted:
                await table.delete_through(session, through)
            if rows:
                await table.put(session, rows)
        self._deleted, self._unsure = through, False
        self._drop(dropped)
        self.rows, self.size = self.rows + len(rows), self.size + size
        self.samples += sum(one.samples for one in requests)
        if rows:
            self.oldest_ms = self.oldest_ms or now_ms
        self._tell()

    def _outdated(self, at_ms: int, now_ms: int) -> bool:
        return bool(at_ms) and now_ms - at_ms > self._settings.queue_age.total_seconds() * 1000

    async def _outgrown(self, session: Session, more: int, now_ms: int) -> list[tuple[int, int, int, int]]:
        """The oldest rows, as many as must go for `more` bytes to find room and for none to be too old."""
        dropped: list[tuple[int, int, int, int]] = []
        over, after = self.size + more - self._settings.queue_size, self._gone
        while found := await table.sizes_after(session, after, _AT_ONCE):
            for row in found:
                if over <= 0 and not self._outdated(row[1], now_ms):
                    return dropped
                dropped.append(row)
                over -= row[3]
            after = found[-1][0]
        return dropped

    def _drop(self, dropped: Sequence[tuple[int, int, int, int]]) -> None:
        """What the sender has delivered meanwhile is not lost."""
        lost = [row for row in dropped if row[0] > self._gone]
        if not lost:
            self.dropping = self.dropping and self.size > 0.9 * self._settings.queue_size
            return
        samples = sum(row[2] for row in lost)
        self._telemetry.cluster_dropped.labels("queue_full").inc(samples)
        if not self.dropping:
            self.dropping = True
            log.error("the queue of samples for the cluster is full; the oldest are dropped", extra={"samples": samples})
        self._forget(lost[-1][0], len(lost), samples, sum(row[3] for row in lost))

    async def next(self, most: int) -> list[QueueRow]:
        """The first rows that wait, and from when they are."""
        async with self._db.read() as session:
            rows = await table.after(session, self._gone, most)
        self.oldest_ms = rows[0].at_ms if rows else 0 if not self.rows else self.oldest_ms
        self._tell()
        return rows

    def done(self, rows: Sequence[QueueRow]) -> None:
        """These, the first of the queue, need not be sent again."""
        rows = [row for row in rows if row.id > self._gone]
        if rows:
            self._forget(rows[-1].id, len(rows), sum(row.samples for row in rows), sum(len(row.data) for row in rows))

    def _forget(self, through: int, rows: int, samples: int, size: int) -> None:
        self._gone = through
        self.rows, self.samples, self.size = self.rows - rows, self.samples - samples, self.size - size
        if not self.rows:
            self.oldest_ms = 0
        self._tell()

    def _tell(self) -> None:
        self._telemetry.cluster_queue_samples.set(self.samples)
        self._telemetry.cluster_queue_bytes.set(self.size)
        self._telemetry.cluster_queue_oldest.set(self.oldest_ms / 1000)
