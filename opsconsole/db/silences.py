"""Silences: those that hold, those to come, and for a while those that are over."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from opsconsole.db.base import Json, Session, UtcTime, metadata
from opsconsole.db.rows import upsert
from opsconsole.model import Matcher, MatchOp, Silence

silences = sa.Table(
    "silences",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("matchers", Json, nullable=False),  # [[name, op, value], …] as they were given
    sa.Column("starts_at", UtcTime, nullable=False),
    sa.Column("ends_at", UtcTime, nullable=False, index=True),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("updated_at", UtcTime, nullable=False),
)


async def kept(session: Session) -> list[Silence]:
    """Every silence, in order of its start."""
    rows = await session.execute(sa.select(silences).order_by(silences.c.starts_at, silences.c.id))
    return [_silence(row) for row in rows]


async def save(session: Session, changed: Sequence[Silence]) -> None:
    """Write silences over their rows, or add them."""
    await upsert(session, silences, [_values(silence) for silence in changed])


async def prune(session: Session, before: datetime) -> int:
    """Delete silences that were over before then; answers how many."""
    done = await session.execute(sa.delete(silences).where(silences.c.ends_at < before))
    return int(done.rowcount)


def _values(silence: Silence) -> dict[str, Any]:
    return {
        "id": silence.id,
        "matchers": [[matcher.name, matcher.op, matcher.value] for matcher in silence.matchers],
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
        "created_by": silence.created_by,
        "comment": silence.comment,
        "updated_at": silence.updated_at,
    }


def _silence(row: Any) -> Silence:
    return Silence(
        row.id,
        tuple(Matcher(name, MatchOp(op), value) for name, op, value in row.matchers),
        row.starts_at,
        row.ends_at,
        row.created_by,
        row.comment,
        row.updated_at,
    )
