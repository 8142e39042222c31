"""Writing what a group's flush comes to: incident, links, outbox rows and the group's told state, in one transaction."""

from dataclasses import dataclass, replace
from datetime import datetime

from opsconsole import db
from opsconsole.alerts.groups import Groups, Plan
from opsconsole.alerts.handling import unacknowledge
from opsconsole.db.incidents import GroupRow
from opsconsole.model import (
    NOBODY,
    Alert,
    Handling,
    Happening,
    IncidentEvent,
    Integration,
    Labels,
    Notification,
    Occasion,
    headline,
    worst_severity,
)

UNASSIGNED = "unassigned"
"""The deployment of what others post without a label that says it."""


@dataclass(frozen=True, slots=True)
class Flushed:
    """What was written; memory follows it once it is committed."""

    plan: Plan
    incident_id: int | None
    opened_at: datetime | None
    opened: bool = False
    closed: bool = False
    handling: Handling | None = None
    """Who has the incident in hand now, where that was written."""


@dataclass(frozen=True, slots=True)
class _Incident:
    """The group's incident; `is_new` where this flush opens it."""

    id: int
    opened_at: datetime
    handling: Handling
    is_new: bool = False


async def write(session: db.Session, plan: Plan, groups: Groups, now: datetime) -> Flushed:
    """Write one plan; a group that has nothing to tell and nothing to end costs no statement."""
    group = plan.group
    closes = group.incident_id is not None and plan.ends and not groups.incident_fires(group)
    if plan.decision is None and not closes:
        if plan.ends and group.incident_id is not None:
            await db.incidents.delete_groups(session, [group.key])
        return unwritten(plan)
    incident = await _incident(session, plan, groups.handling(group.labels), now)
    await db.incidents.link_alerts(session, incident.id, plan.linked)
    for integration, decision in plan.owed:
        notification = _notification(plan, incident, decision.occasion, integration, now)
        await db.outbox.owe(session, integration.name, [notification], now)
    closed = closes and await db.incidents.close_incident(session, incident.id, _last_end(plan, now))
    await _note(session, plan, incident, closed, now)
    if plan.ends:
        await db.incidents.delete_groups(session, [group.key])
    else:
        flush_at = groups.next_flush(group, now)
        await db.incidents.save_group(session, _row(plan, incident.id, incident.opened_at, flush_at))
    opened = group.incident_id != incident.id
    return Flushed(plan, incident.id, incident.opened_at, opened=opened, closed=closes, handling=incident.handling)


def unwritten(plan: Plan) -> Flushed:
    """Of a group that has nothing to write."""
    return Flushed(plan, plan.group.incident_id, plan.group.opened_at)


async def _note(session: db.Session, plan: Plan, incident: _Incident, closed: bool, now: datetime) -> None:
    """Write what happened into the incident's diary."""
    if incident.is_new:
        await db.incident_events.add(session, incident.id, IncidentEvent(now, Happening.OPENED))
    elif plan.decision and plan.decision.occasion is Occasion.CHANGED:
        changed = IncidentEvent(now, Happening.CHANGED, text=plan.decision.reason)
        if await db.incident_events.last(session, incident.id) != changed:  # another route's group may have said so
            await db.incident_events.add(session, incident.id, changed)
    if closed:
        await db.incident_events.add(session, incident.id, IncidentEvent(now, Happening.CLOSED))


async def _incident(session: db.Session, plan: Plan, handling: Handling, now: datetime) -> _Incident:
    """The group's incident, brought up to date; another one where it has none, or a group that shares it has closed it."""
    group = plan.group
    if group.incident_id is None or group.opened_at is None:
        return await _open(session, plan, handling, now)
    if plan.firing:
        handling = await _unless_worse(session, group.incident_id, plan, handling, now)
        title, severity = headline(group.labels, plan.firing), _severity(plan.firing)
        if not await db.incidents.refresh_incident(session, group.incident_id, title, severity):
            return await _open(session, plan, NOBODY, now)
    return _Incident(group.incident_id, group.opened_at, handling)


