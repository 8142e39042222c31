"""Writing rows that may be there already, of which only what changed is written; and asking for many values, some at a time."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from opsconsole.db.base import Session

T = TypeVar("T")
Row = dict[str, Any]
Key = tuple[Any, ...]

_AT_ONCE = 500
"""How many values one `in` lists; SQLite takes 32,766 parameters a statement."""
_KEYS_AT_ONCE = 200


async def existing(session: Session, table: sa.Table, columns: Sequence[str], keys: Iterable[Key], deployment: str) -> list[Row]:
    """The deployment's rows whose `columns` are one of `keys`."""
    found: list[Row] = []
    wanted = sa.tuple_(*(table.c[name] for name in columns))
    for some in batches(dict.fromkeys(keys), _KEYS_AT_ONCE):
        query = sa.select(table).where(table.c.deployment == deployment, wanted.in_(some))
        found += [dict(row) for row in (await session.execute(query)).mappings()]
    return found


async def upsert(session: Session, table: sa.Table, rows: Sequence[Row]) -> None:
    """Insert rows, or overwrite the columns they give where their primary key is there."""
    if not rows:
        return
    statement = inserting(session, table)
    keys = [column.name for column in table.primary_key]
    overwritten = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    await session.execute(statement.on_conflict_do_update(index_elements=keys, set_=overwritten), rows)


def inserting(session: Session, table: sa.Table) -> Any:
    """An insert of the database's own kind, which knows `on_conflict_do_update`."""
    return (sqlite if session.dialect.name == "sqlite" else postgresql).insert(table)


def differs(row: Row, before: Row | None) -> bool:
    """Whether `row` says something else than `before`; when it was seen is not part of what it says."""
    return before is None or any(before[name] != value for name, value in row.items() if name != "seen_at")


def batches(items: Iterable[T], size: int = _AT_ONCE) -> Iterable[list[T]]:
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some
