"""Alerts and the history of their states. One row is one episode: from a finding's first sight to its end."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from opsconsole.db.base import BigId, Json, Session, UtcTime, metadata
from opsconsole.db.incidents import incident_alerts, incidents
from opsconsole.model import Alert, AlertState, Labels, Transition

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("fingerprint", sa.String(16), nullable=False, index=True),
    # The fingerprint while the alert is pending or firing, null once it is resolved: one open episode at most.
    sa.Column("open_fingerprint", sa.String(16), unique=True),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("labels", Json, nullable=False),
    sa.Column("annotations", Json, nullable=False),
    sa.Column("value", sa.Float),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("active_at", UtcTime, nullable=False),
    sa.Column("fired_at", UtcTime),
    sa.Column("absent_since", UtcTime),
    sa.Column("resolved_at", UtcTime, index=True),
    sa.Column("keep_firing_for", sa.Float, nullable=False, default=0.0),  # seconds
    # Of posted alerts:
    sa.Column("ends_at", UtcTime),
    sa.Column("times_out", sa.Boolean, nullable=False, default=False, server_default=sa.false()),
    sa.Column("updated_at", UtcTime),
    sa.Column("generator_url", sa.Text, nullable=False, default="", server_default=""),
)

transitions = sa.Table(
    "transitions",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("alert_id", BigId, sa.ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("at", UtcTime, nullable=False, index=True),
    sa.Column("before", sa.String(10)),
    sa.Column("after", sa.String(10)),
    sa.Column("reason", sa.Text, nullable=False),
)


async def open_alerts(session: Session) -> list[tuple[int, Alert]]:
    """Every pending and firing alert, with its row's id."""
    rows = await session.execute(sa.select(alerts).where(alerts.c.open_fingerprint.is_not(None)).order_by(alerts.c.id))
    return [(row.id, alert_of(row)) for row in rows]


async def resolved_of_open_incidents(session: Session) -> list[tuple[int, int, Alert]]:
    """(incident id, alert id, alert) of alerts that have resolved while their incident has not been closed yet."""
    query = (
        sa.select(incident_alerts.c.incident_id, alerts)
        .join(incident_alerts, incident_alerts.c.alert_id == alerts.c.id)
        .join(incidents, incidents.c.id == incident_alerts.c.incident_id)
        .where(incidents.c.closed_at.is_(None), alerts.c.resolved_at.is_not(None))
        .order_by(alerts.c.id)
    )
    return [(row.incident_id, row.id, alert_of(row)) for row in await session.execute(query)]


async def let_go(session: Session) -> list[tuple[int, Labels]]:
    """(alert id, group labels) of alerts that are open still although a person has resolved their incident of these labels."""
    query = (
        sa.select(incident_alerts.c.alert_id, incidents.c.group_labels)
        .join(incidents, incidents.c.id == incident_alerts.c.incident_id)
        .join(alerts, alerts.c.id == incident_alerts.c.alert_id)
        .where(incidents.c.resolved_by.is_not(None), alerts.c.open_fingerprint.is_not(None))
    )
    return [(row.alert_id, Labels(row.group_labels)) for row in await session.execute(query)]


async def add(session: Session, new: Sequence[Alert]) -> list[int]:
    """Begin episodes; answers their rows' ids in the order given."""
    if not new:
        return []
    statement = sa.insert(alerts).returning(alerts.c.id, sort_by_parameter_order=True)
    return [row.id for row in await session.execute(statement, [_values(alert) for alert in new])]


async def save(session: Session, known: Sequence[tuple[int, Alert]]) -> None:
    """Write alerts over their rows."""
    if not known:
        return
    await session.execute(
        sa.update(alerts).where(alerts.c.id == sa.bindparam("row_id")),
        [{"row_id": row_id, **_values(alert)} for row_id, alert in known],
    )


async def prolong(session: Session, known: Sequence[tuple[int, Alert]]) -> None:
    """Write when alerts of which nothing else changed were last posted, and their ends: a statement for all that share them."""
    alike: dict[tuple[datetime | None, bool, datetime | None], list[int]] = {}
    for row_id, alert in known:
        alike.setdefault((alert.ends_at, alert.times_out, alert.updated_at), []).append(row_id)
    for (ends_at, times_out, updated_at), ids in alike.items():
        for part in _parts(ids):
            values = {"ends_at": ends_at, "times_out": times_out, "updated_at": updated_at}
            await session.execute(sa.update(alerts).where(alerts.c.id.in_(part)).values(values))


async def forget(session: Session, ids: Sequence[int]) -> None:
    """Delete episodes that never fired."""
    for part in _parts(ids):
        await session.execute(sa.delete(transitions).where(transitions.c.alert_id.in_(part)))
        await session.execute(sa.delete(alerts).where(alerts.c.id.in_(part)))


async def note(session: Session, changes: Sequence[tuple[int, Transition]]) -> None:
    """Add transitions to the alerts' histories."""
    if changes:
        await session.execute(
            sa.insert(transitions),
            [
                {
                    "alert_id": row_id,
                    "at": change.at,
                    "before": change.before,
                    "after": change.alert.state if change.alert else None,
                    "reason": change.reason,
                }
                for row_id, change in changes
            ],
        )


async def prune(session: Session, before: datetime) -> int:
    """Delete episodes that resolved before then; answers how many."""
    done = await session.execute(sa.delete(alerts).where(alerts.c.resolved_at < before))
    return int(done.rowcount)


def alert_of(row: Any) -> Alert:
    """A row of `alerts` as an `Alert`."""
    return Alert(
        labels=Labels(row.labels),
        scope=row.scope,
        state=AlertState(row.state),
        active_at=row.active_at,
        annotations=row.annotations,
        value=row.value,
        keep_firing_for=timedelta(seconds=row.keep_firing_for),
        fired_at=row.fired_at,
        absent_since=row.absent_since,
        resolved_at=row.resolved_at,
        ends_at=row.ends_at,
        times_out=row.times_out,
        updated_at=row.updated_at,
        generator_url=row.generator_url,
    )


def _values(alert: Alert) -> dict[str, Any]:
    fingerprint = alert.fingerprint
    return {
        "fingerprint": fingerprint,
        "open_fingerprint": None if alert.state is AlertState.RESOLVED else fingerprint,
        "scope": alert.scope,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "value": alert.value if alert.value is not None and math.isfinite(alert.value) else None,
        "state": alert.state,
        "active_at": alert.active_at,
        "fired_at": alert.fired_at,
        "absent_since": alert.absent_since,
        "resolved_at": alert.resolved_at,
        "keep_firing_for": alert.keep_firing_for.total_seconds(),
        "ends_at": alert.ends_at,
        "times_out": alert.times_out,
        "updated_at": alert.updated_at,
        "generator_url": alert.generator_url,
    }


def _parts(ids: Sequence[int], most: int = 500) -> list[Sequence[int]]:
    return [ids[start : start + most] for start in range(0, len(ids), most)]
