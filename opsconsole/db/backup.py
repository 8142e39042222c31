"""A backup is one SQLite file with the console's own schema and everything in it, whichever database it was taken from.

It is written beside its place and takes it when it is whole, so that a broken-off backup leaves the one before as it was.
"""

import asyncio
import contextlib
import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from opsconsole.db.copying import Progress, copy_rows
from opsconsole.db.database import Database
from opsconsole.db.integrity import expect_whole
from opsconsole.db.migrate import expect_newest, migrate, usable
from opsconsole.model import OpsConsoleError

MARK = 0x6F707362
"""The `application_id` of a backup: only such a file is written over."""
_PAGES = 1000
_SIDES = ("-wal", "-shm", "-journal")


class Written(NamedTuple):
    """A backup's schema and size in bytes."""

    revision: str
    size: int


async def write_backup(db: Database, file: Path, progress: Progress) -> Written:
    """Write everything that is committed now into `file`, readable by its owner alone. The console may go on meanwhile.

    Raises OpsConsoleError where the database is not there, `file` cannot be written, or is something else than a backup.
    """
    revision = await expect_newest(db)
    _expect_replaceable(db, file)
    try:
        with _partial(file) as partial:
            if db.is_sqlite:
                await _copied(Path(str(db.engine.url.database)), partial, progress)
            else:
                await _dumped(db, partial, progress)
            await asyncio.to_thread(_finish, partial)
            size = partial.stat().st_size
            partial.replace(file)
        _sync_folder(file.parent)
    except (OSError, sqlite3.Error) as error:
        raise OpsConsoleError(f"{file} cannot be written: {error}") from error
    return Written(revision, size)


def is_backup(file: Path) -> bool:
    """Whether the file says of itself that it is one."""
    with file.open("rb") as opened:
        head = opened.read(72)
    return head.startswith(b"SQLite format 3\0") and int.from_bytes(head[68:72]) == MARK


def _expect_replaceable(db: Database, file: Path) -> None:
    if file.is_dir():
        raise OpsConsoleError(f"{file} is a folder: name a file in it")
    if not file.exists():
        return
    if db.is_sqlite and db.engine.url.database and file.samefile(db.engine.url.database):
        raise OpsConsoleError(f"{file} is the database itself: name another file")
    try:
        replaceable = not file.stat().st_size or is_backup(file)
    except OSError as error:
        raise OpsConsoleError(f"{file} cannot be read: {error.strerror}") from error
    if not replaceable:
        raise OpsConsoleError(f"{file} is there and is no backup of opsconsole's: name another file, or remove it")


@contextlib.contextmanager
def _partial(file: Path) -> Iterator[Path]:
    """A new file beside its place, for its owner alone; gone at the end unless it was moved."""
    handle, name = tempfile.mkstemp(prefix=f"{file.name}.", suffix=".partial", dir=file.parent)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        for side in ("", *_SIDES):
            Path(name + side).unlink(missing_ok=True)


async def _copied(source: Path, partial: Path, progress: Progress) -> None:
    stop = threading.Event()
    try:
        await asyncio.to_thread(copy_file, source, partial, progress, stop)
    finally:
        stop.set()


def copy_file(source: Path, target: Path, progress: Progress, stop: threading.Event) -> None:
    """An SQLite database's state of this moment, in pieces: the open transaction holds it still while others write."""

    def told(_: int, remaining: int, total: int) -> None:
        if stop.is_set():
            raise InterruptedError("broken off")
        progress(total - remaining, total)

    with (
        contextlib.closing(sqlite3.connect(source, timeout=10, isolation_level=None)) as reading,
        contextlib.closing(sqlite3.connect(target, timeout=10, isolation_level=None)) as writing,
    ):
        reading.execute("begin")
        reading.execute("select count(*) from sqlite_master").fetchone()
        reading.backup(writing, pages=_PAGES, progress=told)


async def _dumped(db: Database, partial: Path, progress: Progress) -> None:
    target = Database(sa.URL.create("sqlite", database=str(partial)))
    try:
        await migrate(target)
        with usable(db):
            async with db.snapshot() as source, target.begin() as sink:
                await copy_rows(source, sink, progress)
    finally:
        await target.close()


def _finish(partial: Path) -> None:
    """One file, marked, whole, and on the disk."""
    with contextlib.closing(sqlite3.connect(partial, timeout=10, isolation_level=None)) as connection:
        connection.execute("pragma journal_mode = delete").fetchone()
        connection.execute(f"pragma application_id = {MARK}")
    expect_whole(partial)
    with partial.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """A name is on the disk once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