async def _unless_worse(session: db.Session, incident_id: int, plan: Plan, handling: Handling, now: datetime) -> Handling:
    """Who acknowledged a warning has not acknowledged that it is critical now."""
    if not handling.is_acknowledged:
        return handling
    row, severity = await db.incidents.handled(session, incident_id), _severity(plan.firing)
    if row is None or row.closed_at is not None:
        return handling
    if not row.handling.is_acknowledged or worst_severity([row.severity, severity]) == row.severity:
        return row.handling
    step = unacknowledge(row.handling, "", now, why=f"{row.severity} became {severity}")
    assert step is not None
    await db.incident_events.add(session, incident_id, step.event)
    await db.incidents.save_handling(session, incident_id, step.after)
    return step.after


async def _open(session: db.Session, plan: Plan, handling: Handling, now: datetime) -> _Incident:
    alerts = plan.firing or plan.resolved
    began = min((alert.active_at for alert in alerts), default=now)
    labels = plan.group.labels
    title, severity, deployment = headline(labels, alerts), _severity(alerts), _deployment(labels, alerts)
    known = await db.incidents.open_incident(session, labels, title, severity, began, deployment)
    return _Incident(known.id, known.opened_at, NOBODY if known.is_new else handling, known.is_new)


def _deployment(group_labels: Labels, alerts: tuple[Alert, ...]) -> str:
    """Whose incident it is: the one deployment of its group or alerts. What others post without saying is nobody's."""
    if "deployment" in group_labels:
        return group_labels["deployment"]
    named = {alert.labels.get("deployment") or (UNASSIGNED if alert.ends_at else "") for alert in alerts}
    return named.pop() if len(named) == 1 else ""


def _notification(plan: Plan, incident: _Incident, occasion: Occasion, integration: Integration, now: datetime) -> Notification:
    group = plan.group
    return Notification(
        key=f"{incident.id}/{group.key}/{plan.told.sequence}",
        incident_id=incident.id,
        receiver=group.route.receiver,
        group_labels=group.labels,
        occasion=occasion,
        at=now,
        opened_at=incident.opened_at,
        closed_at=_last_end(plan, now) if occasion is Occasion.RESOLVED else None,
        firing=plan.firing,
        resolved=plan.resolved if integration.send_resolved else (),
        group_key=group.key,
        handling=incident.handling,
    )


def _last_end(plan: Plan, now: datetime) -> datetime:
    return max((alert.resolved_at for _, alert in plan.members if alert.resolved_at), default=now)


def _row(plan: Plan, incident_id: int, opened_at: datetime, flush_at: datetime) -> GroupRow:
    group, told = plan.group, plan.told
    return GroupRow(
        key=group.key,
        receiver=group.route.receiver,
        incident_id=incident_id,
        opened_at=opened_at,
        group_labels=group.labels,
        created_at=group.created_at,
        flush_at=flush_at,
        notified_at=told.at,
        firing=told.firing,
        resolved=told.resolved,
        sequence=told.sequence,
    )


def apply(flushed: Flushed, groups: Groups, now: datetime) -> None:
    """Bring a group up to what was committed. Its resolved alerts have been told, or nobody needed to know of them."""
    plan, group = flushed.plan, flushed.plan.group
    group.told, group.incident_id, group.opened_at = plan.told, flushed.incident_id, flushed.opened_at
    if flushed.closed:
        groups.forget_handling(group.labels)
    elif flushed.handling is not None and flushed.handling != groups.handling(group.labels):
        groups.handle(group.labels, flushed.handling, now)
    group.flush_at, group.looked = groups.next_flush(group, now), True
    for held, alert in plan.members:
        if alert.resolved_at is not None and group.members.get(alert.labels) is held:
            del group.members[alert.labels]
    if not group.members:
        groups.drop(group)


def restore(row: GroupRow, groups: Groups) -> bool:
    """Give a group back what its receiver was told before a restart; False where no such group lives."""
    group = groups.get(row.key)
    if group is None:
        return False
    group.incident_id, group.opened_at, group.created_at = row.incident_id, row.opened_at, row.created_at
    group.flush_at, group.looked = row.flush_at, True
    group.told = replace(group.told, at=row.notified_at, firing=row.firing, resolved=row.resolved, sequence=row.sequence)
    return True


def _severity(alerts: tuple[Alert, ...]) -> str:
    return worst_severity(alert.labels["severity"] for alert in alerts if "severity" in alert.labels)
