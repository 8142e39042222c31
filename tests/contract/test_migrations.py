"""The schema's revisions and `opsconsole migrate`, on SQLite and PostgreSQL."""

import asyncio
import sys
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from opsconsole.db import Database, incidents, outbox
from opsconsole.db.migrate import differences, migrate, unreferred
from opsconsole.model import Labels, OpsConsoleError
from tests.support.clock import NOON
from tests.support.commands import Done, opsconsole
from tests.support.postgres import free_port


def command(folder: Path, url: str) -> Done:
    (folder / "opsconsole.yaml").write_text(f"storage: {{url: '{url}'}}\n")
    return opsconsole("migrate", cwd=folder)


async def test_the_newest_revision_is_what_the_code_declares(database_url: str) -> None:
    db = Database(database_url)
    try:
        before, after = await migrate(db)
        assert before is None
        assert after
        assert await differences(db) == []
        assert await migrate(db) == (after, after)
    finally:
        await db.close()


async def test_a_table_that_is_missing_would_be_seen(database_url: str) -> None:
    db = Database(database_url)
    try:
        await migrate(db)
        async with db.begin() as session:
            await session.execute(sa.text("drop table settings"))
        assert len(await differences(db)) == 1
    finally:
        await db.close()


async def test_a_revision_that_copies_a_table_keeps_the_rows_that_refer_to_it(database_url: str) -> None:
    db = Database(database_url)

    def copied(connection: sa.Connection) -> None:
        with unreferred(connection):
            operations = Operations(MigrationContext.configure(connection))
            with operations.batch_alter_table(
                "incidents", recreate="auto" if connection.dialect.name == "postgresql" else "always"
            ):
                pass
            connection.commit()

    try:
        await migrate(db)
        async with db.begin() as session:
            incident = (await incidents.open_incident(session, Labels({}), "it broke", "high", NOON, "prod")).id
            await session.execute(
                sa.insert(outbox.threads).values(incident_id=incident, receiver="a", integration="b", reference={})
            )
        async with db.engine.connect() as connection:
            await connection.run_sync(copied)
        async with db.begin() as session:
            assert await outbox.thread(session, incident, "a", "b") == {}
            await session.execute(sa.delete(incidents.incidents))
            assert await outbox.thread(session, incident, "a", "b") is None  # references hold again
    finally:
        await db.close()


async def test_two_consoles_may_migrate_one_database_at_the_same_time(database_url: str) -> None:
    consoles = [Database(database_url) for _ in range(4)]
    try:
        done = await asyncio.gather(*(migrate(db) for db in consoles))
        assert len({after for _, after in done}) == 1
        assert [before for before, _ in done].count(None) == 1
        assert await differences(consoles[0]) == []
    finally:
        for db in consoles:
            await db.close()


def test_the_command_says_what_it_did_and_then_that_nothing_is_to_do(tmp_path: Path, database_url: str) -> None:
    first, second = command(tmp_path, database_url), command(tmp_path, database_url)
    assert (first.status, first.err, second.status, second.err) == (0, [], 0, [])
    assert first.out[0].startswith("schema empty → ")
    revision = first.out[0].removeprefix("schema empty → ")
    assert second.out == [f"schema {revision}: nothing to do"]


async def test_a_database_of_a_newer_console_is_left_alone(database_url: str) -> None:
    db = Database(database_url)
    try:
        await migrate(db)
        async with db.begin() as session:
            await session.execute(sa.text("update alembic_version set version_num = '9999'"))
        with pytest.raises(OpsConsoleError, match=r"revision 9999, which this console does not know: upgrade opsconsole"):
            await migrate(db)
        async with db.read() as session:
            assert (await session.execute(sa.text("select version_num from alembic_version"))).scalar() == "9999"
    finally:
        await db.close()


def test_the_command_tells_of_a_newer_database_in_a_line(tmp_path: Path, database_url: str) -> None:
    assert command(tmp_path, database_url).status == 0
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    engine.dispose()
    done = command(tmp_path, database_url)
    told = "the database is at revision 9999, which this console does not know: upgrade opsconsole"
    assert done == Done(1, [], [told])


def test_a_read_only_postgresql_is_told_in_a_line(tmp_path: Path, postgres_url: str) -> None:
    plain = postgres_url.replace("postgresql+psycopg:", "postgresql:")
    with psycopg.connect(plain, autocommit=True) as admin:
        admin.execute(f'alter database "{plain.rpartition("/")[2]}" set default_transaction_read_only = on')
    done = command(tmp_path, postgres_url)
    assert (done.status, done.out, len(done.err)) == (1, [], 1)
    assert done.err[0].startswith("the database cannot be used: ")
    assert "read-only" in done.err[0]


def test_a_full_disk_is_told_in_a_line(tmp_path: Path) -> None:
    """As the limit on a file's size shows it: root may write read-only files."""
    (tmp_path / "opsconsole.yaml").write_text("storage: {url: 'sqlite:///console.db'}\n")
    done = opsconsole("migrate", cwd=tmp_path, program=["prlimit", "--fsize=8192", sys.executable, "-m", "opsconsole"])
    assert (done.status, done.out, len(done.err)) == (1, [], 1), done.err
    assert done.err[0].startswith("the database cannot be used: ")


def test_what_is_no_database_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "text.db").write_text("not a database, but long enough to be read as one's head\n" * 20)
    for name in ("folder.db", "text.db", "absent/console.db"):
        done = command(tmp_path, f"sqlite:///{name}")
        assert (done.status, done.out, len(done.err)) == (1, [], 1), (name, done.err)
        assert done.err[0].startswith("the database cannot be used: "), name
        assert done.err[0].endswith(f"storage.url is sqlite:///{tmp_path / name}")


def test_a_postgresql_that_is_not_there_is_told_without_its_password(tmp_path: Path) -> None:
    done = command(tmp_path, f"postgresql://ops:a-secret-password@127.0.0.1:{free_port()}/ops")
    assert (done.status, done.out, len(done.err)) == (1, [], 1)
    assert done.err[0].startswith("the database cannot be used: ")
    assert "a-secret-password" not in done.err[0]
