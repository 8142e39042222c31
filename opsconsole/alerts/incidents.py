"""What people do about incidents: each is one transaction with the diary's line and what is owed for it.

Memory follows the database, as in the keeper, whose alerts and groups stand still meanwhile.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from opsconsole import db
from opsconsole.alerts import handling
from opsconsole.alerts.groups import Group, Groups
from opsconsole.alerts.handling import Step
from opsconsole.alerts.keeper import AlertKeeper
from opsconsole.db.incidents import HandledRow
from opsconsole.model import Alert, AlertState, Handling, Happening, IncidentEvent, Integration, Notification, Occasion


class UnknownIncident(LookupError):
    """There is no incident of this id."""


class IncidentOver(Exception):
    """The incident is closed already, and nothing but a note can be added."""


class Decide(Protocol):
    def __call__(self, before: Handling, last: IncidentEvent | None) -> Step | None: ...


class Incidents:
    """Every verb says who does it and (in `via`) from where, answers how the incident then stands, and does nothing twice.

    Raises UnknownIncident; IncidentOver where the incident is closed; HandlingError where what is asked for makes no sense.
    """

    def __init__(self, database: db.Database, keeper: AlertKeeper, on_change: Callable[[], None] = lambda: None) -> None:
        self._db, self._keeper, self._on_change = database, keeper, on_change

    async def acknowledge(self, incident_id: int, who: str, now: datetime, via: str = "") -> Handling:
        """Somebody has seen to it: no repeats, until it gets worse."""
        who = handling.name(who)
        return await self._do(incident_id, now, lambda before, last: handling.acknowledge(before, who, now, via))

    async def unacknowledge(self, incident_id: int, who: str, now: datetime, via: str = "") -> Handling:
        who = handling.name(who)
        return await self._do(incident_id, now, lambda before, last: handling.unacknowledge(before, who, now, via))

    async def assign(self, incident_id: int, assignee: str, who: str, now: datetime, via: str = "") -> Handling:
        """An empty `assignee` is nobody."""
        who = handling.name(who)
        return await self._do(incident_id, now, lambda before, last: handling.assign(before, assignee, who, now, via))

    async def note(self, incident_id: int, text: str, who: str, now: datetime, via: str = "") -> Handling:
        """May be added to a closed incident too."""
        who = handling.name(who)
        return await self._do(incident_id, now, lambda before, last: handling.note(before, text, who, now, last, via), True)

    async def snooze(self, incident_id: int, until: datetime, who: str, now: datetime, via: str = "") -> Handling:
        """Nothing is told before `until`; what still fires then is told once more."""
        who = handling.name(who)
        return await self._do(incident_id, now, lambda before, last: handling.snooze(before, until, who, now, via))

    async def unsnooze(self, incident_id: int, who: str, now: datetime, via: str = "") -> Handling:
        who = handling.name(who)
        return await self._do(incident_id, now, lambda before, last: handling.unsnooze(before, who, now, via))

    async def resolve(self, incident_id: int, who: str, now: datetime, via: str = "") -> None:
        """It is over, says a person: told as resolved, and its alerts are not told any more until they really end."""
        await asyncio.shield(self._resolve(incident_id, IncidentEvent(now, Happening.RESOLVED, handling.name(who), via=via)))

    async def _do(self, incident_id: int, now: datetime, decide: Decide, even_closed: bool = False) -> Handling:
        """To its end, though who asked has gone: memory must not miss what was committed."""
        return await asyncio.shield(self._change(incident_id, now, decide, even_closed))

    async def _change(self, incident_id: int, now: datetime, decide: Decide, even_closed: bool) -> Handling:
        async with self._keeper.standing_still() as groups:
            async with self._db.begin() as session:
                row = await _row(session, incident_id)
                if row.closed_at is not None and not even_closed:
                    raise IncidentOver
                step = decide(row.handling, await db.incident_events.last(session, incident_id))
                if step is None:
                    return row.handling
                number = await db.incident_events.add(session, incident_id, step.event)
                if row.closed_at is None:
                    await db.incidents.save_handling(session, incident_id, step.after)
                    await self._tell(session, groups, row, step, number, now)
            if row.closed_at is None:
                groups.handle(row.group_labels, step.after, now)
        self._on_change()
        return step.after

    async def _tell(self, session: db.Session, groups: Groups, row: HandledRow, step: Step, number: int, now: datetime) -> None:
        for group in _told(groups, row):
            firing = tuple(alert for alert in _heard(group) if alert.state is AlertState.FIRING)
            key = f"{row.id}/{group.key}/{group.told.sequence}/handled/{number}"
            notification = replace(
                _notification(row, group, key, Occasion.HANDLED, now), firing=firing, handling=step.after, news=step.news
            )
            # Where none fires any more, the recovery is about to be told, and it says who had the incident in hand.
            await _owe(session, notification, self._listening(group) if firing else (), now)

    def _listening(self, group: Group) -> Sequence[Integration]:
        return [integration for integration in self._keeper.integrations(group) if integration.send_handling]

    async def _resolve(self, incident_id: int, event: IncidentEvent) -> None:
        now = event.at
        async with self._keeper.standing_still() as groups:
            async with self._db.begin() as session:
                row = await _row(session, incident_id)
                if row.closed_at is not None:
                    return
                await db.incident_events.add(session, incident_id, event)
                gone = groups.alike(row.group_labels)
                members = {held.id for group in gone for held in group.members.values()}
                await db.incidents.link_alerts(session, incident_id, sorted(members))
                for group in _told(groups, row):
                    await self._tell_end(session, group, row, event)
                await db.incidents.delete_groups(session, [group.key for group in gone])
                await db.incidents.close_incident(session, incident_id, now, event.who)
            groups.let_go(row.group_labels)
        self._on_change()

    async def _tell_end(self, session: db.Session, group: Group, row: HandledRow, event: IncidentEvent) -> None:
        key = f"{row.id}/{group.key}/{group.told.sequence + 1}"
        notification = replace(
            _notification(row, group, key, Occasion.RESOLVED, event.at),
            closed_at=event.at,
            resolved=tuple(_ended(alert, event.at) for alert in _heard(group)),
            handling=row.handling,
            news=f"Resolved by hand by {event.who}.",
        )
        await _owe(session, notification, [one for one in self._keeper.integrations(group) if one.send_resolved], event.at)


async def _row(session: db.Session, incident_id: int) -> HandledRow:
    row = await db.incidents.handled(session, incident_id)
    if row is None:
        raise UnknownIncident(incident_id)
    return row


def _told(groups: Groups, row: HandledRow) -> list[Group]:
    """The incident's groups of which somebody was told that something fires."""
    return [group for group in groups.alike(row.group_labels) if group.incident_id == row.id and group.told.firing]


def _heard(group: Group) -> list[Alert]:
    """The alerts that were told as firing, as they are now, oldest first."""
    heard = [held.alert for held in group.members.values() if held.fingerprint in group.told.firing]
    return sorted(heard, key=lambda alert: (alert.active_at, alert.labels.pairs))


def _ended(alert: Alert, at: datetime) -> Alert:
    return alert if alert.state is AlertState.RESOLVED else replace(alert, state=AlertState.RESOLVED, resolved_at=at)


def _notification(row: HandledRow, group: Group, key: str, occasion: Occasion, at: datetime) -> Notification:
    return Notification(
        key, row.id, group.route.receiver, group.labels, occasion, at, row.opened_at, None, (), (), group_key=group.key
    )


async def _owe(session: db.Session, notification: Notification, integrations: Iterable[Integration], now: datetime) -> None:
    for integration in integrations:
        await db.outbox.owe(session, integration.name, [notification], now)
