"""Dag runs, as recorded; and what takes their tries along."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from opsconsole.db.base import Session, UtcTime, metadata
from opsconsole.db.moves import note_moves, note_tries
from opsconsole.db.rows import batches
from opsconsole.db.tries import task_tries
from opsconsole.db.watermarks import FIRST_JUDGED, RUNS, WATCHING, set_watermark, watermark
from opsconsole.model import FINAL_RUN_STATES, OPEN_RUN_STATES, DagRun, RunKey

dag_runs = sa.Table(
    "dag_runs",
    metadata,
    sa.Column("deployment", sa.Text, primary_key=True),
    sa.Column("dag_id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("run_type", sa.String(40), nullable=False),
    sa.Column("logical_date", UtcTime),
    sa.Column("due_at", UtcTime),  # 3.x run_after; 2.x end of the data interval
    sa.Column("queued_at", UtcTime),
    sa.Column("start_at", UtcTime),
    sa.Column("end_at", UtcTime),
    sa.Column("seen_at", UtcTime, nullable=False),
    sa.Index("ix_dag_runs_deployment_state", "deployment", "state"),
    sa.Index("ix_dag_runs_deployment_end_at", "deployment", "end_at"),
    sa.Index("ix_dag_runs_deployment_dag_id_due_at", "deployment", "dag_id", "due_at"),
)

_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
_due = sa.func.coalesce(dag_runs.c.due_at, dag_runs.c.logical_date, dag_runs.c.queued_at, dag_runs.c.start_at)
"""When a run was to begin. A run that was triggered is due when it was."""
_COLUMNS = tuple(_due.label(name) if name == "due_at" else dag_runs.c[name] for name in DagRun.__slots__)
"""So that the `due_at` of a run that is read here is never empty where Airflow told any time at all."""
_tries_of_run = sa.and_(*(task_tries.c[name] == dag_runs.c[name] for name in ("deployment", "dag_id", "run_id")))


async def runs_since(session: Session, deployment: str, dag_ids: Collection[str], since: datetime) -> list[DagRun]:
    """Runs of the Dags that are open, or were due or ended at `since` or later; each Dag's oldest first."""
    recent = sa.or_(dag_runs.c.state.in_(OPEN_RUN_STATES), dag_runs.c.end_at >= since, _due >= since)
    found: list[DagRun] = []
    for some in batches(dag_ids):
        query = sa.select(*_COLUMNS).where(dag_runs.c.deployment == deployment, dag_runs.c.dag_id.in_(some), recent)
        found += await _runs(session, query.order_by(_due, dag_runs.c.run_id))
    return found


async def runs_by_id(session: Session, deployment: str, run_ids: Collection[str]) -> dict[RunKey, DagRun]:
    found: dict[RunKey, DagRun] = {}
    for some in batches(run_ids):
        query = sa.select(*_COLUMNS).where(dag_runs.c.deployment == deployment, dag_runs.c.run_id.in_(some))
        found |= {run.key: run for run in await _runs(session, query)}
    return found


async def failed_runs_without_task(session: Session, deployment: str, since: datetime) -> list[DagRun]:
    """Runs that failed after `since` though no task instance of them did."""
    failed_task = sa.exists().where(_tries_of_run, task_tries.c.state == "failed")
    query = sa.select(*_COLUMNS).where(
        dag_runs.c.deployment == deployment,
        dag_runs.c.state == "failed",
        sa.func.coalesce(dag_runs.c.end_at, dag_runs.c.seen_at) > since,
        ~failed_task,
    )
    return await _runs(session, query.order_by(dag_runs.c.end_at, dag_runs.c.run_id))


async def failed_in_a_row(session: Session, deployment: str, runs: Collection[RunKey]) -> dict[RunKey, int]:
    """The how-manieth each of `runs` is of its Dag's failed runs since the last that succeeded, by when they were due.

    A run that is still open counts as soon as a task of it failed. Runs that have not failed are left out.
    """
    found: dict[RunKey, int] = {}
    for some in batches(sorted(runs), 200):
        places = _places(deployment, {dag_id for dag_id, _ in some}).subquery()
        wanted = set(some)
        query = sa.select(places).where(places.c.run_id.in_({run_id for _, run_id in some}))
        rows = await session.execute(query)
        found |= {(row.dag_id, row.run_id): row.place for row in rows if (row.dag_id, row.run_id) in wanted}
    return found


