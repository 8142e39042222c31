"""Mirroring an Airflow's runs and tries, on both databases."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from opsconsole.airflow import DagImportError, Page
from opsconsole.db import Database
from opsconsole.db.dags import import_errors, known_dags, owners_of
from opsconsole.db.runs import dag_runs
from opsconsole.db.tries import Try, failed_tries, task_tries
from opsconsole.db.watermarks import WATCHING, watermark
from opsconsole.history import Mirror, Pace, RunRetention, record_dags, record_import_errors
from opsconsole.model import CollectError, Dag, DagRun, TaskInstance
from tests.support.clock import NOON
from tests.support.mirrored import rows

LATER = NOON + timedelta(seconds=15)


def run(name: str = "r1", state: str = "running", dag: str = "orders", end: datetime | None = None) -> DagRun:
    return DagRun(dag, name, state, "scheduled", NOON, NOON, NOON, NOON, end)


def task(
    try_number: int = 1, state: str | None = "running", run_id: str = "r1", end: datetime | None = None, most: int = 3
) -> TaskInstance:
    return TaskInstance("orders", run_id, "load", -1, try_number, state, most, "PythonOperator", "p", "q", "h", NOON, NOON, end)


class PretendAirflow:
    """An Airflow whose state tests set; answers as the adapters do."""

    generation, version, skew = 3, "3.3.2", None

    def __init__(self) -> None:
        self.runs: list[DagRun] = []
        self.tasks: list[TaskInstance] = []
        self.told_tries: list[TaskInstance] = []
        self.lines: dict[int, str | Exception | None] = {}
        self.logs_read: list[int] = []
        self.dags: dict[str, Dag | Exception] = {}
        self.dags_asked: list[str] = []

    async def runs_changed(self, window: object, most: int) -> Page[DagRun]:
        return Page(self.runs, len(self.runs))

    async def tasks_changed(self, window: object, most: int) -> Page[TaskInstance]:
        return Page(self.tasks, len(self.tasks))

    async def open_runs(self, most: int) -> Page[DagRun]:
        found = [one for one in self.runs if one.state in ("queued", "running")]
        return Page(found, len(found))

    async def open_tasks(self, most: int) -> Page[TaskInstance]:
        found = [one for one in self.tasks if one.state in ("queued", "running", "scheduled", "deferred")]
        return Page(found[:most], len(found))

    async def count_runs(self, state: str) -> int:
        return 7

    async def count_tasks(self, state: str) -> int:
        return 7

    async def run(self, dag_id: str, run_id: str) -> DagRun | None:
        return next((one for one in self.runs if (one.dag_id, one.run_id) == (dag_id, run_id)), None)

    async def dag(self, dag_id: str) -> Dag | None:
        self.dags_asked.append(dag_id)
        found = self.dags.get(dag_id)
        if isinstance(found, Exception):
            raise found
        return found

    async def tries(self, newest: TaskInstance) -> list[TaskInstance]:
        return self.told_tries

    async def error_line(self, dag_id: str, run_id: str, task_id: str, map_index: int, try_number: int) -> str | None:
        self.logs_read.append(try_number)
        line = self.lines.get(try_number)
        if isinstance(line, Exception):
            raise line
        return line


@pytest.fixture
def airflow() -> PretendAirflow:
    return PretendAirflow()


async def poll(db: Database, airflow: PretendAirflow, now: datetime = NOON, pace: Pace | None = None):  # type: ignore[no-untyped-def]
    return await Mirror(db, "prod", pace).poll(airflow, now)  # type: ignore[arg-type]


async def tries(db: Database) -> list[sa.Row[Any]]:
    return await rows(db, task_tries)


async def failures(db: Database) -> list[Try]:
    async with db.read() as session:
        return await failed_tries(session, "prod", NOON - timedelta(hours=1))


async def test_open_runs_and_tasks_are_counted_by_state(db: Database, airflow: PretendAirflow) -> None:
    airflow.runs, airflow.tasks = [run(), run("r2", "queued")], [task()]
    polled = await poll(db, airflow)
    assert polled.runs == {"queued": 1, "running": 1}
    assert polled.tasks == {"queued": 0, "scheduled": 0, "running": 1, "deferred": 0}
    assert [one.run_id for one in await rows(db, dag_runs)] == ["r1", "r2"]


async def test_too_many_open_tasks_to_list_are_counted_by_asking(db: Database, airflow: PretendAirflow) -> None:
    airflow.tasks = [task(run_id=f"r{n}") for n in range(3)]
    assert (await poll(db, airflow, pace=Pace(open_items=2))).tasks["running"] == 7


async def test_a_run_that_ends_is_told_once_however_often_it_is_polled(db: Database, airflow: PretendAirflow) -> None:
    airflow.runs = [run()]
    assert (await poll(db, airflow)).finished == []
    airflow.runs = [run(state="failed", end=LATER)]
    assert [one.run_id for one in (await poll(db, airflow, LATER)).finished] == ["r1"]
    assert (await poll(db, airflow, LATER)).finished == []


async def test_a_run_that_is_cleared_and_ends_again_is_told_again(db: Database, airflow: PretendAirflow) -> None:
    for state, end in (("running", None), ("failed", LATER), ("running", None)):
        airflow.runs = [run(state=state, end=end)]
        await poll(db, airflow)
    airflow.runs = [run(state="success", end=LATER + timedelta(minutes=1))]
    assert len((await poll(db, airflow, LATER)).finished) == 1


async def test_what_ended_before_the_first_look_is_history(db: Database, airflow: PretendAirflow) -> None:
    airflow.runs = [run(state="failed", end=NOON - timedelta(hours=3))]
    assert (await poll(db, airflow)).finished == []
    async with db.read() as session:
        assert await watermark(session, "prod", WATCHING) == NOON
    assert [one.state for one in await rows(db, dag_runs)] == ["failed"]


async def owners(db: Database) -> dict[str, str]:
    async with db.read() as session:
        return await owners_of(session, "prod", ["orders", "other"])


async def test_a_dag_that_fails_before_it_is_listed_is_asked_for_once(db: Database, airflow: PretendAirflow) -> None:
    airflow.runs, airflow.tasks = [run()], [task(state="failed", end=NOON)]
    airflow.dags["orders"] = Dag("orders", ("finance",), (), "@daily", False, "/dags/orders.py", False, None)
    airflow.lines[1] = CollectError("log server: 503")  # so that the failure stays to be looked at
    mirror = Mirror(db, "prod")
    for at in (NOON, LATER):
        await mirror.poll(airflow, at)  # type: ignore[arg-type]
    assert await owners(db) == {"orders": "finance"}
    assert airflow.dags_asked == ["orders"]


async def test_a_run_that_fails_without_a_task_names_its_owner_too(db: Database, airflow: PretendAirflow) -> None:
    airflow.runs = [run(state="failed", end=NOON)]
    airflow.dags["orders"] = Dag("orders", ("finance",), (), "", False, "", False, None)
    await poll(db, airflow)
    assert await owners(db) == {"orders": "finance"}


async def test_a_dag_that_is_listed_or_does_not_fail_is_not_asked_for(db: Database, airflow: PretendAirflow) -> None:
    async with db.begin() as session:
        await record_dags(session, "prod", [Dag("orders", ("data",), (), "", False, "", False, None)], NOON)
    airflow.runs, airflow.tasks = [run(), run("r2", dag="other")], [task(state="failed", end=NOON)]
    await poll(db, airflow)
    assert (airflow.dags_asked, await owners(db)) == ([], {"orders": "data"})


async def test_a_dag_that_airflow_will_not_show_holds_nothing_up(db: Database, airflow: PretendAirflow) -> None:
    airflow.runs, airflow.tasks = [run()], [task(state="failed", end=NOON)]
    airflow.dags["orders"], airflow.lines[1] = CollectError("403"), "KeyError: 'id'"
    await poll(db, airflow)
    assert [one.error_line for one in await failures(db)] == ["KeyError: 'id'"]


async def test_a_run_deleted_in_airflow_is_forgotten(db: Database, airflow: PretendAirflow) -> None:
    airflow.runs, airflow.tasks = [run()], [task()]
    await poll(db, airflow)
    airflow.runs, airflow.tasks = [], []
    await poll(db, airflow, LATER)
    assert await rows(db, dag_runs) == []
    assert await tries(db) == []


async def test_the_tries_before_the_newest_are_fetched_and_were_retried(db: Database, airflow: PretendAirflow) -> None:
    airflow.runs, airflow.tasks = [run()], [task()]
    await poll(db, airflow)
    airflow.tasks = [task(2)]
    airflow.told_tries = [task(1, "failed", end=LATER), task(2)]
    await poll(db, airflow, LATER)
    assert [(one.try_number, one.state) for one in await tries(db)] == [(1, "up_for_retry"), (2, "running")]


async def test_where_airflow_does_not_tell_earlier_tries_they_are_closed(db: Database, airflow: PretendAirflow) -> None:
    airflow.tasks = [task()]
    await poll(db, airflow)
    airflow.tasks = [task(2)]
    await poll(db, airflow, LATER)
    assert [(one.try_number, one.state) for one in await tries(db)] == [(1, "up_for_retry"), (2, "running")]


async def test_clearing_a_failed_task_leaves_its_failed_try_as_it_was(db: Database, airflow: PretendAirflow) -> None:
    airflow.tasks = [task(3, "failed", end=NOON)]
    airflow.told_tries = [task(n, "failed", end=NOON) for n in (1, 2, 3)]
    await poll(db, airflow)
    airflow.tasks = [task(3, None, most=6)]
    await poll(db, airflow, LATER)
    assert [(one.try_number, one.state) for one in await tries(db)] == [(1, "up_for_retry"), (2, "up_for_retry"), (3, "failed")]


async def test_a_failure_for_good_stands_until_a_later_try_has_ended(db: Database, airflow: PretendAirflow) -> None:
    airflow.runs, airflow.tasks = [run()], [task(3, "failed", end=NOON)]
    await poll(db, airflow)
    assert [(one.key, one.try_number, one.max_tries, one.end_at) for one in await failures(db)] == [
        (("orders", "r1", "load", -1), 3, 3, NOON)
    ]
    airflow.tasks = [task(4, "running", most=6)]
    await poll(db, airflow, LATER)
    assert [one.try_number for one in await failures(db)] == [3]
    airflow.tasks = [task(4, "success", most=6, end=LATER)]
    await poll(db, airflow, LATER)
    assert await failures(db) == []


async def test_the_error_line_of_a_failed_try_is_read_once(db: Database, airflow: PretendAirflow) -> None:
    airflow.tasks, airflow.lines = [task(1, "failed", end=NOON)], {1: "RuntimeError: no"}
    await poll(db, airflow)
    await poll(db, airflow, LATER)
    assert airflow.logs_read == [1]
    assert (await tries(db))[0].error_line == "RuntimeError: no"


async def test_a_log_without_an_error_is_read_again_for_a_while(db: Database, airflow: PretendAirflow) -> None:
    airflow.tasks = [task(1, "failed", end=NOON)]
    for seconds in (0, 15, 61, 90):
        await poll(db, airflow, NOON + timedelta(seconds=seconds))
    assert airflow.logs_read == [1, 1, 1]
    assert (await tries(db))[0].log_read_at == NOON + timedelta(seconds=61)


async def test_a_log_that_cannot_be_read_stops_no_poll_and_is_given_up(db: Database, airflow: PretendAirflow) -> None:
    airflow.tasks, airflow.lines = [task(1, "failed", end=NOON)], {1: CollectError("403")}
    for minutes in (0, 1, 6, 7):
        await poll(db, airflow, NOON + timedelta(minutes=minutes))
    assert len(airflow.logs_read) == 3


async def test_what_has_not_changed_is_not_written_again(db: Database, airflow: PretendAirflow) -> None:
    airflow.runs, airflow.tasks = [run()], [task()]
    await poll(db, airflow)
    await poll(db, airflow, LATER)
    assert [one.seen_at for one in await rows(db, dag_runs)] == [NOON]


async def test_old_runs_are_forgotten_with_their_tries(db: Database, airflow: PretendAirflow) -> None:
    airflow.runs = [run(state="success", end=NOON), run("r2", "success", end=NOON + timedelta(days=9))]
    airflow.tasks = [task(1, "success", end=NOON)]
    await poll(db, airflow)
    await RunRetention(db, timedelta(days=7)).step(NOON + timedelta(days=10))
    assert [one.run_id for one in await rows(db, dag_runs)] == ["r2"]
    assert await tries(db) == []


async def test_an_import_error_keeps_the_time_it_was_first_seen(db: Database) -> None:
    broken = DagImportError("broken.py", "dags-folder", "Traceback", NOON)
    async with db.begin() as session:
        await record_import_errors(session, "prod", [broken], NOON)
        again = await record_import_errors(session, "prod", [replace(broken, stack_trace="other")], LATER)
        assert again == {"broken.py": NOON}
        assert await record_import_errors(session, "prod", [], LATER) == {}
        assert (await session.execute(sa.select(sa.func.count()).select_from(import_errors))).scalar() == 0


async def test_the_same_file_name_in_two_bundles_is_two_errors(db: Database) -> None:
    errors = [DagImportError("a.py", "dags-folder", "x", None), DagImportError("a.py", "team", "x", None)]
    async with db.begin() as session:
        assert set(await record_import_errors(session, "prod", errors, NOON)) == {"a.py", "team:a.py"}


def dag(dag_id: str, owners: tuple[str, ...] = (), paused: bool = False) -> Dag:
    return Dag(dag_id, owners, ("t",), "@daily", paused, "/d.py", False, NOON)


async def test_the_recorded_dags_are_the_listed_ones(db: Database) -> None:
    async with db.begin() as session:
        await record_dags(session, "prod", [dag("a"), dag("b")], NOON)
        await record_dags(session, "other", [dag("a")], NOON)
        await record_dags(session, "prod", [dag("b", paused=True)], LATER)
        assert await known_dags(session, "prod") == [dag("b", paused=True)]
        assert await known_dags(session, "other") == [dag("a")]


async def test_thousands_of_runs_are_recorded_in_one_poll(db: Database, airflow: PretendAirflow) -> None:
    airflow.runs = [run(f"r{n}", "success", end=NOON) for n in range(2500)]
    assert len((await poll(db, airflow)).finished) == 2500
