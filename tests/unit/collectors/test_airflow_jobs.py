"""Replicas alive and lost, from the rows of daemons that say `running`."""

from datetime import datetime, timedelta

from opsconsole.airflow import Job
from opsconsole.collectors.airflow_jobs import replicas
from tests.support.clock import NOON


def job(number: int, started: float, beat: float, host: str = "a") -> Job:
    """A scheduler that started and beat last so many seconds ago."""
    return Job(number, "scheduler", host, "running", _ago(started), None, _ago(beat))


def _ago(seconds: float) -> datetime:
    return NOON - timedelta(seconds=seconds)


def numbers(jobs: object) -> list[int]:
    return [one.job_id for one in jobs]  # type: ignore[attr-defined]


def test_a_killed_replica_is_lost() -> None:
    found = replicas([job(1, 900, 3), job(2, 900, 45)], NOON)
    assert (numbers(found.alive), numbers(found.lost)) == ([1], [2])


def test_a_killed_replica_that_was_replaced_is_not_lost() -> None:
    found = replicas([job(1, 900, 3), job(2, 900, 100), job(3, 60, 3, "b")], NOON)
    assert (numbers(found.alive), numbers(found.lost)) == ([1, 3], [])


def test_one_replacement_stands_in_for_one() -> None:
    found = replicas([job(1, 900, 100), job(2, 900, 90), job(3, 60, 3)], NOON)
    assert len(found.lost) == 1


def test_who_started_before_the_death_is_no_replacement() -> None:
    assert numbers(replicas([job(1, 200, 3), job(2, 900, 100)], NOON).lost) == [2]


def test_with_as_many_alive_as_expected_none_is_lost() -> None:
    rows = [job(1, 900, 3), job(2, 900, 100)]
    assert replicas(rows, NOON, expected=1).lost == []
    assert numbers(replicas(rows, NOON, expected=2).lost) == [2]


def test_a_death_of_long_ago_is_forgotten() -> None:
    assert replicas([job(1, 900, 3), job(2, 9e5, 2e5)], NOON).lost == []
