"""The metrics store's tables: who the series are, samples not yet sealed, and sealed chunks."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from opsconsole.db.base import BigId, Session, UtcTime, metadata

SMALL = 480
"""A chunk of fewer samples is one that compaction may merge with its neighbours."""

series = sa.Table(
    "series",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),  # `__name__`, escaped as in JSON
    sa.Column("labels", sa.Text, nullable=False),  # canonical JSON, `__name__` included; one label set may have several rows
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("ended_ms", sa.BigInteger),  # no sample is later; null while the series is held in memory
    sa.Index("ix_series_ended_ms", "ended_ms"),
)

recent = sa.Table(
    "recent_samples",
    metadata,
    sa.Column("id", BigId, primary_key=True),  # the number of the flush
    sa.Column("data", sa.LargeBinary, nullable=False),  # one flush: packed (series id, unix ms, value) columns
)

chunks = sa.Table(
    "chunks",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("series_id", BigId, nullable=False),
    sa.Column("start_ms", sa.BigInteger, nullable=False),
    sa.Column("end_ms", sa.BigInteger, nullable=False),
    sa.Column("samples", sa.Integer, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Index("ix_chunks_series_id_start_ms", "series_id", "start_ms"),
    sa.Index("ix_chunks_end_ms", "end_ms"),
)
sa.Index(
    "ix_chunks_small",
    chunks.c.series_id,
    chunks.c.samples,
    sqlite_where=chunks.c.samples < sa.literal_column(str(SMALL)),
    postgresql_where=chunks.c.samples < sa.literal_column(str(SMALL)),
)

store_state = sa.Table(
    "store_state",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # always 1
    sa.Column("epoch", sa.BigInteger, nullable=False),  # grows with every opening; the last to open is the one that writes
    sa.Column("flush", sa.BigInteger, nullable=False),  # the last flush's number
)

sealed_buckets = sa.Table(
    "sealed_buckets",
    metadata,
    sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),  # series id modulo the number of buckets
    sa.Column("flush", sa.BigInteger, nullable=False),  # every sample of flushes up to this one is in a chunk
)


class SupersededError(Exception):
    """Another console has opened the same metrics store; this one may write no more."""


class SeriesRow(NamedTuple):
    id: int
    labels: dict[str, str]


class ChunkRow(NamedTuple):
    series_id: int
    start_ms: int
    end_ms: int
    samples: int
    data: bytes


def escaped(text: str) -> str:
    """Plain ASCII as JSON writes it: neither database takes NUL or half a surrogate pair in a text."""
    return json.dumps(text)[1:-1]


def _among(session: Session, column: sa.Column[Any], ids: Sequence[int]) -> sa.ColumnElement[bool]:
    """`column` is one of `ids`, as one parameter however many they are."""
    if session.dialect.name == "sqlite":
        listed = sa.func.json_each(json.dumps(list(ids))).table_valued("value")
        return column.in_(sa.select(listed.c.value))
    return column == sa.any_(sa.bindparam(None, list(ids), type_=postgresql.ARRAY(sa.BigInteger)))


async def take_over(session: Session) -> tuple[int, int]:
    """Become the one that writes. Returns the new epoch and the number of the last flush."""
    row = (await session.execute(sa.select(store_state.c.epoch, store_state.c.flush).with_for_update())).first()
    if row is None:
        await session.execute(store_state.insert().values(id=1, epoch=1, flush=0))
        return 1, 0
    await session.execute(store_state.update().values(epoch=row.epoch + 1))
    return row.epoch + 1, row.flush


async def advance(session: Session, epoch: int, flush: int) -> None:
    """Note the flush that this transaction writes. Raises SupersededError where somebody else has taken over since."""
    done = await session.execute(store_state.update().where(store_state.c.epoch == epoch).values(flush=flush))
    if done.rowcount != 1:
        raise SupersededError("another console has opened this database's metrics store; this one no longer writes to it")


async def live(session: Session) -> list[SeriesRow]:
    return _rows(
        await session.execute(sa.select(series.c.id, series.c.labels).where(series.c.ended_ms.is_(None)).order_by(series.c.id))
    )


async def last_id(session: Session) -> int:
    return (await session.execute(sa.select(sa.func.max(series.c.id)))).scalar() or 0


async def newest_end(session: Session) -> int | None:
    """When the series that ended last ended."""
    newest: int | None = (await session.execute(sa.select(sa.func.max(series.c.ended_ms)))).scalar()
    return newest


async def ended(session: Session, since_ms: int, name: str | None) -> list[SeriesRow]:
    """Series that memory no longer holds and that may have samples at `since_ms` or later; of one `name`, or of all."""
    query = sa.select(series.c.id, series.c.labels).where(series.c.ended_ms >= since_ms)
    return _rows(await session.execute(query if name is None else query.where(series.c.name == escaped(name))))


def _rows(result: sa.CursorResult[Any]) -> list[SeriesRow]:
    return [SeriesRow(row.id, json.loads(row.labels)) for row in result.all()]


async def add_series(session: Session, rows: Sequence[SeriesRow], now: datetime) -> None:
    """Add series; one that is there already, from a commit whose answer was lost, stays."""
    insert = sqlite.insert if session.dialect.name == "sqlite" else postgresql.insert
    await session.execute(insert(series).on_conflict_do_nothing(), [_series_values(row, now) for row in rows])


def _series_values(row: SeriesRow, now: datetime) -> dict[str, Any]:
    text = json.dumps(row.labels, sort_keys=True, separators=(",", ":"))
    return {"id": row.id, "name": escaped(row.labels.get("__name__", "")), "labels": text, "created_at": now}


async def end(session: Session, ends: Mapping[int, int]) -> None:
    """Note for each series id that no sample of it is later than its time."""
    query = series.update().where(series.c.id == sa.bindparam("of")).values(ended_ms=sa.bindparam("at"))
    await session.execute(query, [{"of": id_, "at": at_ms} for id_, at_ms in ends.items()])


async def revive(session: Session, ids: Sequence[int]) -> list[SeriesRow]:
    """Series that ended and have samples again."""
    rows = _rows(await session.execute(sa.select(series.c.id, series.c.labels).where(_among(session, series.c.id, ids))))
    await session.execute(series.update().where(_among(session, series.c.id, ids)).values(ended_ms=None))
    return rows


async def add_recent(session: Session, flush: int, data: bytes) -> None:
    await session.execute(recent.insert().values(id=flush, data=data))


async def recent_after(session: Session, flush: int, most: int) -> list[tuple[int, bytes]]:
    """The next flushes after number `flush`, in order."""
    query = sa.select(recent.c.id, recent.c.data).where(recent.c.id > flush).order_by(recent.c.id).limit(most)
    return [(row[0], row[1]) for row in (await session.execute(query)).all()]


async def watermarks(session: Session) -> dict[int, int]:
    """For each bucket the flush up to which everything is sealed."""
    return {row.bucket: row.flush for row in (await session.execute(sa.select(sealed_buckets))).all()}


async def mark_sealed(session: Session, buckets: Sequence[int], flush: int, of: int) -> None:
    """Note that everything of the buckets is sealed up to `flush`, and delete the flushes of which all `of` buckets are."""
    await session.execute(sealed_buckets.delete().where(sealed_buckets.c.bucket.in_(buckets)))
    await session.execute(sealed_buckets.insert(), [{"bucket": bucket, "flush": flush} for bucket in buckets])
    marks = await watermarks(session)
    if len(marks) == of:
        await session.execute(recent.delete().where(recent.c.id <= min(marks.values())))


async def add_chunks(session: Session, rows: Sequence[ChunkRow]) -> None:
    await session.execute(chunks.insert(), [row._asdict() for row in rows])


_CHUNK = (chunks.c.series_id, chunks.c.start_ms, chunks.c.end_ms, chunks.c.samples, chunks.c.data)


async def chunks_of(session: Session, ids: Sequence[int], start_ms: int, end_ms: int) -> list[ChunkRow]:
    """Chunks of the series that overlap the window, those sealed first first."""
    query = sa.select(*_CHUNK).where(
        _among(session, chunks.c.series_id, ids), chunks.c.start_ms <= end_ms, chunks.c.end_ms >= start_ms
    )
    return [ChunkRow(*row) for row in (await session.execute(query.order_by(chunks.c.id))).all()]


async def chunks_since(session: Session, end_ms: int) -> list[ChunkRow]:
    """Every chunk with a sample at `end_ms` or later."""
    query = sa.select(*_CHUNK).where(chunks.c.end_ms >= end_ms).order_by(chunks.c.id)
    return [ChunkRow(*row) for row in (await session.execute(query)).all()]


async def fragmented(session: Session, pieces: int, most: int) -> list[int]:
    """Series whose small chunks add up to a whole one, or are more than `pieces`."""
    query = (
        sa.select(chunks.c.series_id)
        .where(chunks.c.samples < sa.literal_column(str(SMALL)))
        .group_by(chunks.c.series_id)
        .having(sa.and_(sa.func.count() > 1, sa.or_(sa.func.sum(chunks.c.samples) >= SMALL, sa.func.count() > pieces)))
        .limit(most)
    )
    return list((await session.execute(query)).scalars())


async def small_chunks_of(session: Session, ids: Sequence[int]) -> list[tuple[int, ChunkRow]]:
    """The small chunks of the series with their row ids, those sealed first first."""
    query = sa.select(chunks.c.id, *_CHUNK).where(
        _among(session, chunks.c.series_id, ids), chunks.c.samples < sa.literal_column(str(SMALL))
    )
    return [(row[0], ChunkRow(*tuple(row)[1:])) for row in (await session.execute(query.order_by(chunks.c.id))).all()]


async def delete_chunks(session: Session, ids: Sequence[int]) -> None:
    await session.execute(chunks.delete().where(_among(session, chunks.c.id, ids)))


async def expire(session: Session, before_ms: int, most: int) -> int:
    """Delete chunks, and series, that ended before `before_ms`. Returns how many chunks went: `most` if there may be more."""
    oldest = sa.select(chunks.c.id).where(chunks.c.end_ms < before_ms).limit(most)
    gone = (await session.execute(chunks.delete().where(chunks.c.id.in_(oldest)))).rowcount
    if gone < most:
        await session.execute(series.delete().where(series.c.ended_ms < before_ms))
    return gone
