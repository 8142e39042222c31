"""Backup and restore, from each kind of database into each; what is refused leaves everything as it was."""

import asyncio
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from opsconsole.db import Database, accounts, metadata
from opsconsole.db.backup import write_backup
from opsconsole.db.migrate import differences, migrate, revisions
from opsconsole.db.restore import restore
from opsconsole.model import Labels, Matcher, MatchOp, OpsConsoleError, Sample
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings
from opsconsole.tsdb.store import Store
from tests.support import scene
from tests.support.airflow import eventually
from tests.support.clock import NOON, FakeClock
from tests.support.commands import inherited, opsconsole
from tests.support.console import ConsoleProcess

Rows = dict[str, list[tuple[Any, ...]]]


def quiet(done: int, total: int) -> None:
    """Nobody watches."""


async def store_of(db: Database, clock: FakeClock) -> Store:
    store = Store(db, clock, Telemetry(), Settings())
    await store.open()
    return store


async def filled(url: str) -> Database:
    """A database with something of everything: incidents, runs, heartbeats, an account, sealed and unsealed samples."""
    db, clock = Database(url), FakeClock(NOON - timedelta(minutes=50))
    await migrate(db)
    await scene.play(db, NOON)
    async with db.begin() as session:
        await accounts.add_user(session, "admin", "$argon2id$x", "admin", NOON)
    store = await store_of(db, clock)
    for minute in range(50):
        store.append([Sample.of("up", minute / 7, clock.now(), {"job": "ü", "n": str(n)}) for n in range(3)])
        await store.flush(clock.now())
        await store.maintain(clock.now())
        clock.tick(60)
    return db


async def content(db: Database) -> Rows:
    async with db.read() as session:
        found: Rows = {}
        for table in metadata.sorted_tables:
            columns = [column for column in table.columns if column.name != "epoch"]
            rows = await session.execute(sa.select(*columns).order_by(*table.primary_key.columns))
            found[table.name] = [tuple(row) for row in rows]
    return found


async def samples(db: Database) -> list[float]:
    store = await store_of(db, FakeClock())
    name = Matcher("__name__", MatchOp.EQUAL, "up")
    (found,) = [one for one in await store.select([name], 0, 2**62) if one.labels["n"] == "1"]
    assert found.labels == Labels({"__name__": "up", "job": "ü", "n": "1"})
    return found.values.tolist()


@pytest.fixture(params=["sqlite", "postgres"])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A second database, empty."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'other.db'}"
        return
    server, _, name = str(request.getfixturevalue("postgres_url")).rpartition("/")
    with psycopg.connect(f"{plain(server)}/postgres", autocommit=True) as admin:
        admin.execute(f'create database "{name}_other"')
        yield f"{server}/{name}_other"
        admin.execute(f'drop database "{name}_other" with (force)')


def plain(url: str) -> str:
    """The address as psycopg itself takes it."""
    return url.replace("postgresql+psycopg:", "postgresql:")


async def test_what_is_backed_up_is_restored_into_either_kind(database_url: str, other_url: str, tmp_path: Path) -> None:
    db, other, file = await filled(database_url), Database(other_url), tmp_path / "ops.backup"
    try:
        written = await write_backup(db, file, quiet)
        assert (written.revision, written.size) == (revisions()[0], file.stat().st_size)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith("ops.backup")] == ["ops.backup"]
        before = await content(db)
        assert len([name for name, rows in before.items() if rows]) > 12
        assert await restore(other, file, quiet, force=False) == written.revision
        assert await content(other) == before
        assert await differences(other) == []
        assert await samples(other) == [minute / 7 for minute in range(50)]
        async with other.begin() as session:  # new rows get numbers of their own
            await accounts.add_user(session, "second", "$argon2id$x", "viewer", NOON)
    finally:
        await db.close()
        await other.close()


async def test_a_database_with_content_is_replaced_only_by_force(database_url: str, tmp_path: Path) -> None:
    db, file = await filled(database_url), tmp_path / "ops.backup"
    await write_backup(db, file, quiet)
    before = await content(db)
    async with db.begin() as session:
        await accounts.add_user(session, "later", "$argon2id$x", "viewer", NOON)
    later = await content(db)
    await db.close()
    db = Database(database_url)
    try:
        with pytest.raises(OpsConsoleError, match=r"has content already \(in \w+\): give --force to replace all of it"):
            await restore(db, file, quiet, force=False)
        assert await content(db) == later
        await restore(db, file, quiet, force=True)
        assert await content(db) == before
    finally:
        await db.close()


