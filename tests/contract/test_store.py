"""The metrics store on both databases: what is flushed survives, what is old is found, what is refused is counted."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from opsconsole.clock import millis
from opsconsole.db import Database
from opsconsole.db import series as table
from opsconsole.model import STALE_NAN_BITS, Appended, Labels, Matcher, MatchOp, QueryError, Sample
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings
from opsconsole.tsdb.store import Store
from tests.support.clock import NOON, FakeClock

FOREVER = 2**62


def named(name: str, **labels: str) -> list[Matcher]:
    return [Matcher("__name__", MatchOp.EQUAL, name), *(Matcher(k, MatchOp.EQUAL, v) for k, v in labels.items())]


class World:
    """A store, its clock, and its restarts."""

    def __init__(self, db: Database, **settings: Any) -> None:
        self.db, self.clock, self.telemetry = db, FakeClock(), Telemetry()
        self._settings = Settings(**settings)
        self.store = self._new()

    def _new(self) -> Store:
        return Store(self.db, self.clock, self.telemetry, self._settings)

    async def restart(self) -> Store:
        """As after `kill -9`: nothing is closed."""
        self.store = self._new()
        await self.store.open()
        return self.store

    def add(self, value: float, at: datetime | None = None, name: str = "m", **labels: str) -> None:
        self.store.append([Sample.of(name, value, at or self.clock.now(), labels)])

    async def flush(self) -> None:
        await self.store.flush(self.clock.now())

    async def run(self, minutes: int, each: Callable[[], None] = lambda: None, step: int = 1) -> None:
        """Minutes go by: `each`, a flush and the upkeep in every `step`."""
        for _ in range(0, minutes, step):
            self.clock.tick(60 * step)
            each()
            await self.flush()
            await self.store.maintain(self.clock.now())

    async def values(self, name: str = "m", start: int = 0, end: int = FOREVER, **labels: str) -> dict[Labels, list[float]]:
        return {
            s.labels.without("__name__"): s.values.tolist() for s in await self.store.select(named(name, **labels), start, end)
        }

    async def rows(self, of: sa.Table) -> int:
        async with self.db.read() as session:
            return int((await session.execute(sa.select(sa.func.count()).select_from(of))).scalar() or 0)

    def dropped(self, reason: str) -> float:
        return self.telemetry.registry.get_sample_value("opsconsole_store_dropped_samples_total", {"reason": reason}) or 0.0


@pytest.fixture
async def world(db: Database) -> World:
    made = World(db)
    await made.store.open()
    return made


async def test_samples_are_seen_at_once_and_survive_a_crash_once_flushed(world: World) -> None:
    world.add(1.0, pool="a")
    assert await world.values() == {Labels(pool="a"): [1.0]}
    await world.flush()
    world.clock.tick(15)
    world.add(2.0, pool="a")
    await world.restart()
    assert await world.values() == {Labels(pool="a"): [1.0]}


async def test_the_fast_path_and_the_plain_one_are_one_series(world: World) -> None:
    ref = world.store.ref("m", Labels(pool="a"))
    world.store.append_refs(millis(NOON), [ref], [1.0])
    world.clock.tick(15)
    world.add(2.0, pool="a")
    assert await world.values() == {Labels(pool="a"): [1.0, 2.0]}


async def test_a_day_of_samples_is_sealed_and_found_again_after_a_restart(world: World) -> None:
    sent = []

    def one() -> None:
        sent.append(float(len(sent)))
        world.add(sent[-1])

    await world.run(24 * 60, one, step=5)
    assert await world.values() == {Labels(): sent}
    await world.restart()
    assert await world.values() == {Labels(): sent}
    assert await world.rows(table.recent) <= 31
    assert await world.rows(table.blocks) <= 32


async def test_a_window_between_memory_and_database_has_no_gap_and_no_double(world: World) -> None:
    await world.run(200, lambda: world.add(world.clock.now().timestamp()))
    start, end = millis(NOON + timedelta(minutes=50)), millis(NOON + timedelta(minutes=190))
    assert await world.values(start=start, end=end) == {
        Labels(): [(NOON + timedelta(minutes=m)).timestamp() for m in range(50, 191)]
    }


async def test_late_samples_find_their_place_in_sealed_time(world: World) -> None:
    await world.run(180, lambda: world.add(1.0))
    world.add(5.0, NOON + timedelta(minutes=10, seconds=30))
    world.add(6.0, NOON - timedelta(days=20))
    await world.run(180, lambda: world.add(1.0))
    await world.restart()
    (series,) = await world.store.select(named("m"), 0, FOREVER)
    assert len(series.values) == 362
    assert (np.diff(series.timestamps) > 0).all()
    assert series.values[0] == 6.0
    assert series.values[11] == 5.0


async def test_the_staleness_marker_keeps_its_bits_through_seal_and_restart(world: World) -> None:
    ref = world.store.ref("m", Labels())
    world.store.end(millis(NOON), [ref])
    await world.run(40)
    await world.restart()
    (series,) = await world.store.select(named("m"), 0, FOREVER)
    assert series.values.view(np.uint64).tolist() == [STALE_NAN_BITS]


async def test_the_first_value_at_a_time_stays(world: World) -> None:
    for value in (1.0, 1.0, 2.0):
        world.add(value)
    await world.flush()
    world.add(3.0)
    assert await world.values() == {Labels(): [1.0]}
    assert world.dropped("conflict") == 2
    await world.restart()
    assert await world.values() == {Labels(): [1.0]}


async def test_retention_deletes_what_is_old(db: Database) -> None:
    world = World(db, retention=timedelta(hours=10))
    await world.store.open()
    world.add(0.0, name="gone")
    await world.run(20 * 60, lambda: world.add(1.0), step=10)
    assert len((await world.values())[Labels()]) == pytest.approx(60, abs=1)
    assert await world.values("gone") == {}
    assert await world.rows(table.blocks) <= 32
    assert await world.rows(table.series) == 1
    world.add(9.0, NOON)
    assert world.dropped("too_old") == 1


async def test_a_retention_of_fifty_years_takes_old_samples(db: Database) -> None:
    world = World(db, retention=timedelta(days=50 * 365))
    await world.store.open()
    at = datetime.fromisoformat("2000-08-01T00:00:00+00:00")
    for i in range(300):
        world.add(float(i), at + timedelta(seconds=10 * i))
    await world.run(8 * 60, step=15)
    await world.restart()
    assert await world.values() == {Labels(): [float(i) for i in range(300)]}


async def test_an_idle_series_leaves_memory_and_is_still_found(world: World) -> None:
    world.add(1.0, dag_id="old")
    await world.run(7 * 60, lambda: world.add(1.0, dag_id="new"), step=15)
    assert await world.store.label_values("dag_id") == ["new"]
    assert await world.values(dag_id="old") == {Labels(dag_id="old"): [1.0]}
    assert await world.store.label_values("dag_id", start_ms=millis(NOON)) == ["new", "old"]
    await world.restart()
    assert await world.store.label_values("dag_id") == ["new"]
    assert await world.values(dag_id="old") == {Labels(dag_id="old"): [1.0]}


async def test_churn_does_not_grow_memory(world: World) -> None:
    for day in range(12):
        for i in range(50):
            world.add(1.0, run=f"{day}-{i}")
        await world.run(4 * 60, step=15)
    assert len(await world.store.label_values("run")) <= 100
    assert len(await world.values()) == 600


async def test_a_ref_stays_good_when_its_series_was_let_go(world: World) -> None:
    ref = world.store.ref("m", Labels(dag_id="daily"))
    world.store.append_refs(millis(NOON), [ref], [1.0])
    await world.run(7 * 60, step=15)
    assert await world.store.label_values("dag_id") == []
    world.store.append_refs(millis(world.clock.now()), [ref], [2.0])
    await world.flush()
    assert await world.values() == {Labels(dag_id="daily"): [1.0, 2.0]}
    await world.restart()
    assert await world.values() == {Labels(dag_id="daily"): [1.0, 2.0]}


async def test_a_look_into_the_past_knows_no_series_that_began_later(world: World) -> None:
    """In memory, sealed, and after a restart."""
    world.add(1.0, deployment="early", dag_id="daily")
    world.clock.tick(600)
    then = millis(world.clock.now())
    world.clock.tick(600)
    world.add(2.0, deployment="late", task_id="load")
    world.clock.tick(60)
    early = Labels(__name__="m", deployment="early", dag_id="daily")
    late = Labels(__name__="m", deployment="late", task_id="load")
    for _ in range(3):
        for start in (-(2**62), 0):
            assert await world.store.labels(named("m"), start, then) == [early]
            assert await world.store.label_names((), start, then) == ["__name__", "dag_id", "deployment"]
            assert await world.store.label_values("deployment", (), start, then) == ["early"]
        assert await world.store.labels(named("m"), 0, then - 700_000) == []
        assert await world.store.labels(named("m"), then, then + 1000) == []
        assert await world.store.labels(named("m"), then, then + 600_000) == [late]
        assert set(await world.store.labels(named("m"), 0, then + 600_000)) == {early, late}
        await world.run(7 * 60, step=15)
        await world.restart()


async def test_a_series_that_lives_again_under_its_labels_is_one_series(world: World) -> None:
    world.add(1.0, dag_id="daily")
    await world.run(7 * 60, step=15)
    world.add(2.0, dag_id="daily")
    assert await world.values() == {Labels(dag_id="daily"): [1.0, 2.0]}
    assert await world.store.labels(named("m"), start_ms=0) == [Labels(__name__="m", dag_id="daily")]


async def test_a_deployment_with_too_many_series_is_refused_new_ones_only(db: Database) -> None:
    world = World(db, max_series_per_deployment=2)
    await world.store.open()
    for i in range(5):
        world.add(1.0, deployment="prod", i=str(i))
    world.add(1.0, deployment="other", i="0")
    world.clock.tick(15)
    world.add(2.0, deployment="prod", i="0")
    assert {labels["i"]: values for labels, values in (await world.values(deployment="prod")).items()} == {
        "0": [1.0, 2.0],
        "1": [1.0],
    }
    assert len(await world.values(deployment="other")) == 1
    assert world.dropped("series_limit") == 3
    refused = {"deployment": "prod", "metric": "m"}
    assert world.telemetry.registry.get_sample_value("opsconsole_store_refused_series_total", refused) == 3


async def test_a_crowded_deployment_is_told_with_the_metric_and_the_label_that_crowd_it(db: Database) -> None:
    world = World(db, max_series_per_deployment=10)
    await world.store.open()
    for i in range(12):
        world.add(1.0, name="runs", deployment="prod", run_id=f"manual_{i}", state=str(i % 2))
    told = "prod has as many series as it may (10), new ones are refused: runs has 10 of them, its label run_id 10 values"
    assert world.store.problem == told
    labels = {"deployment": "prod", "metric": "runs", "label": "run_id"}
    assert world.telemetry.registry.get_sample_value("opsconsole_store_largest_metric_series", labels) == 10
    world.clock.tick(601)
    assert world.store.healthy


async def test_a_retention_by_size_keeps_the_newest(db: Database) -> None:
    rng = np.random.default_rng(3)
    sizes = []
    for limit in (0, 30_000):
        async with db.begin() as session:
            for each in (table.series, table.recent, table.blocks, table.store_state, table.sealed_buckets):
                await session.execute(each.delete())
        world = World(db, retention_size=limit)
        await world.store.open()
        refs = [world.store.ref("m", Labels(i=str(i))) for i in range(20)]
        for _ in range(96):
            times = millis(world.clock.now()) + np.repeat(np.arange(30), 20) * 30_000
            world.store.append_refs(times, refs * 30, rng.random(600))
            await world.run(15, step=15)
        sizes.append(await stored_bytes(db))
        values = await world.values()
        assert all(len(of) == (2880 if not limit else pytest.approx(len(values[Labels(i="0")]))) for of in values.values())
        (newest,) = {series.timestamps[-1] for series in await world.store.select(named("m"), 0, FOREVER)}
        assert newest == millis(NOON) + 96 * 900_000 - 30_000
    assert sizes[0] > 300_000
    assert sizes[1] <= 30_000 + sizes[0] // 8


async def stored_bytes(db: Database) -> int:
    async with db.read() as session:
        return await table.bytes_of_blocks(session)


async def test_a_label_that_no_database_takes_as_text_is_kept(world: World) -> None:
    world.add(1.0, name="odd\x00name", dag_id="nul \x00, half \udcff, é, \U0001f600")
    await world.flush()
    assert world.store.healthy
    await world.restart()
    assert await world.values("odd\x00name") == {Labels(dag_id="nul \x00, half \udcff, é, \U0001f600"): [1.0]}
    await world.run(7 * 60, step=15)
    assert await world.values("odd\x00name") == {Labels(dag_id="nul \x00, half \udcff, é, \U0001f600"): [1.0]}


async def test_the_console_that_opened_last_writes_and_the_other_says_so(world: World) -> None:
    old = world.store
    world.add(1.0)
    await world.restart()
    await old.flush(world.clock.now())
    assert "another console has opened" in (old.problem or "")
    world.add(2.0)
    await world.flush()
    assert world.store.healthy
    await world.restart()
    assert await world.values() == {Labels(): [2.0]}


async def test_a_damaged_chunk_costs_only_itself(world: World) -> None:
    await world.run(40, lambda: world.add(1.0))
    async with world.db.begin() as session:
        await session.execute(table.blocks.update().values(data=b"\x01rubbish"))
        await session.execute(table.recent.insert().values(id=10_000, data=b"rubbish"))
    await world.restart()
    world.clock.tick(15)
    world.add(7.0)
    values = (await world.values())[Labels()]
    assert 1 <= len(values) <= 31
    assert values[-1] == 7.0
    counted = world.telemetry.registry.get_sample_value("opsconsole_store_damaged_rows_total")
    assert counted is not None
    assert counted >= 2
    await world.values()  # what is read again is not counted again
    assert world.telemetry.registry.get_sample_value("opsconsole_store_damaged_rows_total") == counted


async def test_a_bad_regular_expression_is_a_query_error(world: World) -> None:
    world.add(1.0, pool="a")
    with pytest.raises(QueryError, match="invalid regular expression"):
        await world.store.select([Matcher("pool", MatchOp.REGEX, "(")], 0, FOREVER)


async def test_the_number_of_queries_stays_flat_as_series_grow(world: World) -> None:
    asked = []
    for engine in {world.db._reading, world.db._writing}:
        sa.event.listen(engine.sync_engine, "before_cursor_execute", lambda *a: asked.append(a[2]))

    async def cost() -> int:
        asked.clear()
        await world.store.select(named("m"), 0, FOREVER)
        return len(asked)

    world.add(1.0)
    await world.run(180, step=10)
    few = await cost()
    for i in range(500):
        world.add(1.0, i=str(i))
    await world.run(180, step=10)
    assert await cost() == few


async def test_whoever_sends_samples_hears_what_became_of_them(db: Database) -> None:
    world = World(db, max_series_per_deployment=1, max_pending_samples=1000)
    await world.store.open()
    now, ref = millis(NOON), world.store.ref("m", Labels(deployment="prod"))
    other = world.store.ref("m", Labels(deployment="prod", i="2"))
    times = np.array([now, now, now + 1, now + 1, 0, now])
    outcome = world.store.append_refs(times, [ref, ref, ref, ref, ref, other], [1.0, 1.0, 2.0, 3.0, 1.0, 1.0])
    assert outcome == Appended(accepted=2, duplicates=1, conflicting=1, too_old=1, series_limit=1)
    assert outcome.refused == 3
    flood = world.store.append_refs(now + 10 + np.arange(1100), [ref] * 1100, [0.0] * 1100)
    assert (flood.accepted, flood.backlog) == (998, 102)


async def test_a_history_sent_again_is_known_and_other_values_are_in_conflict_where_only_the_database_has_it(
    db: Database,
) -> None:
    world = World(db)
    await world.store.open()
    old = millis(NOON - timedelta(days=3)) + 60_000 * np.arange(500)
    refs = np.array([world.store.ref("m", Labels(i=str(i))) for i in range(3)])
    first = await world.store.append_history(np.tile(old, 3), np.repeat(refs, 500), np.arange(1500.0))
    assert first == Appended(accepted=1500)
    await world.run(60, lambda: world.add(1.0, i="0"))
    await world.restart()
    refs = np.array([world.store.ref("m", Labels(i=str(i))) for i in range(3)])

    again = np.arange(1500.0)
    again[[3, 700]] += 0.5
    between = old + 30_000
    told = await world.store.append_history(
        np.concatenate([np.tile(old, 3), between]),
        np.concatenate([np.repeat(refs, 500), np.full(500, refs[1])]),
        np.append(again, old),
    )
    assert told == Appended(accepted=500, duplicates=1498, conflicting=2)
    assert world.dropped("conflict") == 2
    kept = await world.values(i="2")
    assert kept[Labels(i="2")] == np.arange(1000.0, 1500.0).tolist()
    assert (await world.values(i="0"))[Labels(i="0")][3] == 3.0
    assert len((await world.values(i="1"))[Labels(i="1")]) == 1000


async def test_late_samples_of_a_database_that_does_not_answer_are_taken_as_new(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(db)
    await world.store.open()
    old, ref = millis(NOON - timedelta(days=3)), world.store.ref("m", Labels())

    async def fails(*_: Any) -> None:
        raise sa.exc.OperationalError("select", {}, Exception("the database is gone"))

    monkeypatch.setattr(table, "spans_of", fails)
    told = await world.store.append_history(np.array([old]), [ref], [1.0])
    assert told == Appended(accepted=1)
    assert await world.values() == {Labels(): [1.0]}
