"""What the pages read across nouns. Each function is a fixed number of queries, however many rows there are."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from opsconsole.db.alerts import alerts, transitions
from opsconsole.db.base import Session
from opsconsole.db.checks import checks, pings
from opsconsole.db.incidents import incident_alerts, incidents
from opsconsole.db.outbox import attempts, outbox


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident as lists show it: with how many of its alerts fire, and how its messages fare.

    `ended_at` is when the last of its findings was first missing; it closes later, when that has lasted.
    """

    id: int
    title: str
    severity: str
    deployment: str
    group_labels: Mapping[str, str]
    opened_at: datetime
    closed_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    assignee: str | None
    snoozed_until: datetime | None
    resolved_by: str | None
    ended_at: datetime | None
    firing: int
    alerts: int
    sent: int
    owed: int
    failed: int

    def lasted(self, now: datetime) -> timedelta:
        """From the first sign to the end, as its messages say it."""
        end = now if self.closed_at is None else self.ended_at or self.closed_at
        return max(end - self.opened_at, timedelta(0))


@dataclass(frozen=True, slots=True)
class AlertRow:
    id: int
    fingerprint: str
    scope: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    value: float | None
    state: str
    active_at: datetime
    fired_at: datetime | None
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class TransitionRow:
    at: datetime
    before: str | None
    after: str | None
    reason: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AttemptRow:
    at: datetime
    seconds: float
    outcome: str
    answer: str


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One message that was owed, and every attempt to deliver it, oldest first."""

    id: int
    receiver: str
    integration: str
    occasion: str
    state: str
    created_at: datetime
    due_at: datetime
    finished_at: datetime | None
    attempts: tuple[AttemptRow, ...]


def _incidents() -> sa.Select[Any]:
    """Counts are looked up for the incidents shown only, so that a long history costs nothing."""
    own = list(IncidentRow.__dataclass_fields__)[:-6]
    firing = sa.func.sum(sa.case((alerts.c.state == "firing", 1), else_=0))
    linked = (
        sa.select(sa.func.coalesce(firing, 0))
        .join_from(incident_alerts, alerts, alerts.c.id == incident_alerts.c.alert_id)
        .where(incident_alerts.c.incident_id == incidents.c.id)
    )
    owed = sa.select(sa.func.count()).select_from(outbox).where(outbox.c.incident_id == incidents.c.id)
    return sa.select(
        *(incidents.c[name] for name in own),
        linked.with_only_columns(sa.func.max(sa.func.coalesce(alerts.c.absent_since, alerts.c.resolved_at))).scalar_subquery(),
        linked.scalar_subquery(),
        linked.with_only_columns(sa.func.count()).scalar_subquery(),
        *(owed.where(outbox.c.state == state).scalar_subquery() for state in ("sent", "owed", "failed")),
    )


_RANK = sa.case({"critical": 0, "high": 1, "warning": 2, "info": 3}, value=incidents.c.severity, else_=4)


async def open_incidents(session: Session, limit: int, deployment: str | None = None) -> list[IncidentRow]:
    """The worst first, then the newest."""
    query = _incidents().where(incidents.c.closed_at.is_(None)).order_by(_RANK, incidents.c.opened_at.desc()).limit(limit)
    if deployment is not None:
        query = query.where(incidents.c.deployment == deployment)
    return [IncidentRow(*row) for row in await session.execute(query)]


async def closed_incidents(
    session: Session, limit: int, before_id: int | None = None, deployment: str | None = None
) -> list[IncidentRow]:
    """The newest first."""
    query = _incidents().where(incidents.c.closed_at.is_not(None)).order_by(incidents.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(incidents.c.id < before_id)
    if deployment is not None:
        query = query.where(incidents.c.deployment == deployment)
    return [IncidentRow(*row) for row in await session.execute(query)]


async def count_open_incidents(session: Session) -> int:
    query = sa.select(sa.func.count()).select_from(incidents).where(incidents.c.closed_at.is_(None))
    return int((await session.execute(query)).scalar_one())


async def incident(session: Session, incident_id: int) -> IncidentRow | None:
    row = (await session.execute(_incidents().where(incidents.c.id == incident_id))).first()
    return IncidentRow(*row) if row else None


def _alerts() -> sa.Select[Any]:
    return sa.select(
        alerts.c.id,
        alerts.c.fingerprint,
        alerts.c.scope,
        alerts.c.labels,
        alerts.c.annotations,
        alerts.c.value,
        alerts.c.state,
        alerts.c.active_at,
        alerts.c.fired_at,
        alerts.c.resolved_at,
    )


async def alerts_of(session: Session, incident_id: int, limit: int) -> list[AlertRow]:
    """An incident's alerts: what still fires first, then the newest."""
    query = (
        _alerts()
        .join(incident_alerts, incident_alerts.c.alert_id == alerts.c.id)
        .where(incident_alerts.c.incident_id == incident_id)
        .order_by(sa.case({"firing": 0, "pending": 1}, value=alerts.c.state, else_=2), alerts.c.active_at.desc(), alerts.c.id)
        .limit(limit)
    )
    return [AlertRow(*row) for row in await session.execute(query)]


