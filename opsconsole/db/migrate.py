"""Bringing the schema to the newest revision, and comparing it with the tables that the code declares."""

import asyncio
import contextlib
import logging
import sqlite3
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


async def migrate(db: Database) -> tuple[str | None, str]:
    """Upgrade to the newest revision; returns the revision before (None: an empty database) and after.

    Raises OpsConsoleError where the database cannot be opened or written, or is newer than this console.
    """
    try:
        if db.is_sqlite and db.engine.url.database:
            await asyncio.to_thread(_look_into, db.engine.url.database)
        async with db.engine.connect() as connection:
            return await connection.run_sync(_upgrade)
    except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
        url = db.engine.url.set(drivername=db.engine.url.get_backend_name()).render_as_string(hide_password=True)
        raise OpsConsoleError(f"the database cannot be used: {_first_line(error)}; storage.url is {url}") from error


async def differences(db: Database) -> list[Any]:
    """What separates the database's schema from the declared tables; empty after `migrate`."""
    async with db.engine.connect() as connection:
        return await connection.run_sync(_compare)


def _look_into(path: str) -> None:
    """Raises sqlite3.Error where this is no database: aiosqlite's thread would tell it again, to a loop that may have ended."""
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as connection:
        connection.execute("PRAGMA schema_version")


def _upgrade(connection: sa.Connection) -> tuple[str | None, str]:
    from alembic import command
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = _config(connection)
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
    before = MigrationContext.configure(connection).get_current_revision()
    newest = ScriptDirectory.from_config(config).get_current_head() or ""
    try:
        if before != newest:
            command.upgrade(config, "head")
    except CommandError as error:
        message = f"the database is at revision {before}, which this console does not know: upgrade opsconsole"
        raise OpsConsoleError(message) from error
    connection.commit()
    return before, newest


def _compare(connection: sa.Connection) -> list[Any]:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


def _config(connection: sa.Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _first_line(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return redacted((str(cause).strip() or type(cause).__name__).splitlines()[0])
