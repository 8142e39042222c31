"""What moved: how often each deployment's record changed, and in which order its Dags did, so that only those are read anew."""

from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa

from opsconsole.db.base import Session, metadata
from opsconsole.db.rows import inserting, upsert

dag_moves = sa.Table(
    "dag_moves",
    metadata,
    sa.Column("deployment", sa.Text, primary_key=True),
    sa.Column("dag_id", sa.Text, primary_key=True),  # empty: the deployment itself
    sa.Column("number", sa.BigInteger, nullable=False, default=0),  # of the newest change of its runs, in the deployment's count
    sa.Column("tries", sa.BigInteger, nullable=False, default=0),  # how often tries changed; of the deployment itself only
)

_WHOLE = ""


class Moves(NamedTuple):
    """How often a deployment's Dags and runs changed, and how often its tries did."""

    dags: int = 0
    tries: int = 0


async def note_moves(session: Session, deployment: str, dag_ids: Collection[str]) -> None:
    """Say that what is recorded of these Dags changes with this transaction, as the last thing that it does to them.

    Whoever counts holds the deployment's row until the commit, so that a smaller number never comes to light after a greater.
    """
    if not dag_ids:
        return
    number = await _count(session, deployment, dag_moves.c.number)
    rows = [{"deployment": deployment, "dag_id": dag_id, "number": number} for dag_id in sorted(set(dag_ids))]
    await upsert(session, dag_moves, rows)


async def note_tries(session: Session, deployment: str) -> None:
    """Say that what is recorded of some tries changes with this transaction, as the last thing that it does to them."""
    await _count(session, deployment, dag_moves.c.tries)


async def newest_moves(session: Session) -> dict[str, Moves]:
    """Of each deployment; without those that never changed."""
    query = sa.select(dag_moves.c.deployment, dag_moves.c.number, dag_moves.c.tries).where(dag_moves.c.dag_id == _WHOLE)
    return {row.deployment: Moves(row.number, row.tries) for row in await session.execute(query)}


async def moved_after(session: Session, deployment: str, number: int) -> set[str]:
    """The Dags of which something changed after the deployment's change of that number."""
    query = sa.select(dag_moves.c.dag_id).where(dag_moves.c.deployment == deployment, dag_moves.c.number > number)
    return {row.dag_id for row in await session.execute(query) if row.dag_id != _WHOLE}


async def _count(session: Session, deployment: str, what: sa.Column[int]) -> int:
    first = inserting(session, dag_moves).values({"deployment": deployment, "dag_id": _WHOLE, what.name: 1})
    keys = [column.name for column in dag_moves.primary_key]
    counted = first.on_conflict_do_update(index_elements=keys, set_={what.name: what + 1}).returning(what)
    number: int = (await session.execute(counted)).scalar_one()
    return number
