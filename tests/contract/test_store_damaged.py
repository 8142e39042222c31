"""Bytes in the database that changed where they lie: only their own samples are missing, and it is told."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from opsconsole.db import Database
from opsconsole.db import series as table
from tests.contract.test_store import World

DEPLOYMENTS = ("a", "b")
"""They share no bundle."""


async def sealed(db: Database, minutes: int) -> World:
    """Series of two deployments, in blocks."""
    world, beats = World(db), iter(range(10**6))
    await world.store.open()

    def beat() -> None:
        value = float(next(beats))
        for deployment in DEPLOYMENTS:
            for i in range(5):
                world.add(value * (i + 0.5), deployment=deployment, i=str(i))

    await world.run(minutes, beat, step=5)
    return world


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


async def damage(db: Database, of: sa.Table, where: sa.ColumnElement[bool], bit: Callable[[int], int]) -> None:
    """Flip one bit in the rows."""
    async with db.begin() as session:
        rows = (await session.execute(sa.select(of.c.id, of.c.data).where(where))).all()
        for row in rows:
            data = flipped(row.data, bit(8 * len(row.data)))
            await session.execute(of.update().where(of.c.id == row.id).values(data=data))
    assert rows


def counted(world: World) -> float:
    return world.telemetry.registry.get_sample_value("opsconsole_store_damaged_rows_total") or 0.0


@pytest.mark.parametrize("where", [0.0, 0.3, 0.7, 1.0])
async def test_a_flipped_bit_in_a_block_costs_that_block_and_is_told(db: Database, where: float) -> None:
    world = await sealed(db, 180)
    whole = {name: await world.values(deployment=name) for name in DEPLOYMENTS}
    async with db.read() as session:
        first, bundle = (
            await session.execute(sa.select(table.blocks.c.id, table.blocks.c.bundle).order_by(table.blocks.c.id))
        ).first() or (0, 0)
    await damage(db, table.blocks, table.blocks.c.id == first, lambda bits: round(where * (bits - 1)))
    await world.restart()
    assert counted(world) == 0
    assert world.store.healthy

    found = {name: await world.values(deployment=name) for name in DEPLOYMENTS}
    await world.values()
    assert counted(world) == 1
    assert world.store.problem == "1 damaged row of the metrics store is left out; see the log"
    [hurt] = [name for name in DEPLOYMENTS if found[name] != whole[name]]
    for labels, values in found[hurt].items():
        assert 0 < len(values) < len(whole[hurt][labels])
        assert values == whole[hurt][labels][-len(values) :]

    world.clock.tick(601)
    assert world.store.healthy
    await world.run(36 * 60, step=30)
    assert await world.rows(table.blocks) > 0
    async with db.read() as session:
        kept = (await session.execute(sa.select(table.blocks.c.bundle).where(table.blocks.c.id == first))).scalar()
    assert kept == bundle, "what cannot be read is not thrown away by merging: another version may read it, or a person"


async def test_a_flipped_bit_in_a_flush_costs_that_flush_and_is_told_at_the_start(db: Database) -> None:
    world = World(db)
    await world.store.open()
    for value in (1.0, 2.0, 3.0):
        world.clock.tick(15)
        world.add(value)
        await world.flush()
    await damage(db, table.recent, table.recent.c.id == 2, lambda bits: bits // 2)
    await world.restart()
    assert counted(world) == 1
    assert "damaged row" in (world.store.problem or "")
    assert list((await world.values()).values()) == [[1.0, 3.0]]
    world.clock.tick(15)
    world.add(4.0)
    await world.run(60)
    await world.restart()
    assert list((await world.values()).values()) == [[1.0, 3.0, 4.0]]
