"""Samples on their way to a cluster: first in, first out; a row is one remote-write request, ready to send."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from opsconsole.db.base import BigId, Session, metadata
from opsconsole.db.series import SupersededError

remote_queue = sa.Table(
    "remote_queue",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=False),  # the order in which rows are sent
    sa.Column("at_ms", sa.BigInteger, nullable=False),  # when the row was written
    sa.Column("samples", sa.Integer, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),  # bytes of data
    sa.Column("data", sa.LargeBinary, nullable=False),  # a WriteRequest in protobuf, compressed with snappy
)

remote_queue_state = sa.Table(
    "remote_queue_state",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # always 1
    sa.Column("epoch", sa.BigInteger, nullable=False),  # grows with every opening; the last to open is the one that sends
)


class QueueRow(NamedTuple):
    id: int
    at_ms: int
    samples: int
    data: bytes


class Standing(NamedTuple):
    """What a queue holds: its last row's number, rows, samples, bytes, and when its oldest row was written (0: it is empty)."""

    last: int
    rows: int
    samples: int
    size: int
    oldest_ms: int


async def take_over(session: Session) -> int:
    """Become the one that sends. Returns the new epoch."""
    epoch = (await session.execute(sa.select(remote_queue_state.c.epoch).with_for_update())).scalar()
    if epoch is None:
        await session.execute(remote_queue_state.insert().values(id=1, epoch=1))
        return 1
    await session.execute(remote_queue_state.update().values(epoch=epoch + 1))
    return int(epoch) + 1


async def hold(session: Session, epoch: int) -> None:
    """Raises SupersededError where somebody else has taken over since."""
    mine = remote_queue_state.update().where(remote_queue_state.c.epoch == epoch).values(epoch=epoch)
    if (await session.execute(mine)).rowcount != 1:
        raise SupersededError("another console has opened this database's queue of samples")


async def standing(session: Session, row_id: int) -> Standing:
    """Of what follows `row_id`."""
    table = remote_queue.c
    asked = sa.select(
        sa.func.max(table.id), sa.func.count(), sa.func.sum(table.samples), sa.func.sum(table.size), sa.func.min(table.at_ms)
    ).where(table.id > row_id)
    return Standing(*(int(number or 0) for number in (await session.execute(asked)).one()))


async def put(session: Session, rows: Sequence[QueueRow]) -> None:
    await session.execute(remote_queue.insert(), [{**row._asdict(), "size": len(row.data)} for row in rows])


async def after(session: Session, row_id: int, most: int) -> list[QueueRow]:
    """The rows that follow `row_id`, in order, `most` at the most."""
    table = remote_queue.c
    asked = sa.select(table.id, table.at_ms, table.samples, table.data).where(table.id > row_id).order_by(table.id).limit(most)
    return [QueueRow(*row) for row in await session.execute(asked)]


async def sizes_after(session: Session, row_id: int, most: int) -> list[tuple[int, int, int, int]]:
    """Of the rows that follow `row_id`: number, when written, samples, bytes."""
    table = remote_queue.c
    asked = sa.select(table.id, table.at_ms, table.samples, table.size).where(table.id > row_id).order_by(table.id).limit(most)
    return [(row.id, row.at_ms, row.samples, row.size) for row in await session.execute(asked)]


async def delete_through(session: Session, row_id: int) -> None:
    await session.execute(remote_queue.delete().where(remote_queue.c.id <= row_id))
