"""The store's writes: flushes, seals, compaction, retention. One transaction each, and memory follows what was committed."""

import asyncio
import gc
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import accumulate

import numpy as np

from opsconsole.clock import millis
from opsconsole.db import Database, Session
from opsconsole.db import series as table
from opsconsole.db.series import BlockRow, SeriesRow
from opsconsole.tsdb.bundles import BUCKETS
from opsconsole.tsdb.codec import Batch, CorruptError, pack, unpack
from opsconsole.tsdb.damage import Damage
from opsconsole.tsdb.head import Head
from opsconsole.tsdb.journal import Journal
from opsconsole.tsdb.pieces import Piece
from opsconsole.tsdb.registry import Registry
from opsconsole.tsdb.sealed import Block, decoded
from opsconsole.tsdb.sealing import blocks_of_closed, merged_blocks
from opsconsole.tsdb.settings import Settings

KEEP_SEALED = timedelta(hours=2)
IDLE = timedelta(hours=6)
_RELOAD, _MANY, _RELOAD_OF_MANY = timedelta(minutes=70), 20_000, timedelta(minutes=15)
"""What memory holds again after a restart: an hour and the look-back, so that rules over an hour ask no database; less of
more than so many series, so that a large fleet's console is soon back."""
_FRAGMENTS = 31
_MOST_COMPACTED = 100
"""Bundles in a transaction, and at most so many of these a minute."""
_COMPACTIONS = 10
_ERA = timedelta(hours=6)
"""Samples older than that are sealed apart."""
_MOST_LATE = 1_000_000
"""Late samples in memory from which everything is sealed at once."""
_MOST_EXPIRED = 5000
_PAGES = 10_000
"""Of SQLite's file that may be given back at once: 40 MB."""
_EXPIRE_EVERY = 10
"""Minutes."""
_INLINE = 20_000
"""Samples that are packed without a thread of their own."""