async def firing_components(session: Session, limit: int = 2000) -> list[AlertRow]:
    """Firing alerts that speak of one component of a deployment (label `component`)."""
    query = (
        _alerts()
        .where(
            alerts.c.open_fingerprint.is_not(None),
            alerts.c.state == "firing",
            alerts.c.labels["component"].as_string().is_not(None),
        )
        .limit(limit)
    )
    return [AlertRow(*row) for row in await session.execute(query)]


async def open_alerts(session: Session, scope_prefix: str, limit: int = 2000) -> list[AlertRow]:
    """Pending and firing alerts of the scopes that begin so."""
    query = (
        _alerts()
        .where(alerts.c.open_fingerprint.is_not(None), alerts.c.scope.startswith(scope_prefix, autoescape=True))
        .order_by(alerts.c.active_at.desc())
        .limit(limit)
    )
    return [AlertRow(*row) for row in await session.execute(query)]


async def newest_alerts(session: Session, scope_prefix: str, limit: int, deployment: str | None = None) -> list[AlertRow]:
    """Alerts of the scopes that begin so, open or not, the newest first."""
    query = _alerts().where(alerts.c.scope.startswith(scope_prefix, autoescape=True))
    if deployment is not None:
        query = query.where(alerts.c.labels["deployment"].as_string() == deployment)
    query = query.order_by(alerts.c.active_at.desc(), alerts.c.id.desc()).limit(limit)
    return [AlertRow(*row) for row in await session.execute(query)]


async def transitions_of(session: Session, incident_id: int, limit: int) -> list[TransitionRow]:
    """What happened to an incident's alerts, the newest `limit`, oldest first."""
    query = (
        sa.select(transitions.c.at, transitions.c.before, transitions.c.after, transitions.c.reason, alerts.c.labels)
        .join(alerts, alerts.c.id == transitions.c.alert_id)
        .join(incident_alerts, incident_alerts.c.alert_id == alerts.c.id)
        .where(incident_alerts.c.incident_id == incident_id)
        .order_by(transitions.c.at.desc(), transitions.c.id.desc())
        .limit(limit)
    )
    return [TransitionRow(*row) for row in reversed((await session.execute(query)).all())]


async def deliveries_of(session: Session, incident_id: int, limit: int) -> list[DeliveryRow]:
    """The messages of an incident, the newest `limit`, oldest first."""
    query = (
        sa.select(
            outbox.c.id,
            outbox.c.receiver,
            outbox.c.integration,
            outbox.c.occasion,
            outbox.c.state,
            outbox.c.created_at,
            outbox.c.due_at,
            outbox.c.finished_at,
        )
        .where(outbox.c.incident_id == incident_id)
        .order_by(outbox.c.id.desc())
        .limit(limit)
    )
    rows = list(reversed((await session.execute(query)).all()))
    tried = await _attempts(session, [row.id for row in rows])
    return [DeliveryRow(**row._mapping, attempts=tuple(tried[row.id])) for row in rows]


async def _attempts(session: Session, outbox_ids: Sequence[int]) -> dict[int, list[AttemptRow]]:
    query = (
        sa.select(attempts.c.outbox_id, attempts.c.at, attempts.c.seconds, attempts.c.outcome, attempts.c.answer)
        .where(attempts.c.outbox_id.in_(outbox_ids))
        .order_by(attempts.c.id)
    )
    found: dict[int, list[AttemptRow]] = defaultdict(list)
    for row in await session.execute(query):
        found[row[0]].append(AttemptRow(*row[1:]))
    return found


async def recent_beats(session: Session, beats: int) -> dict[int, list[tuple[datetime, str]]]:
    """Of every check's newest `beats` pings the (time, kind) of those that say success or fail, oldest first."""
    query = (
        sa.select(pings.c.check_id, pings.c.at, pings.c.kind)
        .join(checks, checks.c.id == pings.c.check_id)
        .where(pings.c.number > checks.c.pings - beats, pings.c.kind.in_(("success", "fail")))
        .order_by(pings.c.check_id, pings.c.number)
    )
    found: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    for check_id, at, kind in await session.execute(query):
        found[check_id].append((at, kind))
    return found
