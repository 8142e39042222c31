"""What both versions of Airflow really answered, as the console's nouns."""

from datetime import UTC, datetime

import pytest

from opsconsole.airflow import ComponentHealth, Job, Pool
from opsconsole.airflow.rest import task_instance
from opsconsole.model import Dag, DagRun
from tests.support.airflow_api import CannedAirflow, ok, recorded, recorded_health

BOTH = pytest.mark.parametrize("generation", [2, 3])
WINDOW = (datetime(2026, 11, 20, 7, tzinfo=UTC), None)


def at(hour: int, minute: int, second: int = 0, micro: int = 0) -> datetime:
    return datetime(2026, 11, 20, hour, minute, second, micro, UTC)


@BOTH
async def test_the_generation_and_version_are_found_by_asking(generation: int) -> None:
    airflow = await CannedAirflow(generation).connected()
    assert (airflow.generation, airflow.version) == (generation, {2: "2.11.2", 3: "3.3.2"}[generation])


@BOTH
async def test_pools(generation: int) -> None:
    airflow = await CannedAirflow(generation, {"/pools": ok(recorded(generation, "pools"))}).connected()
    assert await airflow.pools() == [
        Pool("default_pool", slots=128, open=126, queued=0, running=2, deferred=0, scheduled=0),
        Pool("tiny", slots=1, open=0, queued=0, running=1, deferred=0, scheduled=6),
    ]


@BOTH
async def test_import_errors(generation: int) -> None:
    airflow = await CannedAirflow(generation, {"/importErrors": ok(recorded(generation, "importerrors"))}).connected()
    (error,) = await airflow.import_errors()
    assert (error.file, error.bundle) == (
        ("/opt/airflow/dags/broken.py", "") if generation == 2 else ("broken.py", "dags-folder")
    )
    assert error.key == error.file
    assert error.stack_trace.rstrip().endswith("No module named 'module_that_does_not_exist'")


@BOTH
async def test_dags(generation: int) -> None:
    body = recorded(generation, "dags")
    airflow = await CannedAirflow(generation, {"/dags": ok({**body, "total_entries": len(body["dags"])})}).connected()
    canary = (await airflow.dags())[0]
    assert canary == Dag(
        dag_id="canary",
        owners=("airflow",),
        tags=("canary",),
        schedule="* * * * *",
        paused=False,
        file="/opt/airflow/dags/lab.py",
        import_errors=False,
        next_run_due_at=at(7, 25),
    )


async def test_a_run_of_2x_is_due_at_the_end_of_its_interval() -> None:
    body = {**recorded(2, "dagruns"), "total_entries": 2}
    airflow = await CannedAirflow(2, {"/dags/~/dagRuns": ok(body)}).connected()
    page = await airflow.runs_changed(WINDOW, 100)
    assert page.items[0] == DagRun(
        dag_id="canary",
        run_id="scheduled__2026-11-20T07:23:00+00:00",
        state="success",
        run_type="scheduled",
        logical_date=at(7, 23),
        due_at=at(7, 24),
        queued_at=None,
        start_at=at(7, 24, 0, 778866),
        end_at=at(7, 24, 4, 744937),
    )
    assert page.items[1].end_at is None


async def test_a_run_of_3x_is_due_at_run_after() -> None:
    body = {**recorded(3, "dagruns-batch"), "total_entries": 2}
    airflow = await CannedAirflow(3, {"/dags/~/dagRuns": ok(body)}).connected()
    page = await airflow.runs_changed(WINDOW, 100)
    assert page.items[0] == DagRun(
        dag_id="canary",
        run_id="scheduled__2026-11-20T07:24:00+00:00",
        state="success",
        run_type="scheduled",
        logical_date=at(7, 24),
        due_at=at(7, 24),
        queued_at=at(7, 24, 0, 636524),
        start_at=at(7, 24, 0, 657934),
        end_at=at(7, 24, 3, 755229),
    )


