"""The store's reads: memory first, and the database for what memory let go of."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from opsconsole.db import Database
from opsconsole.db import series as table
from opsconsole.db.series import ChunkRow, SeriesRow
from opsconsole.model import Labels, Matcher, MatchOp, QueryError, Series
from opsconsole.tsdb.head import Head, Held
from opsconsole.tsdb.keeper import Keeper
from opsconsole.tsdb.matching import fits, predicate
from opsconsole.tsdb.window import assemble, decoded, one_each

_AT_A_TIME = 4000
"""Series whose chunks are read in one query."""

_INLINE = 200
"""Chunks that are decoded without a thread of their own."""


class Reader:
    def __init__(self, db: Database, head: Head, keeper: Keeper) -> None:
        self._db, self._head, self._keeper = db, head, keeper

    async def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Series]:
        """Memory is copied before the database is asked: what is sealed in between is then seen twice, never missed.

        Series that ended come first: of two values at one time, the older series' stays.
        """
        horizon = self._keeper.horizon_ms
        held = self._head.snapshot(self._head.match(matchers), start_ms, end_ms)
        ended = await self._ended(matchers, start_ms)
        if start_ms >= horizon and not ended:
            return await _assembled(held, {}, start_ms, end_ms, horizon)
        found: list[Series] = []
        for i in range(0, len(ended), _AT_A_TIME):
            rows = ended[i : i + _AT_A_TIME]
            stored = await self._stored([row.id for row in rows], start_ms, end_ms)
            gone = [Held(row.id, Labels(row.labels), (), [decoded(c) for c in stored.get(row.id, ())]) for row in rows]
            found += await _assembled(gone, {}, start_ms, end_ms, horizon)
        for i in range(0, len(held), _AT_A_TIME):
            part = held[i : i + _AT_A_TIME]
            stored = await self._stored([one.id for one in part], start_ms, min(end_ms, horizon - 1))
            found += await _assembled(part, stored, start_ms, end_ms, horizon)
        return one_each(found)

    async def labels(self, matchers: Sequence[Matcher], start_ms: int | None) -> list[Labels]:
        """Label sets of the series that fit: those alive, and those that ended after `start_ms` where it is given."""
        alive = self._head.labels_of(self._head.match(matchers).tolist())
        ended = [] if start_ms is None else await self._ended(matchers, start_ms)
        return list(dict.fromkeys([*alive, *(Labels(row.labels) for row in ended)]))

    async def _ended(self, matchers: Sequence[Matcher], start_ms: int) -> list[SeriesRow]:
        """Series that memory no longer holds and that may have samples from `start_ms` on."""
        if start_ms > self._keeper.ended_ms:
            return []
        tests = [(matcher.name, predicate(matcher)) for matcher in matchers]
        name = next((m.value for m in matchers if m.name == "__name__" and m.op is MatchOp.EQUAL), None)
        try:
            async with self._db.read() as session:
                rows = await table.ended(session, start_ms, name)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise _unreadable(error) from error
        return [row for row in rows if fits(tests, row.labels)]

    async def _stored(self, ids: Sequence[int], start_ms: int, end_ms: int) -> dict[int, list[ChunkRow]]:
        if not ids or end_ms < start_ms:
            return {}
        try:
            async with self._db.read() as session:
                rows = await table.chunks_of(session, ids, start_ms, end_ms)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise _unreadable(error) from error
        chunks: defaultdict[int, list[ChunkRow]] = defaultdict(list)
        for row in rows:
            chunks[row.series_id].append(row)
        return chunks


async def _assembled(
    held: Sequence[Held], stored: dict[int, list[ChunkRow]], start_ms: int, end_ms: int, horizon_ms: int
) -> list[Series]:
    chunks = sum(map(len, stored.values())) + sum(len(one.chunks) for one in held)
    if chunks <= _INLINE:
        return one_each(assemble(held, stored, start_ms, end_ms, horizon_ms))
    return one_each(await asyncio.to_thread(assemble, held, stored, start_ms, end_ms, horizon_ms))


def _unreadable(error: Exception) -> QueryError:
    reason = str(getattr(error, "orig", None) or error).splitlines()[0]
    return QueryError(f"the metrics store cannot read its database: {reason}")
