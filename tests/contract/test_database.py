"""The database rim on SQLite and PostgreSQL: transactions, group commit, time."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from opsconsole.clock import SystemClock
from opsconsole.db import Database, GroupWriter, Session
from opsconsole.db.accounts import settings, users
from opsconsole.loops import Loops
from opsconsole.telemetry import Telemetry


@pytest.fixture
async def writer(db: Database) -> AsyncIterator[GroupWriter]:
    group = GroupWriter(db)
    reader = asyncio.create_task(Loops(SystemClock(), Telemetry()).consume(group.queue, group.commit, name="writer"))
    yield group
    reader.cancel()


def setting(name: str, value: str = "x"):  # type: ignore[no-untyped-def]
    async def work(session: Session) -> str:
        await session.execute(settings.insert().values(name=name, value=value))
        return name

    return work


async def names(db: Database) -> set[str]:
    async with db.read() as session:
        return set((await session.execute(sa.select(settings.c.name))).scalars())


async def test_a_transaction_that_fails_leaves_nothing(db: Database) -> None:
    with pytest.raises(RuntimeError):
        async with db.begin() as session:
            await setting("a")(session)
            raise RuntimeError
    assert await names(db) == set()


async def test_a_grouped_write_is_committed_when_it_is_answered(db: Database, writer: GroupWriter) -> None:
    answers = await asyncio.gather(*(writer.submit(setting(f"k{n}")) for n in range(50)))
    assert set(answers) == await names(db) == {f"k{n}" for n in range(50)}


async def test_in_a_group_only_the_guilty_write_fails(db: Database, writer: GroupWriter) -> None:
    await writer.submit(setting("taken"))
    good, bad, fine = await asyncio.gather(
        writer.submit(setting("a")), writer.submit(setting("taken")), writer.submit(setting("b")), return_exceptions=True
    )
    assert (good, fine) == ("a", "b")
    assert isinstance(bad, sa.exc.IntegrityError)
    assert await names(db) == {"taken", "a", "b"}


async def test_readers_do_not_wait_for_a_writer(db: Database) -> None:
    async with db.begin() as session:
        await setting("a")(session)
        assert await asyncio.wait_for(names(db), 60) == set()
    assert await names(db) == {"a"}


async def test_writers_wait_for_one_another_and_lose_nothing(db: Database) -> None:
    async def write(number: int) -> None:
        async with db.begin() as session:
            await setting(f"k{number}")(session)

    await asyncio.gather(*(write(n) for n in range(20)))
    assert len(await names(db)) == 20


async def test_a_new_file_that_another_is_writing_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        db = Database(f"sqlite:///{path}")
        asking = asyncio.create_task(_one(db))
        await asyncio.wait([asking], timeout=0.5)
        assert not asking.done()
        other.execute("create table taken (id integer)")
        other.execute("commit")
    assert await asking == 1
    await db.close()


async def _one(db: Database) -> object:
    async with db.begin() as session:
        return (await session.execute(sa.text("select 1"))).scalar()


async def test_a_time_comes_back_to_the_microsecond(db: Database) -> None:
    moment = datetime(2026, 3, 29, 1, 59, 59, 999999, tzinfo=UTC)
    async with db.begin() as session:
        await session.execute(users.insert().values(name="a", password_hash="h", role="admin", created_at=moment))
        assert (await session.execute(sa.select(users.c.created_at))).scalar() == moment


async def test_work_that_is_cancelled_at_any_moment_leaves_no_transaction_behind(db: Database) -> None:
    written = asyncio.Event()

    async def write() -> None:
        async with db.begin() as session:
            for n in range(3):
                await setting(f"never {n}")(session)
            written.set()
            await asyncio.Event().wait()

    for turns in [*range(60), None]:
        written.clear()
        task = asyncio.create_task(write())
        if turns is None:
            await written.wait()
        for _ in range(turns or 0):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    async with db.begin() as session:
        await setting("after")(session)
    assert await names(db) == {"after"}
