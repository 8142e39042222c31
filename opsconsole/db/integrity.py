"""Whether a database can be trusted before a console opens it; each finding is one line with its mend."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from opsconsole.clock import Clock
from opsconsole.db.base import Session, metadata
from opsconsole.db.database import Database
from opsconsole.db.migrate import usable
from opsconsole.model import OpsConsoleError

LONGEST_CHECK = 2.0
"""Seconds that a start may spend on it: half a gigabyte or so; what of a larger file is not reached by then is not looked at."""
_INSTRUCTIONS = 500
"""SQLite's steps between two looks at the clock."""
_CAN_STOP = sqlite3.sqlite_version_info >= (3, 41)
"""Older ones look at the clock between rows, but not while they read a tree's pages."""
_LARGEST_WHOLE = 1 << 30
_OURS = {"store_state", "incidents", "dag_runs", "outbox"}
_NOBODYS = {"alembic_version", "sqlite_sequence"}
_HEAD = b"SQLite format 3\0"


async def expect_sound(db: Database, clock: Clock) -> None:
    """Raises OpsConsoleError where the file is damaged or another program's, or PostgreSQL is set up so that it cannot serve.

    What is not there yet is sound. Whether the schema is known, `migrate` says.
    """
    path = Path(db.engine.url.database or "")
    with usable(db):
        if not db.is_sqlite:
            await _expect_postgresql(db)
            return
        deadline = clock.monotonic() + LONGEST_CHECK
        there = await asyncio.to_thread(path.is_file)
        if there:
            await asyncio.to_thread(expect_whole, path, lambda: clock.monotonic() > deadline)


def expect_whole(path: Path, enough: Callable[[], bool] | None = None) -> None:
    """Read the SQLite file to its end, or until it is `enough`. Raises OpsConsoleError with what is wrong, and sqlite3.Error:
    callers know what the file is to them."""
    with path.open("rb") as file:
        head = file.read(len(_HEAD))
    if head and head != _HEAD:
        raise sqlite3.DatabaseError("it is no SQLite database: name another file, or move this one away")
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as connection:
        tables = {row[0] for row in _read(connection, path, "select name from sqlite_master where type = 'table'")} - _NOBODYS
        if tables and not tables & _OURS:
            raise OpsConsoleError(
                f"{path} belongs to another program (it has a table {min(tables)}): give opsconsole a file of its own"
            )
        if enough is not None:
            if not _CAN_STOP and path.stat().st_size > _LARGEST_WHOLE:
                return
            connection.set_progress_handler(enough, _INSTRUCTIONS)
        for row in _read(connection, path, "pragma quick_check(1)"):
            if row[0] != "ok":
                raise OpsConsoleError(_damaged(path, row[0]))


def _read(connection: sqlite3.Connection, path: Path, statement: str) -> Iterator[tuple[Any, ...]]:
    try:
        yield from connection.execute(statement)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return
        if error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise OpsConsoleError(_damaged(path, str(error))) from error
        raise


def _damaged(path: Path, finding: str) -> str:
    said = " ".join(finding.split())[:200]
    return f"{path} is damaged ({said}): restore a backup with opsconsole restore, or save what can be read with sqlite3 .recover"


async def _expect_postgresql(db: Database) -> None:
    async with db.read() as session:
        encoding = (await session.execute(sa.text("show server_encoding"))).scalar_one()
        role, schema = (await session.execute(sa.text("select current_user, current_schema()"))).one()
        if encoding != "UTF8":
            raise OpsConsoleError(f"the database's encoding is {encoding}: make it anew with create database … encoding 'UTF8'")
        if schema is None:
            raise OpsConsoleError(f"the role {role} has no schema in its search_path that is there: create one, or grant usage")
        tables = set((await session.execute(_TABLES)).scalars())
        if "alembic_version" in tables and not tables & _OURS and len(tables) > 1:
            other = min(tables - _NOBODYS)
            raise OpsConsoleError(
                f"the database belongs to another program (it has a table {other}): give opsconsole one of its own"
            )
        if not tables & _OURS:
            await _expect_room(session, role, schema)
            return
        if closed := [name for name in (await session.execute(_CLOSED)).scalars() if name in metadata.tables]:
            mend = f"grant all on all tables in schema {schema} to {role}"
            raise OpsConsoleError(f"the role {role} may not read and write the table {closed[0]}: {mend}")


async def _expect_room(session: Session, role: str, schema: str) -> None:
    may = sa.select(sa.func.has_schema_privilege(schema, "create"))
    if not (await session.execute(may)).scalar_one():
        raise OpsConsoleError(f"the role {role} may not make tables: grant create on schema {schema} to {role}")


_TABLES = sa.text("select tablename from pg_tables where schemaname = current_schema() order by 1")
_CLOSED = sa.text(
    "select tablename from pg_tables where schemaname = current_schema() and not ("
    " has_table_privilege(quote_ident(schemaname) || '.' || quote_ident(tablename), 'select') and"
    " has_table_privilege(quote_ident(schemaname) || '.' || quote_ident(tablename), 'insert') and"
    " has_table_privilege(quote_ident(schemaname) || '.' || quote_ident(tablename), 'update') and"
    " has_table_privilege(quote_ident(schemaname) || '.' || quote_ident(tablename), 'delete')) order by 1"
)
