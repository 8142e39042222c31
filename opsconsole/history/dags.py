"""Recording the Dags that Airflow knows, and the files it cannot import."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from opsconsole.airflow import DagImportError
from opsconsole.db import Session
from opsconsole.db.dags import dags, import_errors
from opsconsole.db.moves import note_moves
from opsconsole.db.rows import Row, batches, differs, upsert
from opsconsole.model import Dag


async def record_dags(session: Session, deployment: str, listed: Iterable[Dag], now: datetime) -> None:
    """Make the recorded Dags the listed ones."""
    rows = {dag.dag_id: _row(deployment, dag, now) for dag in listed}
    await note_moves(session, deployment, await _make(session, dags, "dag_id", deployment, rows))


async def record_dag(session: Session, deployment: str, dag: Dag, now: datetime) -> None:
    """Record one beside those that are."""
    await upsert(session, dags, [_row(deployment, dag, now)])
    await note_moves(session, deployment, [dag.dag_id])


def _row(deployment: str, dag: Dag, now: datetime) -> Row:
    return {**asdict(dag), "owners": list(dag.owners), "tags": list(dag.tags), "deployment": deployment, "seen_at": now}


async def record_import_errors(
    session: Session, deployment: str, listed: Iterable[DagImportError], now: datetime
) -> dict[str, datetime]:
    """Make the recorded import errors the listed ones; when each broken file was first seen broken."""
    query = sa.select(import_errors.c.file, import_errors.c.first_seen_at).where(import_errors.c.deployment == deployment)
    first_seen = {row.file: row.first_seen_at for row in await session.execute(query)}
    rows = {
        error.key: {
            "deployment": deployment,
            "file": error.key,
            "bundle": error.bundle,
            "stack_trace": error.stack_trace,
            "first_seen_at": first_seen.get(error.key, now),
            "seen_at": now,
        }
        for error in listed
    }
    await _make(session, import_errors, "file", deployment, rows)
    return {file: row["first_seen_at"] for file, row in rows.items()}


async def _make(session: Session, table: sa.Table, name: str, deployment: str, rows: dict[str, Row]) -> list[str]:
    """The names of those that changed, came or went."""
    before = {
        row[name]: dict(row)
        for row in (await session.execute(sa.select(table).where(table.c.deployment == deployment))).mappings()
    }
    changed = [key for key, row in rows.items() if differs(row, before.get(key))]
    gone = [key for key in before if key not in rows]
    await upsert(session, table, [rows[key] for key in changed])
    for some in batches(gone):
        await session.execute(sa.delete(table).where(table.c.deployment == deployment, table.c[name].in_(some)))
    return changed + gone
