"""The metrics store while its database will not: read-only, locked, gone, and back."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa

from opsconsole.clock import millis
from opsconsole.db import Database, metadata
from opsconsole.db import series as table
from opsconsole.model import Labels, QueryError
from tests.contract.test_store import World, named
from tests.support.databases import opened


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    return tmp_path / "console.db"


@pytest.fixture
async def world(file: Path) -> AsyncIterator[World]:
    async with opened(f"sqlite:///{file}") as db:
        made = World(db, max_pending_samples=1000)
        await made.store.open()
        yield made


async def refuse_writes(db: Database, on: bool) -> None:
    await pragma(db, f"query_only={'ON' if on else 'OFF'}")


async def pragma(db: Database, text: str) -> Any:
    """Set on the one connection that writes, outside of any transaction."""
    async with db.engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        cursor = await raw.execute(f"PRAGMA {text}")
        row = await cursor.fetchone()
        return row[0] if row else None


async def test_a_read_only_database_makes_samples_wait_and_says_so(world: World) -> None:
    await refuse_writes(world.db, True)
    world.add(1.0)
    await world.flush()
    assert "cannot write: attempt to write a readonly database (1 samples wait, 999 more may)" in (world.store.problem or "")
    assert await world.values() == {Labels(): [1.0]}
    await refuse_writes(world.db, False)
    await world.flush()
    assert world.store.problem is None
    await world.restart()
    assert await world.values() == {Labels(): [1.0]}


async def test_a_full_disk_is_told_and_overcome(world: World) -> None:
    await pragma(world.db, f"max_page_count={await pragma(world.db, 'page_count')}")
    for i in range(900):
        world.add(float(i), i=str(i))
    await world.flush()
    assert "database or disk is full" in (world.store.problem or "")
    await pragma(world.db, "max_page_count=1000000")
    await world.flush()
    assert world.store.healthy
    await world.restart()
    assert len(await world.values()) == 900


async def test_what_waits_is_bounded_and_what_is_refused_is_counted(world: World) -> None:
    await refuse_writes(world.db, True)
    for i in range(1500):
        world.add(1.0, i=str(i % 10))
        world.clock.tick(1)
        if i % 100 == 0:
            await world.flush()
    assert world.dropped("backlog") == 500
    await refuse_writes(world.db, False)
    await world.flush()
    world.add(2.0, i="0")
    await world.restart()
    assert sum(map(len, (await world.values()).values())) == 1000


async def test_upkeep_that_fails_loses_nothing(world: World) -> None:
    await world.run(90, lambda: world.add(1.0))
    await refuse_writes(world.db, True)
    await world.run(90, lambda: world.add(1.0))
    assert not world.store.healthy
    assert len((await world.values())[Labels()]) == 180
    await refuse_writes(world.db, False)
    await world.run(90, lambda: world.add(1.0))
    await world.restart()
    assert len((await world.values())[Labels()]) == 270


async def test_a_locked_database_is_written_once_it_is_free(world: World, file: Path) -> None:
    await pragma(world.db, "busy_timeout=10")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    world.add(1.0)
    await world.flush()
    assert "database is locked" in (world.store.problem or "")
    other.execute("ROLLBACK")
    other.close()
    await world.flush()
    assert world.store.healthy
    await world.restart()
    assert await world.values() == {Labels(): [1.0]}


async def test_postgres_connections_that_die_are_replaced(postgres_url: str) -> None:
    async with opened(postgres_url) as db:
        world = World(db)
        await world.store.open()
        world.add(1.0)
        await world.flush()
        name = sa.make_url(postgres_url).database
        with psycopg.connect(postgres_url.replace("+psycopg", "").rsplit("/", 1)[0] + "/postgres", autocommit=True) as admin:
            # Waits until they have ended: told only, they might answer once more.
            ended = admin.execute("select pg_terminate_backend(pid, 60000) from pg_stat_activity where datname = %s", [name])
            assert set(ended.fetchall()) == {(True,)}
        world.clock.tick(1)
        world.add(2.0)
        await world.flush()
        await world.flush()
        assert world.store.healthy
        await world.restart()
        assert await world.values() == {Labels(): [1.0, 2.0]}


async def test_a_flush_that_hangs_is_a_problem_too(world: World) -> None:
    world.add(1.0)
    async with world.db.begin():
        hanging = asyncio.create_task(world.flush())
        await asyncio.sleep(0.01)
        world.clock.tick(timedelta(seconds=20).total_seconds())
        assert "have waited for the database since 12:00:00 UTC" in (world.store.problem or "")
    await hanging
    assert world.store.healthy


async def test_a_query_of_old_samples_without_a_database_is_a_query_error(file: Path) -> None:
    async with opened(f"sqlite:///{file}") as db:
        world = World(db)
        await world.store.open()
        await world.run(180, lambda: world.add(1.0))
        async with db.begin() as session:
            await session.run_sync(metadata.drop_all)
        with pytest.raises(QueryError, match="cannot read its database: no such table"):
            await world.store.select(named("m"), 0, 2**62)


async def test_a_file_shrinks_when_what_is_old_is_gone(file: Path) -> None:
    async with opened(f"sqlite:///{file}") as db:
        world = World(db, retention=timedelta(hours=6))
        await world.store.open()
        refs = [world.store.ref("m", Labels(i=str(i))) for i in range(100)]
        rng = np.random.default_rng(4)
        for _ in range(20):
            times = millis(world.clock.now()) + np.repeat(np.arange(60), 100) * 5_000
            world.store.append_refs(times, refs * 60, rng.random(6000))
            await world.run(5, step=5)
        largest = await pragma(db, "page_count")
        await world.run(9 * 60, step=15)
        assert await world.rows(table.blocks) == 0
        assert await pragma(db, "page_count") < largest / 2
