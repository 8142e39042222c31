"""Failures from the mirror to findings, on both databases."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from opsconsole.airflow.links import Links
from opsconsole.db import Database
from opsconsole.failures.settings import Settings
from opsconsole.failures.watch import FailureWatch
from opsconsole.model import Finding, Verdict
from tests.support.clock import NOON
from tests.support.mirrored import Mirror

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


class Watched:
    def __init__(self, db: Database, generation: int = 3) -> None:
        self.verdicts: list[Verdict] = []
        links = Links("http://airflow", generation)
        self.watch = FailureWatch(db, Settings(), ["prod"], self._take, lambda _: links)

    async def _take(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)

    async def at(self, now: datetime) -> list[Finding]:
        await self.watch.step(now)
        return list(self.verdicts[-1].findings)

    async def names(self, now: datetime) -> list[str]:
        return [finding.labels["alertname"] for finding in await self.at(now)]


@pytest.fixture
async def mirror(db: Database) -> Mirror:
    """A Dag whose run of 11:00 is over, seen before the watch began."""
    mirror = Mirror(db)
    await mirror.polled(NOON - HOUR)
    await mirror.dag("orders", owners=["data", "ops"])
    await mirror.run("orders", "old", "success", NOON - 2 * HOUR, end_at=NOON - HOUR)
    return mirror


@pytest.fixture
async def far(db: Database, mirror: Mirror) -> Watched:
    watched = Watched(db)
    await watched.watch.step(NOON - HOUR)
    return watched


async def fail(mirror: Mirror, task: str = "load", run: str = "r1", **more: Any) -> None:
    await mirror.run("orders", run, "failed", NOON - HOUR / 2, end_at=NOON, run_type="manual")
    plain = {"end_at": NOON, "start_at": NOON - 90 * SECOND, "error_line": "KeyError: 'id'", "log_read_at": NOON}
    await mirror.tried("orders", run, task, "failed", **plain | more)


async def test_a_finally_failed_task_is_told_with_what_one_needs(far: Watched, mirror: Mirror) -> None:
    await fail(mirror, try_number=3, max_tries=3)
    [finding] = await far.at(NOON + SECOND)
    assert far.verdicts[-1].scope == "failures/prod"
    assert dict(finding.labels) == {
        "alertname": "AirflowTaskFailed",
        "severity": "high",
        "deployment": "prod",
        "dag_id": "orders",
        "task_id": "load",
        "run_id": "r1",
    }
    assert finding.since == NOON
    assert dict(finding.annotations) == {
        "summary": "prod: orders.load failed, try 3 of 3",
        "error": "KeyError: 'id'",
        "try": "3 of 3",
        "duration": "1m30s",
        "owner": "data, ops",
        "run_type": "manual",
        "logical_date": "2026-03-01T11:30:00+00:00",
        "failed_in_a_row": "1",
        "last_success": "2026-03-01T11:00:00+00:00",
        "log_url": "http://airflow/dags/orders/runs/r1/tasks/load?try_number=3",
        "run_url": "http://airflow/dags/orders/runs/r1",
        "runbook_url": "docs/runbooks/task-failed.md",
    }


async def in_a_row(far: Watched, now: datetime) -> dict[str, str]:
    return {f"{one.labels['dag_id']} {one.labels['run_id']}": one.annotations["failed_in_a_row"] for one in await far.at(now)}


async def test_failed_runs_are_counted_since_the_last_success(far: Watched, mirror: Mirror) -> None:
    await mirror.run("orders", "older", "failed", NOON - 3 * HOUR, end_at=NOON - 2 * HOUR)
    for dag_id, run_id, second in (("orders", "r1", 1), ("other", "r1", 2), ("orders", "r2", 3)):
        await mirror.run(dag_id, run_id, "failed", NOON - HOUR + second * SECOND, end_at=NOON)
        await mirror.tried(dag_id, run_id, "load", "failed", end_at=NOON, error_line="boom", log_read_at=NOON)
    assert await in_a_row(far, NOON + SECOND) == {"orders r1": "1", "other r1": "1", "orders r2": "2"}


async def test_an_open_run_counts_from_its_first_failed_task(far: Watched, mirror: Mirror) -> None:
    await fail(mirror)
    await mirror.run("orders", "r2", "running", NOON)
    await mirror.run("orders", "r3", "running", NOON + SECOND)
    await mirror.tried("orders", "r3", "load", "failed", end_at=NOON + 2 * SECOND, error_line="boom", log_read_at=NOON)
    assert await in_a_row(far, NOON + 3 * SECOND) == {"orders r1": "1", "orders r3": "2"}


async def test_a_dag_that_never_succeeded_names_no_success(far: Watched, mirror: Mirror) -> None:
    await mirror.run("new", "r1", "failed", NOON, end_at=NOON)
    await mirror.tried("new", "r1", "load", "failed", end_at=NOON, error_line="boom", log_read_at=NOON)
    [finding] = await far.at(NOON + SECOND)
    assert finding.annotations["failed_in_a_row"] == "1"
    assert "last_success" not in finding.annotations


async def test_a_mapped_task_says_which(far: Watched, mirror: Mirror) -> None:
    await fail(mirror, map_index=4)
    [finding] = await far.at(NOON)
    assert finding.labels["map_index"] == "4"
    assert "/mapped/4" in finding.annotations["log_url"]


async def test_links_are_right_for_airflow_2(db: Database, mirror: Mirror) -> None:
    far = Watched(db, generation=2)
    await far.watch.step(NOON - HOUR)
    await fail(mirror)
    [finding] = await far.at(NOON)
    assert finding.annotations["log_url"].startswith("http://airflow/dags/orders/grid?dag_run_id=r1&task_id=load")


async def test_a_task_that_will_be_retried_has_not_failed(far: Watched, mirror: Mirror) -> None:
    await mirror.run("orders", "r1", "running", NOON - HOUR / 2)
    await mirror.tried("orders", "r1", "load", "up_for_retry", end_at=NOON)
    assert await far.at(NOON + HOUR) == []


async def test_what_failed_before_the_first_look_is_not_told(db: Database) -> None:
    mirror = Mirror(db)
    far = Watched(db)
    await far.watch.step(NOON)
    assert far.verdicts == []
    await mirror.polled(NOON)
    await fail(mirror)
    assert await far.at(NOON + SECOND) == []
    assert await Watched(db).at(NOON + HOUR) == []
    await fail(mirror, run="r2", end_at=NOON + SECOND)
    assert await far.names(NOON + SECOND) == ["AirflowTaskFailed"]


async def test_a_clock_an_hour_behind_in_airflow_hides_nothing(db: Database) -> None:
    mirror, far = Mirror(db), Watched(db)
    await mirror.polled(NOON + HOUR)
    await mirror.run("orders", "old", "success", NOON - HOUR, end_at=NOON - 5 * SECOND)
    await far.watch.step(NOON + HOUR)
    await fail(mirror)
    assert await far.names(NOON + HOUR + SECOND) == ["AirflowTaskFailed"]


async def test_a_new_failure_waits_shortly_for_its_error_line(far: Watched, mirror: Mirror) -> None:
    await fail(mirror, error_line=None, log_read_at=None)
    assert await far.at(NOON) == []
    await mirror.tried("orders", "r1", "load", "failed", end_at=NOON, error_line="boom", log_read_at=NOON)
    assert [finding.annotations["error"] for finding in await far.at(NOON + 3 * SECOND)] == ["boom"]


async def test_it_does_not_wait_for_ever(far: Watched, mirror: Mirror) -> None:
    await fail(mirror, error_line=None, log_read_at=None)
    assert await far.at(NOON) == []
    [finding] = await far.at(NOON + 10 * SECOND)
    assert "error" not in finding.annotations


async def test_a_restart_holds_nothing_back_that_was_told(db: Database, far: Watched, mirror: Mirror) -> None:
    await fail(mirror, error_line=None, log_read_at=None)
    assert await Watched(db).names(NOON + SECOND) == ["AirflowTaskFailed"]


async def test_clearing_a_task_ends_nothing_until_it_succeeded(far: Watched, mirror: Mirror) -> None:
    await fail(mirror)
    assert len(await far.at(NOON)) == 1
    await mirror.run("orders", "r1", "running", NOON - HOUR / 2)
    await mirror.tried("orders", "r1", "load", None)
    assert len(await far.at(NOON + SECOND)) == 1
    await mirror.tried("orders", "r1", "load", "running", try_number=2)
    assert len(await far.at(NOON + 2 * SECOND)) == 1
    await mirror.tried("orders", "r1", "load", "success", try_number=2, end_at=NOON + 3 * SECOND)
    assert await far.at(NOON + 3 * SECOND) == []


async def test_a_second_failure_of_a_cleared_task_is_the_same_alert(far: Watched, mirror: Mirror) -> None:
    await fail(mirror)
    before = (await far.at(NOON))[0].labels
    await fail(mirror, try_number=2, max_tries=2, end_at=NOON + HOUR)
    after = await far.at(NOON + HOUR)
    assert [finding.labels for finding in after] == [before]
    assert after[0].annotations["try"] == "2 of 2"


async def test_a_newer_successful_run_makes_it_good_and_an_older_does_not(far: Watched, mirror: Mirror) -> None:
    await fail(mirror)
    await mirror.run("orders", "backfilled", "success", NOON - 5 * HOUR, end_at=NOON + HOUR)
    assert len(await far.at(NOON + HOUR)) == 1
    await mirror.run("orders", "r2", "success", NOON + HOUR, end_at=NOON + HOUR + SECOND)
    assert await far.at(NOON + HOUR + SECOND) == []


async def test_the_same_task_succeeding_in_a_newer_run_makes_it_good(far: Watched, mirror: Mirror) -> None:
    await fail(mirror)
    await mirror.run("orders", "r2", "running", NOON + HOUR)
    await mirror.tried("orders", "r2", "extract", "success", end_at=NOON + HOUR)
    assert len(await far.at(NOON + HOUR)) == 1
    await mirror.tried("orders", "r2", "load", "success", end_at=NOON + HOUR)
    assert await far.at(NOON + HOUR) == []


async def test_a_failure_that_nothing_mends_ends_after_a_day(far: Watched, mirror: Mirror) -> None:
    await fail(mirror)
    assert len(await far.at(NOON + 23 * HOUR)) == 1
    assert await far.at(NOON + 24 * HOUR) == []


async def test_a_run_that_failed_without_a_failed_task_is_told_once_its_tasks_had_time_to_show(
    far: Watched, mirror: Mirror
) -> None:
    await mirror.run("orders", "r1", "failed", NOON - HOUR, end_at=NOON)
    assert await far.names(NOON) == []
    assert await far.names(NOON + 10 * SECOND) == ["AirflowDagRunFailed"]
    assert (await far.at(NOON + 10 * SECOND))[0].annotations["duration"] == "1h"
    await mirror.run("orders", "r1", "running", NOON - HOUR)
    assert await far.names(NOON + 11 * SECOND) == ["AirflowDagRunFailed"]
    await mirror.run("orders", "r1", "success", NOON - HOUR, end_at=NOON + 20 * SECOND)
    assert await far.names(NOON + 20 * SECOND) == []


async def test_a_run_with_many_failed_tasks_is_one_finding(far: Watched, mirror: Mirror) -> None:
    for index in range(11):
        await fail(mirror, map_index=index)
    [finding] = await far.at(NOON)
    assert (finding.labels["alertname"], finding.value) == ("AirflowTaskFailed", 11.0)
    assert "task_id" not in finding.labels
    assert finding.annotations["summary"] == "prod: 11 tasks failed in a run of orders"


async def test_another_deployment_s_failures_are_not_ours(db: Database, far: Watched) -> None:
    await fail(Mirror(db, "test"))
    assert await far.at(NOON) == []