async def test_a_store_that_was_open_before_the_restore_writes_no_more(postgres_url: str, tmp_path: Path) -> None:
    db, clock, file = await filled(postgres_url), FakeClock(), tmp_path / "ops.backup"
    old = await store_of(db, clock)
    await write_backup(db, file, quiet)
    other = Database(postgres_url)
    await db.engine.dispose()
    try:
        await restore(other, file, quiet, force=True)
        old.append([Sample.of("up", 1.0, NOON, {})])
        await old.flush(clock.now())
        assert old.problem
        assert "another console has opened this database's metrics store" in old.problem
    finally:
        await db.close()
        await other.close()


async def test_a_backup_holds_one_moment_though_others_write(database_url: str, tmp_path: Path) -> None:
    """Each row that is written belongs to a pair: a backup with one of them only would be torn."""
    db, file = await filled(database_url), tmp_path / "ops.backup"
    stop = asyncio.Event()

    async def writing() -> None:
        n = 0
        while not stop.is_set():
            async with db.begin() as session:
                for half in ("a", "b"):
                    await accounts.add_user(session, f"pair-{n}-{half}", "$argon2id$x", "viewer", NOON)
            n += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(writing())
    try:
        for _ in range(3):
            await write_backup(db, file, quiet)
            with closing(sqlite3.connect(file)) as backup:
                (halves,) = backup.execute("select count(*) from users where name like 'pair-%'").fetchone()
                assert backup.execute("pragma integrity_check").fetchone() == ("ok",)
            assert halves % 2 == 0
    finally:
        stop.set()
        await task
        await db.close()


async def test_a_backup_that_breaks_off_leaves_the_one_before(database_url: str, tmp_path: Path) -> None:
    db, file = await filled(database_url), tmp_path / "ops.backup"
    await write_backup(db, file, quiet)
    before = file.read_bytes()

    def full(done: int, total: int) -> None:
        raise OSError(28, "No space left on device")

    try:
        with pytest.raises(OpsConsoleError, match="No space left on device"):
            await write_backup(db, file, full)
    finally:
        await db.close()
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if "ops.backup" in path.name] == ["ops.backup"]


async def test_a_restore_that_breaks_off_leaves_what_was_there(database_url: str, tmp_path: Path) -> None:
    db, file = await filled(database_url), tmp_path / "ops.backup"
    await write_backup(db, file, quiet)
    before = await content(db)
    await db.close()
    db = Database(database_url)

    def broken(done: int, total: int) -> None:
        raise OSError(5, "Input/output error")

    try:
        with pytest.raises(OpsConsoleError, match="Input/output error"):
            await restore(db, file, broken, force=True)
        assert await content(db) == before
    finally:
        await db.close()


async def older(file: Path, revision: str) -> None:
    """Take a backup back to an older schema, or name one that nobody knows."""
    from alembic import command

    from opsconsole.db.migrate import _config

    if revision not in revisions():
        with closing(sqlite3.connect(file, isolation_level=None)) as backup:
            backup.execute("update alembic_version set version_num = ?", [revision])
        return
    db = Database(sa.URL.create("sqlite", database=str(file)))
    async with db.engine.begin() as connection:
        await connection.run_sync(lambda sync: command.downgrade(_config(sync), revision))
    await db.close()


