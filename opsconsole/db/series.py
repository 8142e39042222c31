"""The metrics store's tables: who the series are, samples not yet sealed, and sealed blocks."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from opsconsole.db.base import BigId, Session, UtcTime, metadata
from opsconsole.model import Labels

WHOLE = 100
"""A block that is less full, in percent, is one that compaction may merge with its neighbours."""

series = sa.Table(
    "series",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),  # `__name__`, escaped as in JSON
    sa.Column("labels", sa.Text, nullable=False),  # canonical JSON, `__name__` included; one label set may have several rows
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("ended_ms", sa.BigInteger),  # no sample is later; null while the series is held in memory
    sa.Column("bundle", sa.BigInteger),  # the series that it is sealed with; null: of an earlier version, and has chunks only
    sa.Index("ix_series_ended_ms", "ended_ms"),
)

recent = sa.Table(
    "recent_samples",
    metadata,
    sa.Column("id", BigId, primary_key=True),  # the number of the flush
    sa.Column("data", sa.LargeBinary, nullable=False),  # one flush: packed (series id, unix ms, value) columns
)

blocks = sa.Table(
    "blocks",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("bundle", sa.BigInteger, nullable=False),
    sa.Column("start_ms", sa.BigInteger, nullable=False),
    sa.Column("end_ms", sa.BigInteger, nullable=False),
    sa.Column("samples", sa.Integer, nullable=False),
    sa.Column("fullness", sa.Integer, nullable=False),  # percent of what a block is to hold
    sa.Column("size", sa.Integer, nullable=False),  # of `data`, in bytes
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Index("ix_blocks_bundle_start_ms", "bundle", "start_ms"),
    sa.Index("ix_blocks_end_ms_size", "end_ms", "size"),
)
sa.Index(
    "ix_blocks_small",
    blocks.c.bundle,
    blocks.c.fullness,
    sqlite_where=blocks.c.fullness < sa.literal_column(str(WHOLE)),
    postgresql_where=blocks.c.fullness < sa.literal_column(str(WHOLE)),
)

chunks = sa.Table(  # one series each: what the first versions sealed; read until it expires, no longer written
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
    sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),  # whose turn it is, by bundle
    sa.Column("flush", sa.BigInteger, nullable=False),  # every sample of flushes up to this one is in a block
)


class SupersededError(Exception):
    """Another console has opened the same metrics store; this one may write no more."""


class SeriesRow(NamedTuple):
    id: int
    labels: Labels
    bundle: int | None = None


class ChunkRow(NamedTuple):
    series_id: int
    start_ms: int
    end_ms: int
    samples: int
    data: bytes


class BlockRow(NamedTuple):
    bundle: int
    start_ms: int
    end_ms: int
    samples: int
    fullness: int
    data: bytes


class Span(NamedTuple):
    """Where a block is and how much it holds, without that."""

    id: int
    bundle: int
    start_ms: int
    end_ms: int
    samples: int


@lru_cache(4096)
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


_SERIES = (series.c.id, series.c.labels, series.c.bundle)


async def live(session: Session) -> list[SeriesRow]:
    return _rows(await session.execute(sa.select(*_SERIES).where(series.c.ended_ms.is_(None)).order_by(series.c.id)))


async def last_id(session: Session) -> int:
    return (await session.execute(sa.select(sa.func.max(series.c.id)))).scalar() or 0


async def last_bundle(session: Session) -> int:
    highest = [sa.select(sa.func.max(column)) for column in (series.c.bundle, blocks.c.bundle)]
    return max([(await session.execute(query)).scalar() or 0 for query in highest])


async def put_in_bundles(session: Session, bundles: Mapping[int, int]) -> None:
    """Note each series' bundle, by series id."""
    query = series.update().where(series.c.id == sa.bindparam("of")).values(bundle=sa.bindparam("to"))
    await session.execute(query, [{"of": id_, "to": bundle} for id_, bundle in bundles.items()])


async def newest_end(session: Session) -> int | None:
    """When the series that ended last ended."""
    newest: int | None = (await session.execute(sa.select(sa.func.max(series.c.ended_ms)))).scalar()
    return newest


