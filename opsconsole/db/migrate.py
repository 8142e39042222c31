"""Bringing the schema to the newest revision, and comparing it with the tables that the code declares."""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from opsconsole.db.base import metadata
from opsconsole.db.database import Database
from opsconsole.model import OpsConsoleError
from opsconsole.secrets import redacted

if TYPE_CHECKING:
    from alembic.config import Config

log = logging.getLogger(__name__)

# Two consoles that start together on one PostgreSQL take turns; the number is arbitrary, and only has to stay the same.
_ADVISORY_LOCK = 8_600_001
_SCRIPTS = str(Path(__file__).parent / "migrations")


async def migrate(db: Database) -> tuple[str | None, str]:
    """Upgrade to the newest revision; returns the revision before (None: an empty database) and after.

    Raises OpsConsoleError where the database cannot be opened or written, is another program's, or newer than this console.
    """
    with usable(db):
        if db.is_sqlite and db.engine.url.database:
            await asyncio.to_thread(_look_into, db.engine.url.database)
        async with db.engine.connect() as connection:
            return await connection.run_sync(_upgrade)


async def expect_newest(db: Database) -> str:
    """The schema's revision, which is this console's. Changes nothing.

    Raises OpsConsoleError where the database is not there or cannot be read, or has another revision.
    """
    path = db.engine.url.database
    if db.is_sqlite and path and not await asyncio.to_thread(Path(path).is_file):
        raise OpsConsoleError(f"there is no database at {path}: start the console, or name its configuration with --config")
    with usable(db):
        if db.is_sqlite and path:
            await asyncio.to_thread(_look_into, path)
        async with db.read() as session:
            before, newest = await session.run_sync(_revisions)
    if before != newest:
        mend = f"run opsconsole migrate, which makes it {newest}" if before in {None, *revisions()} else "upgrade opsconsole"
        raise OpsConsoleError(f"the database's schema is {before or 'empty'}: {mend}")
    return newest


async def differences(db: Database) -> list[Any]:
    """What separates the database's schema from the declared tables; empty after `migrate`."""
    async with db.engine.connect() as connection:
        return await connection.run_sync(_compare)


def revisions() -> list[str]:
    """Every revision that this console knows, the newest first."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]


@contextlib.contextmanager
def usable(db: Database) -> Iterator[None]:
    """What the database refuses inside becomes an OpsConsoleError that names it."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
        url = db.engine.url.set(drivername=db.engine.url.get_backend_name()).render_as_string(hide_password=True)
        raise OpsConsoleError(f"the database cannot be used: {_first_line(error)}; storage.url is {url}") from error


def _look_into(path: str) -> None:
    """Raises sqlite3.Error where this is no database: aiosqlite's thread would tell it again, to a loop that may have ended."""
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as connection:
        connection.execute("PRAGMA schema_version")


def _revisions(connection: sa.Connection) -> tuple[str | None, str]:
    """The database's revision, and the newest."""
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision(), revisions()[0]


def _upgrade(connection: sa.Connection) -> tuple[str | None, str]:
    from alembic import command
    from alembic.util import CommandError

    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
    with unreferred(connection):
        before, newest = _revisions(connection)
        try:
            if before != newest:
                command.upgrade(_config(connection), "head")
        except CommandError as error:
            message = f"the database is at revision {before}, which this console does not know: upgrade opsconsole"
            raise OpsConsoleError(message) from error
        connection.commit()
    return before, newest


@contextlib.contextmanager
def unreferred(connection: sa.Connection) -> Iterator[None]:
    """While a revision changes tables, SQLite enforces no references: a table that Alembic copies and drops would take along,
    by cascade, every row that refers to it (SQLite's manual: ALTER TABLE, "Making Other Kinds Of Table Schema Changes").

    The connection must not be in a transaction; what is not committed inside is rolled back.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    _pragma(connection, "foreign_keys=OFF")
    try:
        yield
    finally:
        connection.rollback()
        _pragma(connection, "foreign_keys=ON")


def _pragma(connection: sa.Connection, said: str) -> None:
    """Beside SQLAlchemy, which would begin a transaction first: inside of one SQLite leaves this pragma as it was."""
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA {said}")
    cursor.close()


def _compare(connection: sa.Connection) -> list[Any]:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


def _config(connection: sa.Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    config.attributes["connection"] = connection
    return config


def _first_line(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return redacted((str(cause).strip() or type(cause).__name__).splitlines()[0])