def _places(deployment: str, dag_ids: Collection[str]) -> sa.Select[Any]:
    of_dags = sa.and_(dag_runs.c.deployment == deployment, dag_runs.c.dag_id.in_(dag_ids))
    success = (
        sa.select(dag_runs.c.dag_id, sa.func.max(_due).label("due"))
        .where(of_dags, dag_runs.c.state == "success")
        .group_by(dag_runs.c.dag_id)
        .subquery()
    )
    failed_task = sa.exists().where(_tries_of_run, task_tries.c.state == "failed")
    failed = sa.or_(dag_runs.c.state == "failed", sa.and_(dag_runs.c.state.in_(OPEN_RUN_STATES), failed_task))
    place = sa.func.row_number().over(partition_by=dag_runs.c.dag_id, order_by=(_due, dag_runs.c.run_id))
    return (
        sa.select(dag_runs.c.dag_id, dag_runs.c.run_id, place.label("place"))
        .join_from(dag_runs, success, success.c.dag_id == dag_runs.c.dag_id, isouter=True)
        .where(of_dags, failed, sa.or_(success.c.due.is_(None), _due > success.c.due))
    )


async def open_runs_beside(session: Session, deployment: str, known: Collection[RunKey], limit: int) -> list[RunKey]:
    """Recorded runs that are open and not among `known`: the ones Airflow no longer lists as open."""
    query = sa.select(dag_runs.c.dag_id, dag_runs.c.run_id)
    query = query.where(dag_runs.c.deployment == deployment, dag_runs.c.state.in_(OPEN_RUN_STATES))
    listed = set(known)
    return [(row.dag_id, row.run_id) for row in await session.execute(query) if (row.dag_id, row.run_id) not in listed][:limit]


async def ended_counts(session: Session, deployment: str, since: datetime) -> dict[str, int]:
    """How many runs ended since then, by their final state."""
    query = (
        sa.select(dag_runs.c.state, sa.func.count().label("runs"))
        .where(dag_runs.c.deployment == deployment, dag_runs.c.end_at >= since, dag_runs.c.state.in_(FINAL_RUN_STATES))
        .group_by(dag_runs.c.state)
    )
    return {row.state: row.runs for row in await session.execute(query)}


async def failing_dags(session: Session, deployment: str, since: datetime, most: int) -> dict[str, int]:
    """The Dags with the most failed runs since then, and how many."""
    failed = sa.func.count().label("runs")
    query = (
        sa.select(dag_runs.c.dag_id, failed)
        .where(dag_runs.c.deployment == deployment, dag_runs.c.end_at >= since, dag_runs.c.state == "failed")
        .group_by(dag_runs.c.dag_id)
        .order_by(failed.desc(), dag_runs.c.dag_id)
        .limit(most)
    )
    return {row.dag_id: row.runs for row in await session.execute(query)}


async def dags_with_runs(session: Session, deployment: str, since: datetime, dag_ids: Collection[str] | None = None) -> set[str]:
    """Dags (those among `dag_ids`) of which a run was due at `since` or later, whether Airflow still lists them or not."""
    query = sa.select(dag_runs.c.dag_id).distinct().where(dag_runs.c.deployment == deployment, dag_runs.c.due_at >= since)
    queries = [query] if dag_ids is None else [query.where(dag_runs.c.dag_id.in_(some)) for some in batches(dag_ids)]
    return {row.dag_id for one in queries for row in await session.execute(one)}


async def dags_with_older_runs(session: Session, deployment: str, dag_ids: Collection[str], before: datetime) -> set[str]:
    found: set[str] = set()
    for some in batches(dag_ids):
        query = sa.select(dag_runs.c.dag_id).distinct()
        query = query.where(dag_runs.c.deployment == deployment, dag_runs.c.dag_id.in_(some), dag_runs.c.due_at < before)
        found |= {row.dag_id for row in await session.execute(query)}
    return found