async def ended(session: Session, since_ms: int, name: str | None) -> list[SeriesRow]:
    """Series that memory no longer holds and that may have samples at `since_ms` or later; of one `name`, or of all."""
    query = sa.select(*_SERIES).where(series.c.ended_ms >= since_ms)
    return _rows(await session.execute(query if name is None else query.where(series.c.name == escaped(name))))


def _rows(result: sa.CursorResult[Any]) -> list[SeriesRow]:
    return [SeriesRow(row.id, Labels(json.loads(row.labels)), row.bundle) for row in result.all()]


_INSERT = "insert into series (id, name, labels, created_at, bundle) values (?, ?, ?, ?, ?) on conflict do nothing"
"""For the driver itself: what SQLAlchemy does with each of many rows would cost more than all else about a new series."""


async def add_series(session: Session, rows: Sequence[SeriesRow], now: datetime) -> None:
    """Add series; one that is there already, from a commit whose answer was lost, stays."""
    insert = _INSERT if session.dialect.name == "sqlite" else _INSERT.replace("?", "%s")
    at = UtcTime().process_bind_param(now, session.dialect)
    values = [(row.id, escaped(row.labels.get("__name__", "")), _text(row.labels), at, row.bundle) for row in rows]
    await session.exec_driver_sql(insert, values)


def _text(labels: Labels) -> str:
    """Canonical JSON."""
    return "{" + ",".join([_pair(pair) for pair in labels.pairs]) + "}"


@lru_cache(65_536)
def _pair(pair: tuple[str, str]) -> str:
    """Most pairs are those of other series too."""
    return f"{json.dumps(pair[0])}:{json.dumps(pair[1])}"


async def end(session: Session, ends: Mapping[int, int]) -> None:
    """Note for each series id that no sample of it is later than its time."""
    query = series.update().where(series.c.id == sa.bindparam("of")).values(ended_ms=sa.bindparam("at"))
    await session.execute(query, [{"of": id_, "at": at_ms} for id_, at_ms in ends.items()])


async def revive(session: Session, ids: Sequence[int]) -> list[SeriesRow]:
    """Series that ended and have samples again."""
    rows = _rows(await session.execute(sa.select(*_SERIES).where(_among(session, series.c.id, ids))))
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


async def add_blocks(session: Session, rows: Sequence[BlockRow]) -> None:
    await session.execute(blocks.insert(), [{**row._asdict(), "size": len(row.data)} for row in rows])


_BLOCK = (blocks.c.bundle, blocks.c.start_ms, blocks.c.end_ms, blocks.c.samples, blocks.c.fullness, blocks.c.data)


async def blocks_of(session: Session, bundles: Sequence[int], start_ms: int, end_ms: int) -> list[BlockRow]:
    """Blocks of the bundles that overlap the window, those sealed first first."""
    query = sa.select(*_BLOCK).where(
        _among(session, blocks.c.bundle, bundles), blocks.c.start_ms <= end_ms, blocks.c.end_ms >= start_ms
    )
    return [BlockRow(*row) for row in (await session.execute(query.order_by(blocks.c.id))).all()]


async def spans_of(session: Session, bundles: Sequence[int], start_ms: int, end_ms: int, most: int) -> list[Span]:
    """Some blocks of the bundles that overlap the window."""
    query = sa.select(blocks.c.id, blocks.c.bundle, blocks.c.start_ms, blocks.c.end_ms, blocks.c.samples).where(
        _among(session, blocks.c.bundle, bundles), blocks.c.start_ms <= end_ms, blocks.c.end_ms >= start_ms
    )
    return [Span(*row) for row in (await session.execute(query.limit(most))).all()]


async def blocks_by_id(session: Session, ids: Sequence[int]) -> list[BlockRow]:
    return [BlockRow(*row) for row in (await session.execute(sa.select(*_BLOCK).where(_among(session, blocks.c.id, ids)))).all()]


