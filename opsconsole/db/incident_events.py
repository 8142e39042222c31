"""The incidents' diaries: what people did about them, and what the console did by itself."""

from collections.abc import Sequence

import sqlalchemy as sa

from opsconsole.db.base import BigId, Session, UtcTime, metadata
from opsconsole.model import Happening, IncidentEvent

incident_events = sa.Table(
    "incident_events",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("incident_id", BigId, sa.ForeignKey("incidents.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("via", sa.String(20), nullable=False),
)


async def add(session: Session, incident_id: int, event: IncidentEvent) -> int:
    """Write a line; answers its number."""
    values = {"at": event.at, "kind": event.kind, "who": event.who, "text": event.text, "via": event.via}
    made = await session.execute(sa.insert(incident_events).values(incident_id=incident_id, **values))
    assert made.inserted_primary_key is not None
    return int(made.inserted_primary_key.id)


async def of(session: Session, incident_id: int, limit: int) -> Sequence[IncidentEvent]:
    """An incident's newest `limit` lines, oldest first."""
    query = (
        sa.select(incident_events)
        .where(incident_events.c.incident_id == incident_id)
        .order_by(incident_events.c.id.desc())
        .limit(limit)
    )
    rows = (await session.execute(query)).all()
    return [IncidentEvent(row.at, Happening(row.kind), row.who, row.text, row.via) for row in reversed(rows)]


async def last(session: Session, incident_id: int) -> IncidentEvent | None:
    """The newest line."""
    return next(iter(await of(session, incident_id, 1)), None)
