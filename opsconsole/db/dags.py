"""The Dags that Airflow knows, and the files that it cannot import."""

from collections.abc import Collection

import sqlalchemy as sa

from opsconsole.db.base import Json, Session, UtcTime, metadata
from opsconsole.db.rows import batches
from opsconsole.model import Dag

dags = sa.Table(
    "dags",
    metadata,
    sa.Column("deployment", sa.Text, primary_key=True),
    sa.Column("dag_id", sa.Text, primary_key=True),
    sa.Column("owners", Json, nullable=False),
    sa.Column("tags", Json, nullable=False),
    sa.Column("schedule", sa.Text, nullable=False, default=""),
    sa.Column("paused", sa.Boolean, nullable=False),
    sa.Column("file", sa.Text, nullable=False, default=""),
    sa.Column("import_errors", sa.Boolean, nullable=False, default=False),
    sa.Column("next_run_due_at", UtcTime),  # next_dagrun_create_after / next_dagrun_run_after
    sa.Column("seen_at", UtcTime, nullable=False),
)

import_errors = sa.Table(
    "import_errors",
    metadata,
    sa.Column("deployment", sa.Text, primary_key=True),
    sa.Column("file", sa.Text, primary_key=True),
    sa.Column("bundle", sa.Text, nullable=False, default=""),
    sa.Column("stack_trace", sa.Text, nullable=False),
    sa.Column("first_seen_at", UtcTime, nullable=False),  # Airflow's own time moves at every parse
    sa.Column("seen_at", UtcTime, nullable=False),
)

_COLUMNS = tuple(dags.c[name] for name in Dag.__slots__)


async def known_dags(session: Session, deployment: str, dag_ids: Collection[str] | None = None) -> list[Dag]:
    """The Dags that Airflow knows now, or those among `dag_ids`; by name."""
    every = sa.select(*_COLUMNS).where(dags.c.deployment == deployment)
    queries = [every] if dag_ids is None else [every.where(dags.c.dag_id.in_(some)) for some in batches(sorted(dag_ids))]
    rows = [row for query in queries for row in (await session.execute(query.order_by(dags.c.dag_id))).mappings()]
    return [Dag(**{**row, "owners": tuple(row["owners"]), "tags": tuple(row["tags"])}) for row in rows]


async def owners_of(session: Session, deployment: str, dag_ids: Collection[str]) -> dict[str, str]:
    """In words, by Dag; without those that Airflow no longer knows."""
    found: dict[str, str] = {}
    for some in batches(dag_ids):
        query = sa.select(dags.c.dag_id, dags.c.owners).where(dags.c.deployment == deployment, dags.c.dag_id.in_(some))
        found |= {row.dag_id: ", ".join(row.owners) for row in await session.execute(query)}
    return found
