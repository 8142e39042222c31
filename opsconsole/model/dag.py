"""A Dag, its runs and their task instances: as Airflow tells them, and as they are recorded. Times are UTC, by our clock."""

from dataclasses import dataclass
from datetime import datetime

OPEN_RUN_STATES = ("queued", "running")
FINAL_RUN_STATES = ("success", "failed")
OPEN_TASK_STATES = ("queued", "scheduled", "running", "deferred")

RunKey = tuple[str, str]
"""Dag and run id."""
TaskKey = tuple[str, str, str, int]
"""Dag, run and task id, and map index."""


@dataclass(frozen=True, slots=True)
class Dag:
    """`next_run_due_at` is when Airflow means to create its next run."""

    dag_id: str
    owners: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    schedule: str = ""
    paused: bool = False
    file: str = ""
    import_errors: bool = False
    next_run_due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DagRun:
    """`due_at` is 3.x's `run_after`; on 2.x the data interval's end of a scheduled run, else the logical date."""

    dag_id: str
    run_id: str
    state: str
    run_type: str
    logical_date: datetime | None
    due_at: datetime | None
    queued_at: datetime | None
    start_at: datetime | None
    end_at: datetime | None

    @property
    def key(self) -> RunKey:
        return self.dag_id, self.run_id


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """One try of a task instance.

    `max_tries` counts all tries allowed (Airflow's `max_tries`, the retries, and one), so that "try 2 of 3" is `try_number`
    of `max_tries`.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    state: str | None
    max_tries: int
    operator: str
    pool: str
    queue: str
    hostname: str
    queued_at: datetime | None
    start_at: datetime | None
    end_at: datetime | None

    @property
    def key(self) -> TaskKey:
        return self.dag_id, self.run_id, self.task_id, self.map_index

    @property
    def run_key(self) -> RunKey:
        return self.dag_id, self.run_id