@BOTH
@pytest.mark.parametrize("name", ["taskinstances", "taskinstances-batch", "ti-of-run", "ti-tries"])
def test_every_recorded_task_instance_is_understood(generation: int, name: str) -> None:
    items = recorded(generation, name)["task_instances"]
    assert items
    for item in items:
        task = task_instance(item)
        assert (task.dag_id, task.task_id, task.state) == (item["dag_id"], item["task_id"], item["state"])
        assert task.max_tries == item["max_tries"] + 1


@BOTH
async def test_one_dag_is_asked_for_by_name(generation: int) -> None:
    body = recorded(generation, "dag-details")
    airflow = await CannedAirflow(generation, {"/dags/ok_dag": ok(body)}).connected()
    dag = await airflow.dag("ok_dag")
    assert dag is not None
    assert (dag.dag_id, dag.owners) == ("ok_dag", tuple(body["owners"]))
    assert await airflow.dag("gone") is None


@BOTH
async def test_the_tries_of_a_task_are_told_oldest_first(generation: int) -> None:
    body = recorded(generation, "ti-tries")
    task = task_instance(body["task_instances"][-1])
    path = f"/dags/fail_dag/dagRuns/{task.run_id.replace(':', '%3A').replace('+', '%2B')}/taskInstances/boom/tries"
    airflow = await CannedAirflow(generation, {path: ok(body)}).connected()
    tries = await airflow.tries(task)
    assert [(one.try_number, one.max_tries, one.state) for one in tries] == [(1, 3, "failed"), (2, 3, "failed"), (3, 3, "failed")]


@pytest.mark.parametrize(
    ("generation", "name", "expected"),
    [
        (2, "task-log", None),  # cut before its error
        (2, "task-log-whole", "RuntimeError: intentional failure password=***"),
        (3, "task-log", "RuntimeError: intentional failure"),
    ],
)
async def test_the_last_error_line_of_a_task_log(generation: int, name: str, expected: str | None) -> None:
    path = "/dags/fail_dag/dagRuns/r%2F1/taskInstances/boom/logs/1"
    airflow = await CannedAirflow(generation, {path: ok(recorded(generation, name))}).connected()
    assert await airflow.error_line("fail_dag", "r/1", "boom", -1, 1) == expected


async def test_3x_tells_its_daemons_and_2x_none() -> None:
    airflow = await CannedAirflow(3, {"/jobs": ok(recorded(3, "jobs"))}).connected()
    jobs = await airflow.jobs()
    assert [job.component for job in jobs] == ["scheduler", "triggerer", "dag_processor"]
    assert jobs[0] == Job(1, "scheduler", "vm", "running", at(7, 22, 40, 814994), None, at(7, 24, 17, 702763))
    assert await (await CannedAirflow(2).connected()).jobs() == []


async def test_health_of_2x_without_a_dag_processor_of_its_own() -> None:
    airflow = await CannedAirflow(2, {"/health": ok(recorded_health(2, "healthy"))}).connected()
    health = await airflow.health()
    assert health.database == "healthy"
    assert ComponentHealth("dag_processor", None, None) in health.components
    assert ComponentHealth("scheduler", "healthy", at(7, 29, 7, 959131)) in health.components


@pytest.mark.parametrize(
    ("generation", "name"),
    [(2, "db-down"), (2, "scheduler-frozen"), (2, "triggerer-stopped"), (3, "db-down"), (3, "dag-processor-killed")],
)
async def test_every_recorded_health_answer_is_understood(generation: int, name: str) -> None:
    path = "/health" if generation == 2 else "/monitor/health"
    body = recorded_health(generation, name)
    airflow = await CannedAirflow(generation, {path: ok(body)}).connected()
    health = await airflow.health()
    assert health.database == body["metadatabase"]["status"]
    assert {one.component: one.status for one in health.components} == {
        name: body[name]["status"] for name in ("scheduler", "triggerer", "dag_processor")
    }
