"""Incidents (alert groups over time) and the groups' notification state."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from opsconsole.db.base import BigId, Json, Session, UtcTime, metadata
from opsconsole.model import Labels

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("group_labels", Json, nullable=False),
    # The group labels as text while the incident is open, null once it is closed: one open incident a group at most.
    sa.Column("open_key", sa.Text, unique=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("severity", sa.String(20), nullable=False),
    sa.Column("deployment", sa.Text, nullable=False, default="", index=True),
    sa.Column("opened_at", UtcTime, nullable=False, index=True),
    sa.Column("closed_at", UtcTime, index=True),
    sa.Column("acknowledged_at", UtcTime),
    sa.Column("acknowledged_by", sa.Text),
)

incident_alerts = sa.Table(
    "incident_alerts",
    metadata,
    sa.Column("incident_id", BigId, sa.ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("alert_id", BigId, sa.ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True, index=True),
)

groups = sa.Table(
    "groups",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),  # Alertmanager's group key: route path and group labels
    sa.Column("receiver", sa.Text, nullable=False),
    sa.Column("incident_id", BigId, sa.ForeignKey("incidents.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("flush_at", UtcTime, nullable=False, index=True),  # when the group is next looked at
    sa.Column("notified_at", UtcTime),
    sa.Column("notified_firing", Json, nullable=False),  # fingerprints last told as firing
    sa.Column("notified_resolved", Json, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False, default=0),  # notifications so far; part of the idempotency key
)


@dataclass(frozen=True, slots=True)
class GroupRow:
    """An alert group that was told before, with its open incident."""

    key: str
    receiver: str
    incident_id: int
    opened_at: datetime
    group_labels: Labels
    created_at: datetime
    flush_at: datetime
    notified_at: datetime | None
    firing: frozenset[str]
    resolved: frozenset[str]
    sequence: int


async def open_incident(
    session: Session, group_labels: Labels, title: str, severity: str, opened_at: datetime, deployment: str
) -> tuple[int, datetime]:
    """The open incident of these group labels, made where there is none: its id, and since when it is open."""
    key = repr(group_labels)
    known = (
        await session.execute(sa.select(incidents.c.id, incidents.c.opened_at).where(incidents.c.open_key == key))
    ).one_or_none()
    if known is not None:
        return known.id, known.opened_at
    made = await session.execute(
        sa.insert(incidents).values(
            group_labels=dict(group_labels),
            open_key=key,
            title=title,
            severity=severity,
            deployment=deployment,
            opened_at=opened_at,
        )
    )
    assert made.inserted_primary_key is not None
    return made.inserted_primary_key.id, opened_at


async def refresh_incident(session: Session, incident_id: int, title: str, severity: str) -> bool:
    """False where the incident has been closed."""
    done = await session.execute(
        sa.update(incidents)
        .where(incidents.c.id == incident_id, incidents.c.closed_at.is_(None))
        .values(title=title, severity=severity)
    )
    return bool(done.rowcount)


async def close_incident(session: Session, incident_id: int, closed_at: datetime) -> None:
    await session.execute(
        sa.update(incidents)
        .where(incidents.c.id == incident_id, incidents.c.closed_at.is_(None))
        .values(closed_at=closed_at, open_key=None)
    )


async def link_alerts(session: Session, incident_id: int, alert_ids: Sequence[int]) -> None:
    """Make the alerts part of the incident; those that are already stay so."""
    if not alert_ids:
        return
    make = sqlite.insert if session.dialect.name == "sqlite" else postgresql.insert
    await session.execute(
        make(incident_alerts).on_conflict_do_nothing(),
        [{"incident_id": incident_id, "alert_id": alert_id} for alert_id in alert_ids],
    )


async def save_group(session: Session, row: GroupRow) -> None:
    values = {
        "receiver": row.receiver,
        "incident_id": row.incident_id,
        "flush_at": row.flush_at,
        "notified_at": row.notified_at,
        "notified_firing": sorted(row.firing),
        "notified_resolved": sorted(row.resolved),
        "sequence": row.sequence,
    }
    make = sqlite.insert if session.dialect.name == "sqlite" else postgresql.insert
    await session.execute(
        make(groups)
        .values(key=row.key, created_at=row.created_at, **values)
        .on_conflict_do_update(index_elements=[groups.c.key], set_=values)
    )


async def delete_groups(session: Session, keys: Iterable[str]) -> None:
    for key in keys:
        await session.execute(sa.delete(groups).where(groups.c.key == key))


async def told_groups(session: Session) -> list[GroupRow]:
    query = sa.select(groups, incidents.c.group_labels, incidents.c.opened_at).join(
        incidents, incidents.c.id == groups.c.incident_id
    )
    return [
        GroupRow(
            key=row.key,
            receiver=row.receiver,
            incident_id=row.incident_id,
            opened_at=row.opened_at,
            group_labels=Labels(row.group_labels),
            created_at=row.created_at,
            flush_at=row.flush_at,
            notified_at=row.notified_at,
            firing=frozenset(row.notified_firing),
            resolved=frozenset(row.notified_resolved),
            sequence=row.sequence,
        )
        for row in await session.execute(query)
    ]


async def close_orphans(session: Session, live: Collection[Labels], at: datetime) -> int:
    """Close open incidents whose group labels no alert group has any more; answers how many."""
    keys = {repr(labels) for labels in live}
    query = sa.select(incidents.c.id, incidents.c.open_key).where(incidents.c.closed_at.is_(None))
    orphans = [row.id for row in await session.execute(query) if row.open_key not in keys]
    for incident_id in orphans:
        await close_incident(session, incident_id, at)
    return len(orphans)


async def prune(session: Session, before: datetime) -> int:
    """Delete incidents that were closed before then, with their deliveries; answers how many."""
    done = await session.execute(sa.delete(incidents).where(incidents.c.closed_at < before))
    return int(done.rowcount)
