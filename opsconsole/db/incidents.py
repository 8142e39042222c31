"""Incidents (alert groups over time) and the groups' notification state."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from opsconsole.db.base import BigId, Json, Session, UtcTime, metadata
from opsconsole.model import Handling, Labels

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
    sa.Column("assignee", sa.Text),
    sa.Column("snoozed_until", UtcTime),
    sa.Column("resolved_by", sa.Text),  # who said it is over, where a person did: its alerts are not told until they end
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


@dataclass(frozen=True, slots=True)
class Opened:
    """An open incident; `is_new` where it was made just now."""

    id: int
    opened_at: datetime
    is_new: bool


async def open_incident(
    session: Session, group_labels: Labels, title: str, severity: str, opened_at: datetime, deployment: str
) -> Opened:
    """The open incident of these group labels, made where there is none."""
    key = repr(group_labels)
    known = (
        await session.execute(sa.select(incidents.c.id, incidents.c.opened_at).where(incidents.c.open_key == key))
    ).one_or_none()
    if known is not None:
        return Opened(known.id, known.opened_at, is_new=False)
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
    return Opened(made.inserted_primary_key.id, opened_at, is_new=True)


async def refresh_incident(session: Session, incident_id: int, title: str, severity: str) -> bool:
    """Bring an open incident's title and severity up to date; False where it has been closed."""
    done = await session.execute(
        sa.update(incidents)
        .where(incidents.c.id == incident_id, incidents.c.closed_at.is_(None))
        .values(title=title, severity=severity)
    )
    return bool(done.rowcount)


async def close_incident(session: Session, incident_id: int, closed_at: datetime, resolved_by: str | None = None) -> bool:
    """False where it is closed already. `resolved_by` is the person who said that it is over; its alerts may still fire."""
    done = await session.execute(
        sa.update(incidents)
        .where(incidents.c.id == incident_id, incidents.c.closed_at.is_(None))
        .values(closed_at=closed_at, open_key=None, resolved_by=resolved_by)
    )
    return bool(done.rowcount)


@dataclass(frozen=True, slots=True)
class HandledRow:
    """An incident as those who handle it need it."""

    id: int
    group_labels: Labels
    severity: str
    opened_at: datetime
    closed_at: datetime | None
    handling: Handling


async def handled(session: Session, incident_id: int) -> HandledRow | None:
    """The incident, kept from other writers until the transaction ends."""
    query = sa.select(incidents).where(incidents.c.id == incident_id).with_for_update()
    row = (await session.execute(query)).one_or_none()
    return None if row is None else _handled(row)


async def open_handled(session: Session) -> list[HandledRow]:
    """Every open incident."""
    return [_handled(row) for row in await session.execute(sa.select(incidents).where(incidents.c.closed_at.is_(None)))]


async def save_handling(session: Session, incident_id: int, handling: Handling) -> None:
    await session.execute(
        sa.update(incidents)
        .where(incidents.c.id == incident_id)
        .values(
            acknowledged_at=handling.acknowledged_at,
            acknowledged_by=handling.acknowledged_by or None,
            assignee=handling.assignee or None,
            snoozed_until=handling.snoozed_until,
        )
    )


def _handled(row: Any) -> HandledRow:
    handling = Handling(row.acknowledged_at, row.acknowledged_by or "", row.assignee or "", row.snoozed_until)
    return HandledRow(row.id, Labels(row.group_labels), row.severity, row.opened_at, row.closed_at, handling)


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
