"""What a start finds in a database that cannot be trusted: one line that names the thing and the mend."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from opsconsole.db import Database
from opsconsole.db.integrity import expect_sound, expect_whole
from opsconsole.db.migrate import migrate
from opsconsole.model import OpsConsoleError
from tests.contract.test_backup import filled, plain
from tests.support.clock import FakeClock
from tests.support.commands import opsconsole


async def sound(url: str) -> None:
    db = Database(url)
    try:
        await expect_sound(db, FakeClock())
    finally:
        await db.close()


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """A console's database, of some hundred pages."""
    db = await filled(f"sqlite:///{tmp_path / 'console.db'}")
    await db.close()
    return tmp_path / "console.db"


async def test_a_database_that_is_whole_new_or_not_there_is_sound(database_url: str, tmp_path: Path) -> None:
    await sound(database_url)
    db = await filled(database_url)
    await db.close()
    await sound(database_url)
    (tmp_path / "empty.db").touch()
    await sound(f"sqlite:///{tmp_path / 'empty.db'}")


async def test_a_torn_file_and_one_with_a_hole_are_told(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OpsConsoleError, match=r"console.db is damaged \(.+\): restore a backup with opsconsole restore"):
        await sound(f"sqlite:///{file}")
    middle = len(whole) // 8192 * 4096
    file.write_bytes(whole[:middle] + b"\xff" * 4096 + whole[middle + 4096 :])
    with pytest.raises(OpsConsoleError, match="is damaged"):
        await sound(f"sqlite:///{file}")


async def test_a_check_that_takes_too_long_is_left_and_the_console_starts(file: Path) -> None:
    looks: list[int] = []

    def enough() -> bool:
        looks.append(1)
        return True

    expect_whole(file, enough)
    assert looks


async def test_another_programs_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("create table bookmarks (url text)")
        connection.execute("create table alembic_version (version_num text)")
    before = file.read_bytes()
    with pytest.raises(OpsConsoleError, match=r"belongs to another program \(it has a table bookmarks\)"):
        await sound(f"sqlite:///{file}")
    assert file.read_bytes() == before


def test_a_start_and_a_migration_tell_a_damaged_database_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "opsconsole.yaml").write_text("storage: {url: 'sqlite:///console.db'}\nlisteners: {statsd: {listen: null}}\n")
    assert opsconsole("migrate", cwd=tmp_path).status == 0
    file = tmp_path / "console.db"
    file.write_bytes(file.read_bytes()[:20_480])
    for command in (["migrate"], ["serve", "--listen", "127.0.0.1:0"]):
        done = opsconsole(*command, cwd=tmp_path)
        assert (done.status, len(done.err)) == (1, 1), done
        assert done.err[0].startswith(f"{file} is damaged (")
        assert "opsconsole restore" in done.err[0]


@pytest.fixture
def role(postgres_url: str) -> Iterator[str]:
    """A role that may log in and nothing else."""
    name = f"{postgres_url.rpartition('/')[2]}_role"
    with psycopg.connect(plain(postgres_url), autocommit=True) as admin:
        admin.execute(f'create role "{name}" login')
        yield name
        admin.execute(f'drop owned by "{name}"')
        admin.execute(f'drop role "{name}"')


def as_role(url: str, role: str) -> str:
    return sa.make_url(url).set(username=role).render_as_string(hide_password=False)


async def test_a_role_that_may_make_no_tables_is_told_what_to_grant(postgres_url: str, role: str) -> None:
    with psycopg.connect(plain(postgres_url), autocommit=True) as admin:
        admin.execute("revoke create on schema public from public")
    told = f"the role {role} may not make tables: grant create on schema public to {role}"
    with pytest.raises(OpsConsoleError, match=told):
        await sound(as_role(postgres_url, role))


async def test_a_role_that_may_not_write_is_told_the_table(postgres_url: str, role: str) -> None:
    db = Database(postgres_url)
    await migrate(db)
    await db.close()
    with psycopg.connect(plain(postgres_url), autocommit=True) as admin:
        admin.execute(f'grant select, insert, update, delete on all tables in schema public to "{role}"')
        admin.execute(f'revoke delete on chunks from "{role}"')
    with pytest.raises(
        OpsConsoleError, match=f"the role {role} may not read and write the table chunks: grant all on all tables"
    ):
        await sound(as_role(postgres_url, role))


async def test_another_encoding_and_another_programs_tables_are_told(postgres_url: str) -> None:
    server, _, name = postgres_url.rpartition("/")
    with psycopg.connect(plain(postgres_url), autocommit=True) as admin:
        admin.execute(f"create database \"{name}_latin\" encoding 'LATIN1' locale 'C' template template0")
        try:
            with pytest.raises(OpsConsoleError, match="the database's encoding is LATIN1: make it anew"):
                await sound(f"{server}/{name}_latin")
        finally:
            admin.execute(f'drop database "{name}_latin" with (force)')
        admin.execute("create table alembic_version (version_num text)")
        admin.execute("create table dag_pickle (id int)")
    with pytest.raises(OpsConsoleError, match=r"belongs to another program \(it has a table dag_pickle\)"):
        await sound(postgres_url)