async def test_an_older_backup_is_brought_up_to_date_and_a_newer_one_refused(database_url: str, tmp_path: Path) -> None:
    source, db, file = await filled(f"sqlite:///{tmp_path / 'source.db'}"), Database(database_url), tmp_path / "ops.backup"
    await write_backup(source, file, quiet)
    accounts_before = (await content(source))["users"]
    await source.close()
    try:
        await older(file, "0001")
        assert await restore(db, file, quiet, force=False) == "0001"
        assert await differences(db) == []
        assert (await content(db))["users"] == accounts_before
        with closing(sqlite3.connect(file)) as backup:
            assert backup.execute("select version_num from alembic_version").fetchone() == ("0001",)  # it stays as it was
        await older(file, "9999")
        with pytest.raises(OpsConsoleError, match="has the schema 9999, which this console does not know: upgrade opsconsole"):
            await restore(db, file, quiet, force=True)
        assert (await content(db))["users"] == accounts_before
    finally:
        await db.close()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda file: file.write_text("a letter, not a database"), "is no SQLite database"),
        (lambda file: file.write_bytes(b""), "is empty: it is no backup"),
        (lambda file: file.unlink(), "is not there"),
        (lambda file: file.write_bytes(file.read_bytes()[:20_480]), "is damaged"),
        (lambda file: file.write_bytes(file.read_bytes()[:40_960] + bytes(40_960) + file.read_bytes()[81_920:]), "is damaged"),
    ],
    ids=["foreign", "empty", "absent", "torn", "holed"],
)
async def test_what_is_no_whole_backup_is_refused(tmp_path: Path, damage: Any, told: str) -> None:
    db, file = await filled(f"sqlite:///{tmp_path / 'console.db'}"), tmp_path / "ops.backup"
    await write_backup(db, file, quiet)
    before = await content(db)
    await db.close()
    damage(file)
    db = Database(f"sqlite:///{tmp_path / 'console.db'}")
    try:
        with pytest.raises(OpsConsoleError, match=told):
            await restore(db, file, quiet, force=True)
        assert await content(db) == before
    finally:
        await db.close()


async def test_nothing_but_a_backup_is_written_over(tmp_path: Path) -> None:
    db = await filled(f"sqlite:///{tmp_path / 'console.db'}")
    letter, foreign = tmp_path / "opsconsole.yaml", tmp_path / "other.db"
    letter.write_text("server: {}\n")
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("create table dear (x)")
    try:
        for file, told in (
            (letter, "is there and is no backup of opsconsole's"),
            (foreign, "is there and is no backup of opsconsole's"),
            (tmp_path / "console.db", "is the database itself"),
            (tmp_path, "is a folder"),
            (tmp_path / "absent" / "ops.backup", "cannot be written"),
        ):
            with pytest.raises(OpsConsoleError, match=told):
                await write_backup(db, file, quiet)
    finally:
        await db.close()
    assert letter.read_text() == "server: {}\n"


def test_a_running_console_is_backed_up_and_keeps_its_database(tmp_path: Path) -> None:
    console = ConsoleProcess(tmp_path).start()
    try:
        done = opsconsole("backup", "ops.backup", cwd=tmp_path)
        assert (done.status, done.err) == (0, [])
        assert done.out[-1].startswith("ops.backup: ")
        refused = opsconsole("restore", "ops.backup", "--force", cwd=tmp_path)
        assert (refused.status, refused.out) == (1, [])
        assert refused.err == ["a console has this database open: stop it first"]
        assert console.ready()
    finally:
        console.stop()
    restored = opsconsole("restore", "ops.backup", "--force", cwd=tmp_path)
    assert (restored.status, restored.err) == (0, [])
    assert restored.out[-1].startswith("restored from ops.backup, whose schema was ")
    console.start()
    assert console.stop() == 0


async def test_postgresqls_running_console_is_left_alone(postgres_url: str, tmp_path: Path) -> None:
    db, other, file = await filled(postgres_url), Database(postgres_url), tmp_path / "ops.backup"
    await write_backup(db, file, quiet)
    try:
        with pytest.raises(OpsConsoleError, match="a console has this database open: stop it first"):
            await restore(other, file, quiet, force=True)
    finally:
        await db.close()
        await other.close()


def test_sigterm_breaks_a_backup_off_and_leaves_nothing_half(tmp_path: Path, postgres_url: str) -> None:
    """It waits for a table that somebody holds, so that the signal comes in the middle."""
    (tmp_path / "opsconsole.yaml").write_text(f"storage: {{url: '{postgres_url}'}}\n")
    assert opsconsole("migrate", cwd=tmp_path).status == 0
    with psycopg.connect(plain(postgres_url)) as holding:
        holding.execute("lock table chunks in access exclusive mode")
        process = subprocess.Popen(
            [sys.executable, "-m", "opsconsole", "backup", "ops.backup"],
            cwd=tmp_path,
            env=inherited(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        eventually("it waits for the table", lambda: _asked(postgres_url, waits) == 1)
        assert list(tmp_path.glob("*.partial"))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (1, "", "broken off: nothing was changed\n")
    assert not list(tmp_path.glob("ops.backup*"))


def _asked(url: str, query: str) -> Any:
    with psycopg.connect(plain(url)) as connection:
        row = connection.execute(query).fetchone()
        assert row
        return row[0]
