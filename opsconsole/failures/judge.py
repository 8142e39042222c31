"""Which failures stand: pure, over what the mirror holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from opsconsole.db.tries import Try
from opsconsole.model import DagRun, RunKey, TaskKey

MAYBE_STILL_FAILING = frozenset(
    {None, "", "none", "failed", "scheduled", "queued", "running", "deferred", "restarting", "up_for_retry", "up_for_reschedule"}
)
"""States of a task instance that was cleared after it failed, and has not come to another end yet."""
_OPEN_RUN = frozenset({"failed", "queued", "running"})


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed task instance, or (where `task` is None) a run that failed without one; `run` is its Dag run, if mirrored."""

    dag_id: str
    run_id: str
    run: DagRun | None
    task: Try | None = None

    @property
    def key(self) -> tuple[str, ...]:
        return (self.dag_id, self.run_id) + ((self.task.task_id, str(self.task.map_index)) if self.task else ())

    @property
    def due_at(self) -> datetime | None:
        return self.run.due_at if self.run else None

    @property
    def is_read(self) -> bool:
        """Whether its log was looked at, so that waiting brings nothing more."""
        return self.task is not None and (self.task.error_line is not None or self.task.log_read_at is not None)

    @property
    def end_at(self) -> datetime | None:
        one = self.task or self.run
        return one.end_at if one else None


@dataclass(frozen=True, slots=True)
class Successes:
    """When the newest run was due that succeeded, by Dag; and in which a task succeeded, by Dag, task and map index."""

    runs: Mapping[str, datetime] = field(default_factory=dict)
    tasks: Mapping[tuple[str, str, int], datetime] = field(default_factory=dict)


def standing(failures: Iterable[Failure], successes: Successes) -> list[Failure]:
    """Those that no newer run has made good: a later success of the Dag, or of the same task."""
    return [failure for failure in failures if not _made_good(failure, successes)]


def _made_good(failure: Failure, successes: Successes) -> bool:
    if failure.due_at is None:
        return False
    run = successes.runs.get(failure.dag_id)
    task = successes.tasks.get((failure.dag_id, failure.task.task_id, failure.task.map_index)) if failure.task else None
    return any(due is not None and due > failure.due_at for due in (run, task))


def still_failing(before: Iterable[Failure], tries: Mapping[TaskKey, Try], runs: Mapping[RunKey, DagRun]) -> list[Failure]:
    """Of the failures told `before`, those whose task or run was cleared and is on its way again: only success ends them.

    Airflow clears in place, so that between failure and success the mirror holds neither.
    """
    return [failure for failure in before if _is_open(failure, tries, runs)]


def _is_open(failure: Failure, tries: Mapping[TaskKey, Try], runs: Mapping[RunKey, DagRun]) -> bool:
    if failure.task is not None:
        newest = tries.get(failure.task.key)
        return newest is not None and newest.state in MAYBE_STILL_FAILING
    run = runs.get((failure.dag_id, failure.run_id))
    return run is not None and run.state in _OPEN_RUN and not any(key[:2] == (run.dag_id, run.run_id) for key in _failed(tries))


def _failed(tries: Mapping[TaskKey, Try]) -> list[TaskKey]:
    return [key for key, newest in tries.items() if newest.state == "failed"]
