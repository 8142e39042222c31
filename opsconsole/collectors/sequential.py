"""SequentialExecutor: the scheduler of an Airflow 2 runs each task itself, and gives no heartbeat meanwhile."""

from dataclasses import dataclass
from datetime import datetime, timedelta

NAME = "SequentialExecutor"
LATE = timedelta(seconds=10)
"""Two heartbeats missed: before that there is nothing to explain."""
_STILL_FOR = timedelta(seconds=30)
_AT_LONGEST = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Work:
    """Task instances that are running and queued."""

    running: int
    queued: int


@dataclass(frozen=True, slots=True)
class Busy:
    """`moved_at`: when the scheduler was last seen to be at work, by what was to do then and at the look before."""

    work: Work | None = None
    moved_at: datetime | None = None


def looked(before: Busy, work: Work, now: datetime) -> Busy:
    """A running task is work, and so is a queue that changed: between two tasks none runs for some seconds."""
    moved = work.running > 0 or before.work not in (None, work)
    return Busy(work, now if moved else before.moved_at)


def explains(busy: Busy, beat: datetime | None, now: datetime) -> bool:
    """Whether work explains a late heartbeat. Not for ever: a task that was killed with its scheduler reads `running` too."""
    if busy.moved_at is None or beat is None:
        return False
    return now - busy.moved_at <= _STILL_FOR and now - beat <= _AT_LONGEST
