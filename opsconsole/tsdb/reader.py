"""The store's reads: memory first, and the database for what memory let go of."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa

from opsconsole.db import Database
from opsconsole.db import series as table
from opsconsole.db.series import BlockRow, ChunkRow, SeriesRow
from opsconsole.model import Admit, Block, Labels, Matcher, MatchOp, QueryError, admit_all
from opsconsole.model.matching import fits
from opsconsole.tsdb import sealed
from opsconsole.tsdb.assembly import Assembly
from opsconsole.tsdb.codec import CorruptError, decode
from opsconsole.tsdb.damage import Damage
from opsconsole.tsdb.head import Head, Held
from opsconsole.tsdb.keeper import Keeper
from opsconsole.tsdb.pieces import Ints, Piece, Run

_AT_A_TIME = 256
"""Bundles whose blocks are read in one query."""
_USUAL_MS = 6 * 3_600_000
"""The window up to which so many are few; in a longer one it is looked up first how large they are."""
_BYTES_AT_A_TIME = 1 << 26
"""Of encoded blocks that are read before the query is asked whether it may have more."""
_SAMPLE_BYTES = 16
"""What a sample counts for that is held for a query: encoded ones count by their bytes."""
_INLINE = 8
"""Blocks that are decoded without a thread of their own."""
_KEPT = 64
"""Blocks from the database that a query leaves decoded for the next one; one of more leaves none, it would drive others out."""
_LOOKED_AT = 8192
"""Series whose unsealed samples are copied at a time, to tell whether there are any."""
_MOST_LISTED = 500_000
"""Series in the lists of label sets that are kept for the next query; of more than 100,000 series five lists for each."""


class Reader:
    def __init__(self, db: Database, head: Head, keeper: Keeper) -> None:
        self._db, self._head, self._keeper = db, head, keeper
        self._lists: OrderedDict[bytes, list[Labels]] = OrderedDict()
        self._listed_series = 0

    async def blocks(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, admit: Admit = admit_all) -> list[Block]:
        """Memory is copied before the database is asked: what is sealed in between is then seen twice, never missed.

        Series that ended come first: of two values at one time, the older series' stays.
        """
        horizon = self._keeper.horizon_ms
        rows = self._head.match(matchers)
        held = self._head.snapshot(rows, start_ms, end_ms)
        labels = dict(zip(held.ids.tolist(), self._head.labels_of(rows.tolist()), strict=True))
        ended = await self._ended(matchers, start_ms)
        twins = _twins(labels, ended)
        bundles = sorted({*held.bundles, *(row.bundle for row in ended if row.bundle is not None)})
        stored: list[BlockRow] = []
        for some in await self._portions(bundles, start_ms, min(end_ms, horizon - 1)):
            read = await self._stored(some, start_ms, min(end_ms, horizon - 1))
            admit(sum(len(row.data) for row in read) // _SAMPLE_BYTES)
            stored += read
        if ended:
            held = held._replace(blocks=self._head.sealed.overlapping(bundles, start_ms, end_ms))
        chunks = await self._chunks([*twins, *labels], start_ms, end_ms)
        told = _Told(held, stored, chunks, twins, _Window(start_ms, end_ms, horizon))
        pieces = await self._assembled(told, np.array(sorted(labels), np.int64), admit)
        return [Block(self._listed(piece.ids, labels), piece.times, piece.values) for piece in pieces]

    async def _assembled(self, told: "_Told", ids: Ints, admit: Admit) -> list[Piece]:
        if len(told.held.blocks) + len(told.stored) + len(told.chunks) <= _INLINE:
            return _assembled(told, ids, self._head.sealed.decoded, self._head.damage, admit)
        cancelled: list[bool] = []

        def admit_here(samples: int) -> None:
            if cancelled:
                raise QueryError("the query was cancelled", kind="canceled")
            admit(samples)

        try:
            return await asyncio.to_thread(_assembled, told, ids, self._head.sealed.decoded, self._head.damage, admit_here)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    def _listed(self, ids: Ints, labels: Mapping[int, Labels]) -> list[Labels]:
        """The label sets; for the same series the same list as before, from which the engine knows that they are."""
        key = ids.tobytes()
        known = self._lists.get(key)
        if known is None or known[0] is not labels[int(ids[0])] or known[-1] is not labels[int(ids[-1])]:
            self._listed_series -= len(known or ())
            known = self._lists[key] = [labels[series_id] for series_id in ids.tolist()]
            self._listed_series += len(ids)
            most = max(_MOST_LISTED, 5 * len(self._head)) if self._listed_series > _MOST_LISTED else _MOST_LISTED
            while self._listed_series > most:
                self._listed_series -= len(self._lists.popitem(last=False)[1])
        return known

    async def labels(self, matchers: Sequence[Matcher], start_ms: int | None, end_ms: int | None) -> list[Labels]:
        """Label sets of the series that fit: those alive, and those that ended after `start_ms` where it is given.

        Without those that have no sample in the window where `end_ms` is given; what is sealed is not looked into: it counts
        for every series of its bundle.
        """
        rows = self._head.match(matchers)
        alive = self._head.labels_of(rows.tolist())
        bundles: list[int | None] = [*self._head.bundles_of(rows).tolist()]
        there = set() if end_ms is None else self._unsealed(rows, start_ms or 0, end_ms)
        ended = [] if start_ms is None else await self._ended(matchers, start_ms)
        found = alive + [Labels(row.labels) for row in ended]
        if end_ms is not None:
            bundles += [row.bundle for row in ended]
            sealed_then = await self._sealed_in(bundles, start_ms or 0, end_ms)
            found = [
                labels
                for nth, (labels, bundle) in enumerate(zip(found, bundles, strict=True))
                if nth in there or bundle in sealed_then
            ]
        return list(dict.fromkeys(found))

    def _unsealed(self, rows: Ints, start_ms: int, end_ms: int) -> set[int]:
        """Which of the rows, by their place, have a sample in the window that is not sealed yet."""
        found: set[int] = set()
        for first in range(0, len(rows), _LOOKED_AT):
            held = self._head.snapshot(rows[first : first + _LOOKED_AT], start_ms, end_ms)
            place = {series_id: first + nth for nth, series_id in enumerate(held.ids.tolist())}
            pieces = (piece for piece in held.pieces if len(piece.within(start_ms, end_ms).times))
            found |= {place[series_id] for piece in pieces for series_id in piece.ids.tolist()}
            found |= {place[series_id] for series_id, run in held.runs if len(_clipped(run, start_ms, end_ms).times)}
        return found

    async def _sealed_in(self, bundles: Sequence[int | None], start_ms: int, end_ms: int) -> set[int | None]:
        """Which bundles have something sealed in the window; None: what earlier versions sealed, one by one."""
        known = sorted({bundle for bundle in bundles if bundle is not None})
        found: set[int | None] = {None} if start_ms <= self._keeper.chunks_ms else set()
        try:
            async with self._db.read() as session:
                return found | (await table.sizes_of(session, known, start_ms, end_ms)).keys()
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise _unreadable(error) from error

    async def _ended(self, matchers: Sequence[Matcher], start_ms: int) -> list[SeriesRow]:
        """Series that memory no longer holds and that may have samples from `start_ms` on."""
        if start_ms > self._keeper.ended_ms:
            return []
        name = next((m.value for m in matchers if m.name == "__name__" and m.op is MatchOp.EQUAL), None)
        try:
            async with self._db.read() as session:
                rows = await table.ended(session, start_ms, name)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise _unreadable(error) from error
        return [row for row in rows if fits(row.labels, matchers)]

    async def _portions(self, bundles: Sequence[int], start_ms: int, end_ms: int) -> list[list[int]]:
        """The bundles, as many together as may be read at once."""
        if end_ms - start_ms <= _USUAL_MS:
            return [list(bundles[i : i + _AT_A_TIME]) for i in range(0, len(bundles), _AT_A_TIME)]
        try:
            async with self._db.read() as session:
                sizes = await table.sizes_of(session, bundles, start_ms, end_ms)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise _unreadable(error) from error
        found: list[list[int]] = []
        room = 0
        for bundle, size in sorted(sizes.items()):
            if not found or size > room or len(found[-1]) == _AT_A_TIME:
                found.append([])
                room = _BYTES_AT_A_TIME
            found[-1].append(bundle)
            room -= size
        return found

    async def _stored(self, bundles: Sequence[int], start_ms: int, end_ms: int) -> list[BlockRow]:
        if end_ms < start_ms:
            return []
        try:
            async with self._db.read() as session:
                return await table.blocks_of(session, bundles, start_ms, end_ms)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise _unreadable(error) from error

    async def _chunks(self, ids: Sequence[int], start_ms: int, end_ms: int) -> list[ChunkRow]:
        """What an earlier version sealed."""
        if start_ms > self._keeper.chunks_ms or not ids:
            return []
        try:
            async with self._db.read() as session:
                return await table.chunks_of(session, ids, start_ms, end_ms)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise _unreadable(error) from error


class _Window(NamedTuple):
    """`horizon_ms`: from then on memory's blocks count, before it the database's."""

    start_ms: int
    end_ms: int
    horizon_ms: int


class _Told(NamedTuple):
    """All that there is to know, in order of precedence but for `held`, whose blocks come after `stored`."""

    held: Held
    stored: Sequence[BlockRow]
    chunks: Sequence[ChunkRow]
    twins: Mapping[int, int]
    window: _Window


def _assembled(told: _Told, ids: Ints, memory: sealed.Decoded, damage: Damage, admit: Admit) -> list[Piece]:
    start, end, horizon = told.window
    together = Assembly(ids)

    def add(piece: Piece) -> None:
        admit(together.add(piece))
        for series_id in told.twins.keys() & set(piece.ids.tolist()) if told.twins else ():
            at = int(np.searchsorted(piece.ids, series_id))
            together.add_run(told.twins[series_id], Run(piece.times, piece.values[at]))

    for chunk in told.chunks:
        series_id = told.twins.get(chunk.series_id, chunk.series_id)
        together.add_run(series_id, _clipped(_of_chunk(chunk, damage), start, end))
    stored = memory.get if len(told.stored) <= _KEPT else partial(sealed.decoded, damage=damage)
    for row in told.stored:
        admit(0)
        for piece in stored(sealed.Block(*row[1:])):
            add(piece.within(start, min(end, horizon - 1)))
    for block in told.held.blocks:
        admit(0)
        for piece in memory.get(block):
            add(piece.within(max(start, horizon), end))
    for piece in told.held.pieces:
        admit(together.add(piece.within(start, end)))
    for series_id, run in told.held.runs:
        together.add_run(series_id, _clipped(run, start, end))
    return together.pieces(lambda: admit(0))


def _twins(labels: dict[int, Labels], ended: Sequence[SeriesRow]) -> dict[int, int]:
    """Series that ended once and lived again under another id: old id → the one that stands for both.

    Takes the ended series into `labels`.
    """
    if not ended:
        return {}
    by_labels = {of: series_id for series_id, of in labels.items()}
    twins = {}
    for row in ended:
        of = Labels(row.labels)
        if row.id in labels:
            continue
        if (other := by_labels.setdefault(of, row.id)) != row.id:
            twins[row.id] = other
        else:
            labels[row.id] = of
    return twins


def _of_chunk(chunk: ChunkRow, damage: Damage) -> Run:
    try:
        return Run(*decode(chunk.data))
    except CorruptError as error:
        damage.note("chunk", chunk.start_ms, chunk.end_ms, error)
        return Run(np.empty(0, np.int64), np.empty(0))


def _clipped(run: Run, start_ms: int, end_ms: int) -> Run:
    low, high = np.searchsorted(run.times, start_ms), np.searchsorted(run.times, end_ms, side="right")
    return Run(run.times[low:high], run.values[low:high])


def _unreadable(error: Exception) -> QueryError:
    reason = str(getattr(error, "orig", None) or error).splitlines()[0]
    return QueryError(f"the metrics store cannot read its database: {reason}")
