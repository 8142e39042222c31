"""What the database alone has at the times of late samples, so that who sends other values hears of it."""

import asyncio

import numpy as np
import sqlalchemy as sa

from opsconsole.db import Database
from opsconsole.db import series as table
from opsconsole.db.series import BlockRow, Span
from opsconsole.tsdb.codec import Batch
from opsconsole.tsdb.head import Head
from opsconsole.tsdb.keeper import Keeper
from opsconsole.tsdb.pieces import Ints, Mask
from opsconsole.tsdb.sealed import Block, compare

_MOST, _EACH = 250_000, 50
"""Stored samples that a request's late ones are held against: so many in all, or so many for each of them where that is more. An
import in random order would else decode all history again and again."""
_BLOCKS, _SHARE = 32, 100
"""Likewise of blocks: so many in all, or one for so many samples."""


class Recall:
    def __init__(self, db: Database, head: Head, keeper: Keeper) -> None:
        self._db, self._head, self._keeper = db, head, keeper

    async def find(self, batch: Batch, oldest_ms: int) -> tuple[Mask, Mask]:
        """Which of the samples from `oldest_ms` on stand where only the database has a sample, and where of the same value.

        Those of series that memory does not hold are not looked for; nothing is where the database does not answer.
        """
        found, same = np.zeros(len(batch.ids), np.bool_), np.zeros(len(batch.ids), np.bool_)
        late = np.flatnonzero((batch.times < self._keeper.horizon_ms) & (batch.times >= oldest_ms))
        bundles = self._head.bundles_of_ids(batch.ids[late])
        late, bundles = late[bundles >= 0], bundles[bundles >= 0]
        if len(late):
            try:
                rows = await self._read(bundles, batch.times[late])
            except (sa.exc.SQLAlchemyError, OSError):
                return found, same
            if rows:
                some = Batch(batch.ids[late], batch.times[late], batch.values[late])
                found[late], same[late] = await asyncio.to_thread(self._compared, rows, bundles, some)
        return found, same

    async def _read(self, bundles: Ints, times: Ints) -> list[BlockRow]:
        async with self._db.read() as session:
            of = np.unique(bundles).tolist()
            most = max(_BLOCKS, len(times) // _SHARE)
            spans = await table.spans_of(session, of, int(times.min()), int(times.max()), 4 * most)
            wanted = _wanted(spans, bundles, times)[:most]
            return await table.blocks_by_id(session, wanted) if wanted else []

    def _compared(self, rows: list[BlockRow], bundles: Ints, late: Batch) -> tuple[Mask, Mask]:
        found, same = np.zeros(len(bundles), np.bool_), np.zeros(len(bundles), np.bool_)
        for row in rows:
            at = np.flatnonzero((bundles == row.bundle) & (late.times >= row.start_ms) & (late.times <= row.end_ms))
            pieces = self._head.sealed.decoded.get(Block(*row[1:]))
            hit, equal = compare(pieces, late.ids[at], late.times[at], late.values[at])
            found[at] |= hit
            same[at] |= equal
        return found, same


def _wanted(spans: list[Span], bundles: Ints, times: Ints) -> list[int]:
    """Row ids of blocks that one of the samples lies in, as many as may be looked at."""
    order = np.lexsort((times, bundles))
    bundles, times = bundles[order], times[order]
    room, wanted = max(_MOST, _EACH * len(times)), []
    for span in spans:
        first, last = np.searchsorted(bundles, span.bundle), np.searchsorted(bundles, span.bundle, side="right")
        at = first + np.searchsorted(times[first:last], span.start_ms)
        if at < last and times[at] <= span.end_ms:
            room -= span.samples
            if room < 0:
                break
            wanted.append(span.id)
    return wanted