async def last_success_due(session: Session, deployment: str, dag_ids: Collection[str]) -> dict[str, datetime]:
    """When the newest successful run of each Dag was due."""
    return await _last_success(session, deployment, dag_ids, _due)


async def last_success_ended(session: Session, deployment: str, dag_ids: Collection[str]) -> dict[str, datetime]:
    """When each Dag's newest successful run ended."""
    return await _last_success(session, deployment, dag_ids, dag_runs.c.end_at)


async def last_task_success_due(
    session: Session, deployment: str, dag_ids: Collection[str], since: datetime
) -> dict[tuple[str, str, int], datetime]:
    """When the newest run was due in which each task (by Dag, task and map index) succeeded, looking back to `since`."""
    task = (task_tries.c.dag_id, task_tries.c.task_id, task_tries.c.map_index)
    found: dict[tuple[str, str, int], datetime] = {}
    for some in batches(dag_ids):
        query = (
            sa.select(*task, sa.func.max(_due).label("due"))
            .join(dag_runs, _tries_of_run)
            .where(task_tries.c.deployment == deployment, task_tries.c.dag_id.in_(some))
            .where(task_tries.c.state == "success", task_tries.c.end_at >= since)
            .group_by(*task)
        )
        found |= {(row.dag_id, row.task_id, row.map_index): row.due for row in await session.execute(query) if row.due}
    return found


async def first_judged(session: Session, deployment: str) -> datetime | None:
    """The newest end that was recorded when failures of `deployment` were first judged, which is now if it was not before.

    In Airflow's own time, so that a clock that is wrong there hides no failure. None where the record has not caught up with
    its own beginning.
    """
    if (known := await watermark(session, deployment, FIRST_JUDGED)) is not None:
        return known
    read, began = await watermark(session, deployment, RUNS), await watermark(session, deployment, WATCHING)
    if read is None or (began is not None and read < began):
        return None
    ends = [
        (await session.execute(sa.select(sa.func.max(table.c.end_at)).where(table.c.deployment == deployment))).scalar()
        for table in (dag_runs, task_tries)
    ]
    at = max((end for end in ends if end is not None), default=_BEFORE_ALL)
    await set_watermark(session, deployment, FIRST_JUDGED, at)
    return at


async def forget_run(session: Session, deployment: str, key: RunKey) -> None:
    """Delete a run that Airflow no longer has, with its tries."""
    for table in (task_tries, dag_runs):
        here = (table.c.deployment == deployment) & (table.c.dag_id == key[0]) & (table.c.run_id == key[1])
        await session.execute(sa.delete(table).where(here))
    await note_moves(session, deployment, [key[0]])
    await note_tries(session, deployment)


async def forget_old_runs(session: Session, before: datetime) -> int:
    """Delete runs that ended before `before`, with their tries; how many runs that were."""
    old = dag_runs.c.end_at < before
    of_dags: dict[str, set[str]] = {}
    for row in await session.execute(sa.select(dag_runs.c.deployment, dag_runs.c.dag_id).distinct().where(old)):
        of_dags.setdefault(row.deployment, set()).add(row.dag_id)
    await session.execute(sa.delete(task_tries).where(sa.exists().where(_tries_of_run, old)))
    forgotten = (await session.execute(sa.delete(dag_runs).where(old))).rowcount
    for deployment in sorted(of_dags):
        await note_moves(session, deployment, of_dags[deployment])
        await note_tries(session, deployment)
    return forgotten


async def _runs(session: Session, query: sa.Select[Any]) -> list[DagRun]:
    return [DagRun(*row) for row in await session.execute(query)]


async def _last_success(
    session: Session, deployment: str, dag_ids: Collection[str], moment: sa.ColumnElement[Any]
) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    for some in batches(dag_ids):
        query = (
            sa.select(dag_runs.c.dag_id, sa.func.max(moment).label("at"))
            .where(dag_runs.c.deployment == deployment, dag_runs.c.dag_id.in_(some), dag_runs.c.state == "success")
            .group_by(dag_runs.c.dag_id)
        )
        found |= {row.dag_id: row.at for row in await session.execute(query) if row.at}
    return found