class Keeper:
    """Brings head, journal and registry to the database and back. Callers see to it that one method runs at a time.

    `horizon_ms`: memory has every sample from then on of the series it holds. `ended_ms`: the time of the last sample
    of the series that ended last. `chunks_ms`: when the last chunk of an earlier version ends. `sealed_bytes`: size
    of all blocks, as of the last look at the retention.
    """

    def __init__(self, db: Database, head: Head, journal: Journal, registry: Registry, kept: Settings) -> None:
        self._db, self._head, self._journal, self._registry = db, head, journal, registry
        self._retention, self._size = kept.retention, kept.retention_size
        self._epoch = self._flush = self._minute = 0
        self._orphans: list[Batch] = []
        self._under_way = 0
        self._doubtful: set[int] = set()
        self.horizon_ms = self.ended_ms = self.chunks_ms = self.sealed_bytes = 0

    async def open(self, now: datetime, *, read_only: bool = False) -> None:
        """Take the store over and read what was flushed; `read_only` leaves it to the console that has it."""
        self._minute = millis(now) // 60_000
        with _no_garbage():
            async with self._db.snapshot() if read_only else self._db.begin() as session:
                await self._read(session, now, read_only=read_only)

    async def _read(self, session: Session, now: datetime, *, read_only: bool) -> None:
        now_ms = millis(now)
        if not read_only:
            self._epoch, self._flush = await table.take_over(session)
        self._registry.next_id = await table.last_id(session) + 1
        self._registry.bundles.next_id = await table.last_bundle(session) + 1
        live = await table.live(session)
        self.horizon_ms = millis(now - (_RELOAD if len(live) <= _MANY else _RELOAD_OF_MANY))
        self._head.sealed.hold(_by_bundle(await table.blocks_since(session, self.horizon_ms)))
        self._head.reserve(len(live))
        bundles = self._registry.restore(live, now_ms, now_ms)
        homeless = {row.id: bundle for row, bundle in zip(live, bundles, strict=True) if row.bundle is None}
        if homeless and not read_only:
            await table.put_in_bundles(session, homeless)
        self.ended_ms = await table.newest_end(session) or 0
        self.chunks_ms = await table.newest_chunk(session) or 0
        await self._replay(session, now_ms)

    async def _replay(self, session: Session, now_ms: int) -> None:
        """Read the flushes again, but for what was sealed since."""
        marks = await table.watermarks(session)
        sealed = np.array([marks.get(bucket, 0) for bucket in range(BUCKETS)], np.int64)
        last = int(sealed.min())
        while flushes := await table.recent_after(session, last, 50):
            for last, data in flushes:
                try:
                    batch = unpack(data)
                except CorruptError as error:
                    self._head.damage.note("flush", last, last, error)
                    continue
                buckets = self._head.buckets_of(batch.ids)
                self._head.append(batch.where((buckets >= 0) & (sealed[buckets] < last)), now_ms)
        self._flush = max(self._flush, last)

    def adopt(self, batch: Batch) -> None:
        """Samples of series that memory let go of; they come back with the next commit."""
        self._orphans.append(batch)

    @property
    def waiting(self) -> int:
        """Samples not yet in the database."""
        return self._under_way + self._journal.count + _samples(self._orphans)

    async def commit(self, now: datetime) -> None:
        """Write everything that was appended."""
        while self._journal.count or self._orphans or self._registry.waiting:
            await self._write(now)

    async def _write(self, now: datetime, buckets: Sequence[int] = (), sealed: Sequence[BlockRow] = ()) -> None:
        """One flush, and the blocks of buckets with it. What could not be written is as it was."""
        batch, new, orphans = self._journal.take(), self._registry.take_new(), self._orphans
        self._orphans, self._under_way = [], _samples(orphans) + (len(batch.ids) if batch else 0)
        self._flush += 1  # also where it fails: whether a lost commit was done is not known
        revived: list[SeriesRow] = []
        try:
            packed = await _packed(batch)
            async with self._db.begin() as session:
                await table.advance(session, self._epoch, self._flush)
                if new:
                    await table.add_series(session, new, now)
                if packed:
                    await table.add_recent(session, self._flush, packed)
                if orphans:
                    revived = await table.revive(session, np.unique(np.concatenate([one.ids for one in orphans])).tolist())
                if self._doubtful:
                    await table.revive(session, sorted(self._doubtful))
                if sealed:
                    await table.add_blocks(session, sealed)
                if buckets:
                    await table.mark_sealed(session, buckets, self._flush, BUCKETS)
        except BaseException:
            if batch is not None:
                self._journal.give_back(batch)
            self._registry.give_back(new)
            self._orphans = orphans + self._orphans
            raise
        finally:
            self._under_way = 0
        self._doubtful.clear()
        self._bring_back(revived, orphans, millis(now))

    def _bring_back(self, revived: Sequence[SeriesRow], orphans: Sequence[Batch], now_ms: int) -> None:
        held = self._head.rows_of(np.array([row.id for row in revived], np.int64)) >= 0
        if not held.all():
            self._registry.restore([row for row, known in zip(revived, held, strict=True) if not known], now_ms, now_ms)
        for batch in orphans:
            self._journal.add(batch.where(self._head.append(batch, now_ms).accepted))

    async def maintain(self, now: datetime) -> None:
        """What is due this minute: seal, compact, expire, let go."""
        minute = millis(now) // 60_000
        due = range(max(self._minute, minute - BUCKETS) + 1, minute + 1)
        self._minute = max(self._minute, minute)
        if self._head.late > _MOST_LATE:
            await self._seal(range(BUCKETS), now)
        elif due:
            await self._seal([each % BUCKETS for each in due], now)
        await self._compact(now)
        if any(each % _EXPIRE_EVERY == 0 for each in due):
            await self._expire(now)
        await self._let_go(now)

    async def _seal(self, buckets: Sequence[int], now: datetime) -> None:
        closed, ids, bundles = self._head.close(buckets)
        made = await asyncio.to_thread(blocks_of_closed, closed, ids, bundles, millis(now - _ERA))
        rows = [BlockRow(bundle, *block) for bundle, blocks in made.items() for block in blocks]
        await self._write(now, sorted({each.bucket for each in closed}), rows)
        self._head.seal(closed, made, millis(now))

    async def _compact(self, now: datetime) -> None:
        """Merge small blocks into whole ones."""
        for _ in range(_COMPACTIONS):
            async with self._db.read() as session:
                bundles = await table.fragmented(session, _FRAGMENTS, _MOST_COMPACTED)
                small = await table.small_blocks_of(session, bundles) if bundles else []
            if not small:
                return
            whole, damaged = await asyncio.to_thread(_merged, small, millis(now - self._retention), self._head.damage)
            async with self._db.begin() as session:
                await table.advance(session, self._epoch, self._flush)
                await table.leave_alone(session, damaged)
                await table.delete_blocks(session, [block_id for block_id, _ in small if block_id not in damaged])
                if whole:
                    await table.add_blocks(session, whole)

    async def _expire(self, now: datetime) -> None:
        gone = _MOST_EXPIRED
        while gone == _MOST_EXPIRED:
            async with self._db.begin() as session:
                await table.advance(session, self._epoch, self._flush)
                gone = await table.expire(session, millis(now - self._retention), _MOST_EXPIRED)
        while await self._shrink():
            pass
        await self._db.give_back(_PAGES)

    async def _shrink(self) -> bool:
        """Delete the oldest blocks where there are more bytes than may be; True if there still are."""
        async with self._db.begin() as session:
            await table.advance(session, self._epoch, self._flush)
            self.sealed_bytes = await table.bytes_of_blocks(session)
            over = self.sealed_bytes - self._size
            if not self._size or over <= 0:
                return False
            oldest = await table.oldest_blocks(session, _MOST_EXPIRED)
            freed = list(accumulate(size for _, size in oldest))
            gone = bisect_left(freed, over) + 1
            await table.delete_blocks(session, [block_id for block_id, _ in oldest[:gone]])
            self.sealed_bytes -= freed[min(gone, len(freed)) - 1]
            return gone > len(freed)

    async def _let_go(self, now: datetime) -> None:
        """Drop from memory what is in the database and old, and series that are idle."""
        self.horizon_ms = max(self.horizon_ms, millis(now - KEEP_SEALED))
        self._head.sealed.release(self.horizon_ms)
        if not (idle := self._head.idle(millis(now - IDLE))):
            return
        bundles = {series_id: self._head.bundle_of(series_id) for series_id in idle}
        dropped = dict(zip(idle, self._head.drop(idle), strict=True))
        self._registry.forget({labels: bundles[series_id] for series_id, labels in dropped.items()})
        self.ended_ms = max(self.ended_ms, *idle.values())
        try:
            async with self._db.begin() as session:
                await table.advance(session, self._epoch, self._flush)
                await table.end(session, idle)
        except BaseException:
            self._doubtful |= idle.keys()  # whether they are ended is not known: what comes next of them says that they are not
            rows = [SeriesRow(series_id, labels, bundles[series_id]) for series_id, labels in dropped.items()]
            self._registry.restore(rows, millis(now), np.array([idle[row.id] for row in rows], np.int64))
            raise
        self._doubtful -= idle.keys()


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Python's collector rests: what a start makes stays, and to look through it again and again took a fifth of the start."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _samples(batches: Iterable[Batch]) -> int:
    return sum(len(batch.ids) for batch in batches)


async def _packed(batch: Batch | None) -> bytes | None:
    if batch is None:
        return None
    return pack(batch) if len(batch.ids) < _INLINE else await asyncio.to_thread(pack, batch)


def _by_bundle(rows: Iterable[BlockRow]) -> dict[int, list[Block]]:
    blocks: defaultdict[int, list[Block]] = defaultdict(list)
    for row in rows:
        blocks[row.bundle].append(Block(*row[1:]))
    return blocks


def _merged(small: Sequence[tuple[int, BlockRow]], oldest_ms: int, damage: Damage) -> tuple[list[BlockRow], set[int]]:
    """The whole blocks that small ones make; and the row ids of those that cannot be read: perhaps another version can."""
    readable: defaultdict[int, list[list[Piece]]] = defaultdict(list)
    damaged = set()
    for block_id, row in small:
        if pieces := decoded(Block(*row[1:]), damage):
            readable[row.bundle].append(pieces)
        else:
            damaged.add(block_id)
    made = [BlockRow(bundle, *block) for bundle, parts in readable.items() for block in merged_blocks(parts, oldest_ms)]
    return made, damaged
