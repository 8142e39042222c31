"""Every row of every table from one database into another of the same schema, whichever two kinds they are."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from opsconsole.db.base import Session, metadata

Progress = Callable[[int, int], None]
"""Told how much is done, of how much: pages of a file, or rows."""

_AT_A_TIME = 500


class Source(Protocol):
    """What rows are read from: a `Session`, or a file that is only read."""

    async def execute(self, statement: sa.Select[Any]) -> sa.CursorResult[Any]: ...


class SyncSource:
    """A connection that does not wait for anybody, as a source."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    async def execute(self, statement: sa.Select[Any]) -> sa.CursorResult[Any]:
        return self._connection.execute(statement)


async def copy_rows(source: Source, target: Session, progress: Progress) -> None:
    """Fill the tables of `target`, which are empty. `source` is one consistent picture."""
    tables = metadata.sorted_tables
    total = sum([(await source.execute(sa.select(sa.func.count()).select_from(table))).scalar_one() for table in tables])
    done = 0
    for table in tables:
        last: tuple[Any, ...] | None = None
        keys = list(table.primary_key.columns)
        while rows := (await source.execute(_page(table, keys, last))).mappings().all():
            await target.execute(table.insert(), [dict(row) for row in rows])
            last = tuple(rows[-1][key.name] for key in keys)
            done += len(rows)
            progress(done, total)


async def holds_rows(session: Session) -> str | None:
    """The name of a table with rows in it, if there is one."""
    for table in metadata.sorted_tables:
        if (await session.execute(sa.select(sa.literal(1)).select_from(table).limit(1))).first() is not None:
            return table.name
    return None


def _page(table: sa.Table, keys: Sequence[sa.Column[Any]], last: tuple[Any, ...] | None) -> sa.Select[Any]:
    """The next rows after the one with the key `last`: nothing is held open between, and no offset is counted."""
    query = sa.select(table).order_by(*keys).limit(_AT_A_TIME)
    if last is None:
        return query
    after = [sa.bindparam(None, value, type_=key.type) for key, value in zip(keys, last, strict=True)]
    return query.where(sa.tuple_(*keys) > sa.tuple_(*after))