async def sizes_of(session: Session, bundles: Sequence[int], start_ms: int, end_ms: int) -> dict[int, int]:
    """Bytes of each bundle's blocks that overlap the window."""
    query = sa.select(blocks.c.bundle, sa.func.sum(blocks.c.size)).where(
        _among(session, blocks.c.bundle, bundles), blocks.c.start_ms <= end_ms, blocks.c.end_ms >= start_ms
    )
    return {int(bundle): int(size) for bundle, size in (await session.execute(query.group_by(blocks.c.bundle))).all()}


async def blocks_since(session: Session, end_ms: int) -> list[BlockRow]:
    """Every block with a sample at `end_ms` or later."""
    query = sa.select(*_BLOCK).where(blocks.c.end_ms >= end_ms).order_by(blocks.c.id)
    return [BlockRow(*row) for row in (await session.execute(query)).all()]


async def bytes_of_blocks(session: Session) -> int:
    return int((await session.execute(sa.select(sa.func.coalesce(sa.func.sum(blocks.c.size), 0)))).scalar() or 0)


async def newest_chunk(session: Session) -> int | None:
    """When the last chunk of an earlier version ends; none where there is none."""
    newest: int | None = (await session.execute(sa.select(sa.func.max(chunks.c.end_ms)))).scalar()
    return newest


async def chunks_of(session: Session, ids: Sequence[int], start_ms: int, end_ms: int) -> list[ChunkRow]:
    """Chunks of the series that overlap the window, those sealed first first."""
    query = sa.select(chunks.c.series_id, chunks.c.start_ms, chunks.c.end_ms, chunks.c.samples, chunks.c.data).where(
        _among(session, chunks.c.series_id, ids), chunks.c.start_ms <= end_ms, chunks.c.end_ms >= start_ms
    )
    return [ChunkRow(*row) for row in (await session.execute(query.order_by(chunks.c.id))).all()]


async def fragmented(session: Session, pieces: int, most: int) -> list[int]:
    """Bundles whose small blocks add up to a whole one, or are more than `pieces`."""
    query = (
        sa.select(blocks.c.bundle)
        .where(blocks.c.fullness < sa.literal_column(str(WHOLE)))
        .group_by(blocks.c.bundle)
        .having(sa.and_(sa.func.count() > 1, sa.or_(sa.func.sum(blocks.c.fullness) >= WHOLE, sa.func.count() > pieces)))
        .limit(most)
    )
    return list((await session.execute(query)).scalars())


async def small_blocks_of(session: Session, bundles: Sequence[int]) -> list[tuple[int, BlockRow]]:
    """The small blocks of the bundles with their row ids, those sealed first first."""
    query = sa.select(blocks.c.id, *_BLOCK).where(
        _among(session, blocks.c.bundle, bundles), blocks.c.fullness < sa.literal_column(str(WHOLE))
    )
    return [(row[0], BlockRow(*tuple(row)[1:])) for row in (await session.execute(query.order_by(blocks.c.id))).all()]


async def leave_alone(session: Session, ids: Collection[int]) -> None:
    """Have these blocks not merged with others."""
    if ids:
        await session.execute(blocks.update().where(_among(session, blocks.c.id, list(ids))).values(fullness=WHOLE))


async def delete_blocks(session: Session, ids: Sequence[int]) -> None:
    await session.execute(blocks.delete().where(_among(session, blocks.c.id, ids)))


async def expire(session: Session, before_ms: int, most: int) -> int:
    """Delete blocks, and series, that ended before `before_ms`. Returns how many blocks went: `most` if there may be more."""
    gone = 0
    for of in (blocks, chunks):
        oldest = sa.select(of.c.id).where(of.c.end_ms < before_ms).limit(most)
        gone = max(gone, (await session.execute(of.delete().where(of.c.id.in_(oldest)))).rowcount)
    if gone < most:
        await session.execute(series.delete().where(series.c.ended_ms < before_ms))
    return gone


async def oldest_blocks(session: Session, most: int) -> list[tuple[int, int]]:
    """Row ids and sizes of the blocks that end first."""
    query = sa.select(blocks.c.id, blocks.c.size).order_by(blocks.c.end_ms).limit(most)
    return [(row[0], row[1]) for row in (await session.execute(query)).all()]
