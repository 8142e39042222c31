"""What moved: of each deployment's runs and Dags, in which order they changed last, so that only those are read anew."""

from collections.abc import Collection

import sqlalchemy as sa

from opsconsole.db.base import Session, metadata
from opsconsole.db.rows import inserting, upsert

dag_moves = sa.Table(
    "dag_moves",
    metadata,
    sa.Column("deployment", sa.Text, primary_key=True),
    sa.Column("dag_id", sa.Text, primary_key=True),  # empty: the deployment itself
    sa.Column("number", sa.BigInteger, nullable=False),  # the deployment's own count: 1, 2, 3 …
)

_WHOLE = ""


async def note_moves(session: Session, deployment: str, dag_ids: Collection[str]) -> None:
    """Say that what is recorded of these Dags changes with this transaction, as the last thing that it does to them.

    Whoever counts holds the deployment's row until the commit, so that a smaller number never comes to light after a greater.
    """
    if not dag_ids:
        return
    first = inserting(session, dag_moves).values(deployment=deployment, dag_id=_WHOLE, number=1)
    counted = first.on_conflict_do_update(
        index_elements=["deployment", "dag_id"], set_={"number": dag_moves.c.number + 1}
    ).returning(dag_moves.c.number)
    number = (await session.execute(counted)).scalar_one()
    rows = [{"deployment": deployment, "dag_id": dag_id, "number": number} for dag_id in sorted(set(dag_ids))]
    await upsert(session, dag_moves, rows)


async def newest_moves(session: Session) -> dict[str, int]:
    """The number of each deployment's newest change; without those that never changed."""
    query = sa.select(dag_moves.c.deployment, dag_moves.c.number).where(dag_moves.c.dag_id == _WHOLE)
    return {row.deployment: row.number for row in await session.execute(query)}


async def moved_after(session: Session, deployment: str, number: int) -> set[str]:
    """The Dags of which something changed after the deployment's change of that number."""
    query = sa.select(dag_moves.c.dag_id).where(dag_moves.c.deployment == deployment, dag_moves.c.number > number)
    return {row.dag_id for row in await session.execute(query) if row.dag_id != _WHOLE}
