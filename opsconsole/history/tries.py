"""Recording tries of task instances.

Airflow lists a task instance with its newest try only. A try that ended stays as it ended: clearing a task leaves its try
number as it is until the next try is scheduled, and must not wipe out what the last one came to.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime

import sqlalchemy as sa

from opsconsole.db import Session
from opsconsole.db.base import UtcTime
from opsconsole.db.moves import note_tries
from opsconsole.db.rows import Row, differs, existing, upsert
from opsconsole.db.tries import task_tries
from opsconsole.model import TaskInstance, TaskKey

FINAL_TASK_STATES = frozenset({"success", "failed", "skipped", "upstream_failed", "removed", "up_for_retry"})
_TASK = ("dag_id", "run_id", "task_id", "map_index")


async def record_tasks(session: Session, deployment: str, tasks: Iterable[TaskInstance], now: datetime) -> list[TaskInstance]:
    """Write what changed; the changed task instances of which an earlier try is not recorded as ended."""
    newest = {task.key: task for task in tasks}
    known: dict[TaskKey, dict[int, Row]] = {}
    for row in await existing(session, task_tries, _TASK, newest, deployment):
        known.setdefault((row["dag_id"], row["run_id"], row["task_id"], row["map_index"]), {})[row["try_number"]] = row
    changes = {key: _change(task, known.get(key, {}), deployment, now) for key, task in newest.items()}
    changed = {key: row for key, row in changes.items() if row is not None}
    await upsert(session, task_tries, list(changed.values()))
    if changed:
        await note_tries(session, deployment)
    return [newest[key] for key in changed if _lacks_earlier(newest[key], known.get(key, {}))]


def _change(task: TaskInstance, tries: Mapping[int, Row], deployment: str, now: datetime) -> Row | None:
    before = tries.get(task.try_number)
    if before and task.try_number > 0 and before["state"] in FINAL_TASK_STATES and task.state not in FINAL_TASK_STATES:
        return None
    row = {**asdict(task), "deployment": deployment, "seen_at": now}
    return row if differs(row, before) else None


def _lacks_earlier(task: TaskInstance, tries: Mapping[int, Row]) -> bool:
    return any(number not in tries or tries[number]["state"] not in FINAL_TASK_STATES for number in range(1, task.try_number))


async def record_earlier_tries(
    session: Session, deployment: str, newest: TaskInstance, tries: Sequence[TaskInstance], now: datetime
) -> None:
    """Write the tries before the newest one as Airflow tells them; close those it does not tell.

    A failed try is recorded as `up_for_retry`, as it was while it waited, unless it used up all tries then allowed: that was
    a failure for good which somebody cleared.
    """
    before = await existing(session, task_tries, _TASK, [newest.key], deployment)
    ended = {row["try_number"] for row in before if row["state"] in FINAL_TASK_STATES}
    told = [_as_retried(t) for t in tries if 0 < t.try_number < newest.try_number and t.try_number not in ended]
    await upsert(session, task_tries, [{**asdict(t), "deployment": deployment, "seen_at": now} for t in told])
    await _close_untold(session, deployment, newest, now)
    await note_tries(session, deployment)


def _as_retried(task: TaskInstance) -> TaskInstance:
    if task.state in ("success", "skipped") or (task.state == "failed" and task.try_number >= task.max_tries):
        return task
    return replace(task, state="up_for_retry")


async def _close_untold(session: Session, deployment: str, newest: TaskInstance, now: datetime) -> None:
    tries = task_tries.c
    is_open = sa.or_(tries.state.is_(None), tries.state.not_in(FINAL_TASK_STATES))
    await session.execute(
        sa.update(task_tries)
        .where(*_is(deployment, newest), tries.try_number.between(1, newest.try_number - 1), is_open)
        .values(
            state="up_for_retry", end_at=sa.func.coalesce(tries.end_at, sa.literal(newest.queued_at or now, UtcTime)), seen_at=now
        )
    )


async def record_log(session: Session, deployment: str, attempt: TaskInstance, line: str | None, now: datetime) -> None:
    """Keep a failed try's last error line; None where its log told none. It is not read again."""
    here = (*_is(deployment, attempt), task_tries.c.try_number == attempt.try_number)
    await session.execute(sa.update(task_tries).where(*here).values(error_line=line, log_read_at=now))
    await note_tries(session, deployment)


def _is(deployment: str, task: TaskInstance) -> list[sa.ColumnElement[bool]]:
    """Any try of the task instance."""
    own = zip(_TASK, task.key, strict=True)
    return [task_tries.c.deployment == deployment, *(task_tries.c[name] == value for name, value in own)]
