"""Tries of task instances, as recorded."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from opsconsole.db.base import Session, UtcTime, metadata
from opsconsole.db.rows import batches
from opsconsole.model import TaskInstance, TaskKey

task_tries = sa.Table(
    "task_tries",
    metadata,
    sa.Column("deployment", sa.Text, primary_key=True),
    sa.Column("dag_id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("task_id", sa.Text, primary_key=True),
    sa.Column("map_index", sa.Integer, primary_key=True),
    sa.Column("try_number", sa.Integer, primary_key=True),
    sa.Column("state", sa.String(20)),  # null is Airflow's "no status"
    sa.Column("max_tries", sa.Integer, nullable=False),  # tries allowed in all
    sa.Column("operator", sa.Text, nullable=False, default=""),
    sa.Column("pool", sa.Text, nullable=False, default=""),
    sa.Column("queue", sa.Text, nullable=False, default=""),
    sa.Column("hostname", sa.Text, nullable=False, default=""),
    sa.Column("queued_at", UtcTime),
    sa.Column("start_at", UtcTime),
    sa.Column("end_at", UtcTime),
    sa.Column("seen_at", UtcTime, nullable=False),
    sa.Column("error_line", sa.Text),  # the last error line of its log, once it was read
    sa.Column("log_read_at", UtcTime),
    sa.Index("ix_task_tries_deployment_state", "deployment", "state"),
    sa.Index("ix_task_tries_deployment_end_at", "deployment", "end_at"),
)


@dataclass(frozen=True, slots=True)
class Try(TaskInstance):
    """A recorded try; `seen_at` is when the console saw it change last.

    Its `state` is `failed` only where nothing follows by itself; a failed try that Airflow retries is `up_for_retry`, for
    good.
    """

    seen_at: datetime
    error_line: str | None
    log_read_at: datetime | None


_COLUMNS = tuple(task_tries.c[field.name] for field in fields(Try))


async def failed_tries(session: Session, deployment: str, since: datetime) -> list[Try]:
    """Task instances that finally failed after `since`: a later try that is still under way does not mend them."""
    later = task_tries.alias("later")
    mended = sa.exists().where(
        *(later.c[name] == task_tries.c[name] for name in ("deployment", "dag_id", "run_id", "task_id", "map_index")),
        later.c.try_number > task_tries.c.try_number,
        later.c.state.in_(("success", "skipped", "removed", "failed")),
    )
    query = sa.select(*_COLUMNS).where(
        task_tries.c.deployment == deployment,
        task_tries.c.state == "failed",
        sa.func.coalesce(task_tries.c.end_at, task_tries.c.seen_at) > since,
        ~mended,
    )
    return await _tries(session, query.order_by(task_tries.c.end_at, task_tries.c.task_id, task_tries.c.map_index))


async def newest_tries(session: Session, deployment: str, run_ids: Collection[str]) -> dict[TaskKey, Try]:
    """Of every task instance in the runs."""
    found: dict[TaskKey, Try] = {}
    for some in batches(run_ids):
        query = sa.select(*_COLUMNS).where(task_tries.c.deployment == deployment, task_tries.c.run_id.in_(some))
        found |= {one.key: one for one in await _tries(session, query.order_by(task_tries.c.try_number))}
    return found


async def failed_tries_without_log(session: Session, deployment: str, since: datetime, limit: int) -> list[Try]:
    """Failed tries (retried ones too) that ended at or after `since` and whose log is unread: final ones first, newest first."""
    tries = task_tries.c
    query = (
        sa.select(*_COLUMNS)
        .where(
            tries.deployment == deployment,
            tries.state.in_(("failed", "up_for_retry")),
            tries.end_at >= since,
            tries.try_number > 0,
            tries.log_read_at.is_(None),
        )
        .order_by(tries.state, tries.end_at.desc())
        .limit(limit)
    )
    return await _tries(session, query)


async def _tries(session: Session, query: sa.Select[Any]) -> list[Try]:
    return [Try(*row) for row in await session.execute(query)]
