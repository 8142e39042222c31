"""What the first versions stored, one chunk a series and turns by series, is found again and goes on."""

from datetime import timedelta

import numpy as np
import sqlalchemy as sa
from alembic import command

from opsconsole.clock import millis
from opsconsole.db import Database
from opsconsole.db import series as table
from opsconsole.db.migrate import _config, migrate
from opsconsole.model import Labels
from opsconsole.tsdb.codec import Batch, pack
from tests.contract.test_store import FOREVER, World, named
from tests.support.chunks import encode
from tests.support.clock import NOON

MINUTE = 60_000
NOW = millis(NOON)


def _to(revision: str, connection: sa.Connection) -> None:
    command.upgrade(_config(connection), revision)


def minutes(*ago: int) -> np.ndarray:
    return np.array([NOW - each * MINUTE for each in ago], np.int64)


async def an_old_store(db: Database) -> None:
    """Two series: 1 sealed up to flush 1, 2 up to none; a third that ended a day ago. Flush 1 and 2 are there."""
    async with db.engine.connect() as connection:
        await connection.run_sync(lambda sync: _to("0003", sync))
        await connection.commit()
    rows = [(1, "a", None), (2, "b", None), (3, "gone", NOW - 24 * 60 * MINUTE)]
    sealed = [(1, minutes(200, 190)), (1, minutes(30, 20)), (3, minutes(24 * 60))]
    async with db.begin() as session:
        await session.execute(
            sa.text("insert into series (id, name, labels, created_at, ended_ms) values (:id, 'm', :labels, 0, :ended)"),
            [{"id": i, "labels": f'{{"__name__":"m","pool":"{pool}"}}', "ended": ended} for i, pool, ended in rows],
        )
        await session.execute(
            table.chunks.insert(),
            [
                {
                    "series_id": i,
                    "start_ms": int(times[0]),
                    "end_ms": int(times[-1]),
                    "samples": len(times),
                    "data": encode(times, times / 1000),
                }
                for i, times in sealed
            ],
        )
        for flush, times in ((1, minutes(30, 20)), (2, minutes(10, 5))):
            both = Batch(np.repeat([1, 2], 2), np.tile(times, 2), np.tile(times, 2) / 1000)
            await session.execute(table.recent.insert().values(id=flush, data=pack(both)))
        await session.execute(table.store_state.insert().values(id=1, epoch=4, flush=2))
        marks = [{"bucket": bucket, "flush": int(bucket == 1)} for bucket in range(30)]
        await session.execute(table.sealed_buckets.insert(), marks)


async def found(world: World) -> dict[str, list[int]]:
    told = await world.store.select(named("m"), 0, FOREVER)
    assert all((series.values == series.timestamps / 1000).all() for series in told)
    return {series.labels["pool"]: [(NOW - at) // MINUTE for at in series.timestamps.tolist()] for series in told}


async def test_an_older_store_is_found_whole_and_goes_on(database_url: str) -> None:
    db = Database(database_url)
    try:
        await an_old_store(db)
        await migrate(db)
        world = World(db)
        await world.store.open()
        before = {"a": [200, 190, 30, 20, 10, 5], "b": [30, 20, 10, 5], "gone": [24 * 60]}
        assert await found(world) == before
        await world.restart()
        assert await found(world) == before
        world.clock.tick(15)
        world.store.append_refs(NOW, [world.store.ref("m", Labels(pool="b"))], [NOW / 1000])
        await world.run(200, step=5)
        after = {**before, "b": [30, 20, 10, 5, 0]}
        assert await found(world) == after
        await world.restart()
        assert await found(world) == after
        assert await world.rows(table.recent) == 0
    finally:
        await db.close()


async def test_chunks_of_older_versions_expire(database_url: str) -> None:
    db = Database(database_url)
    try:
        await an_old_store(db)
        await migrate(db)
        world = World(db, retention=timedelta(hours=2))
        await world.store.open()
        await world.run(20, step=10)
        assert await world.rows(table.chunks) == 1
        await world.run(150, step=10)
        assert await world.rows(table.chunks) == 0
    finally:
        await db.close()
