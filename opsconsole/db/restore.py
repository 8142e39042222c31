"""A backup's content into a database of either kind, all of it or nothing."""

import asyncio
import contextlib
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from opsconsole.db.backup import copy_file
from opsconsole.db.base import Session, metadata
from opsconsole.db.copying import Progress, SyncSource, copy_rows, holds_rows
from opsconsole.db.database import APPLICATION, Database
from opsconsole.db.integrity import expect_whole
from opsconsole.db.migrate import migrate, revisions, usable
from opsconsole.model import OpsConsoleError

_PATIENCE = 3.0
"""Seconds to wait for who has the database open: who still has it then is a console."""
_LOOKS = 10
_RUNNING = "a console has this database open: stop it first"


async def restore(db: Database, file: Path, progress: Progress, *, force: bool) -> str:
    """Put the backup into `db`; returns the schema that the backup had. An older one is brought up to date.

    Raises OpsConsoleError, and then nothing has changed, where the file is no whole backup or newer than this console, a
    console runs on the database, or it has content and nobody said `force`.
    """
    revision = await asyncio.to_thread(_expect_backup, file)
    with contextlib.ExitStack() as stack:
        if revision != revisions()[0]:
            file = await _brought_up(file, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="opsconsole-"))))
        if db.is_sqlite:
            await db.close()  # its connections would be others' to who must be alone
            with usable(db):
                await _into_file(file, Path(str(db.engine.url.database)), progress, force=force)
        else:
            await migrate(db)
            with usable(db):
                await _into_postgresql(file, db, progress, force=force)
    return revision


def _expect_backup(file: Path) -> str:
    try:
        if not file.is_file():
            raise OpsConsoleError(f"{file} is not there" if not file.exists() else f"{file} is no file")
        if not file.stat().st_size:
            raise OpsConsoleError(f"{file} is empty: it is no backup")
        expect_whole(file)
        with contextlib.closing(_reading(file)) as connection:
            found = connection.execute("select version_num from alembic_version").fetchone()
    except (OSError, sqlite3.Error) as error:
        raise OpsConsoleError(f"{file} cannot be read: {error}") from error
    if found is None or found[0] not in revisions():
        schema = found[0] if found else "unknown"
        raise OpsConsoleError(f"{file} has the schema {schema}, which this console does not know: upgrade opsconsole")
    return str(found[0])


def _reading(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=10, isolation_level=None)


async def _brought_up(file: Path, folder: Path) -> Path:
    """A copy of the older backup with the newest schema."""
    copy = folder / "backup.db"
    await asyncio.to_thread(copy_file, file, copy, lambda done, total: None, threading.Event())
    db = Database(sa.URL.create("sqlite", database=str(copy)))
    try:
        await migrate(db)
    finally:
        await db.close()
    return copy


async def _into_file(file: Path, target: Path, progress: Progress, *, force: bool) -> None:
    """SQLite puts it there in one transaction of its own: a crash in the middle leaves what was there before."""
    stop = threading.Event()
    try:
        await asyncio.to_thread(_replace, file, target, progress, stop, force)
    finally:
        stop.set()


def _replace(file: Path, target: Path, progress: Progress, stop: threading.Event, force: bool) -> None:
    if target.exists():
        _expect_idle(file, target, force)
        with _alone():
            copy_file(file, target, progress, stop)
    else:
        try:
            copy_file(file, target, progress, stop)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    with contextlib.closing(sqlite3.connect(target, timeout=_PATIENCE, isolation_level=None)) as connection:
        connection.execute("pragma application_id = 0")


def _expect_idle(file: Path, target: Path, force: bool) -> None:
    """Raises OpsConsoleError where somebody has the target open, or it has content that nobody said to replace."""
    if file.samefile(target):
        raise OpsConsoleError(f"{file} is the database itself: name a backup")
    with contextlib.closing(sqlite3.connect(target, timeout=_PATIENCE, isolation_level=None)) as connection:
        with _alone():
            if connection.execute("pragma journal_mode = delete").fetchone()[0] != "delete":
                raise OpsConsoleError(_RUNNING)
        if not force and (table := _filled(connection)):
            raise OpsConsoleError(f"{target} has content already (in {table}): give --force to replace all of it")


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise
        raise OpsConsoleError(_RUNNING) from error


def _filled(connection: sqlite3.Connection) -> str | None:
    names = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table' order by name")]
    for name in names:
        quoted = name.replace('"', '""')
        if name != "alembic_version" and connection.execute(f'select 1 from "{quoted}" limit 1').fetchone():  # noqa: S608
            return str(name)
    return None


async def _into_postgresql(file: Path, db: Database, progress: Progress, *, force: bool) -> None:
    engine = sa.create_engine("sqlite://", creator=lambda: _reading(file), poolclass=sa.StaticPool)
    try:
        await _expect_alone(db)
        async with db.begin() as session:
            if not force and (table := await holds_rows(session)):
                raise OpsConsoleError(f"the database has content already (in {table}): give --force to replace all of it")
            epochs = await _epochs(session)
            names = ", ".join(table.name for table in metadata.sorted_tables)
            await session.execute(sa.text(f"truncate {names}"))
            with engine.connect() as reading:
                await copy_rows(SyncSource(reading), session, progress)
            await _count_on(session)
            await _supersede(session, epochs)
    finally:
        engine.dispose()


async def _expect_alone(db: Database) -> None:
    """Raises OpsConsoleError where another console has sessions; one that has just ended is given a moment to go."""
    others = sa.text(
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        " and application_name = :name"
    )
    for _ in range(_LOOKS):
        async with db.read() as session:
            if not (await session.execute(others, {"name": APPLICATION})).scalar_one():
                return
        await asyncio.sleep(_PATIENCE / _LOOKS)
    raise OpsConsoleError(_RUNNING)


async def _epochs(session: Session) -> dict[str, int]:
    """How often each part that only one console may write was taken over."""
    found = {}
    for name, column in _fences().items():
        found[name] = (await session.execute(sa.select(sa.func.max(column)))).scalar() or 0
    return found


async def _supersede(session: Session, epochs: dict[str, int]) -> None:
    """Whoever had taken the database over before writes no more."""
    for name, column in _fences().items():
        await session.execute(column.table.update().values(epoch=sa.func.greatest(column, epochs[name]) + 1))


def _fences() -> dict[str, sa.Column[Any]]:
    return {name: table.c.epoch for name, table in metadata.tables.items() if "epoch" in table.c}


async def _count_on(session: Session) -> None:
    """New rows get numbers after those that were restored."""
    for table in metadata.sorted_tables:
        if table.primary_key.columns.keys() != ["id"]:
            continue
        sequence = (await session.execute(sa.select(sa.func.pg_get_serial_sequence(table.name, "id")))).scalar()
        newest = (await session.execute(sa.select(sa.func.max(table.c.id)))).scalar()
        if sequence and newest is not None:
            await session.execute(sa.select(sa.func.setval(sequence, newest)))
