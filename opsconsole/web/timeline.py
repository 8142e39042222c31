"""An incident's story, in order of time, from what the alerts did and what was told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from opsconsole.db.overview import AlertRow, DeliveryRow, IncidentRow, TransitionRow
from opsconsole.web.words import count, duration

_MOST_ALIKE = 3
_DID = {
    "opened": "message sent",
    "changed": "message updated",
    "repeated": "message repeated",
    "resolved": "told the recovery",
    "handled": "message updated",
}


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` is what the bullet looks like: down, ok, sent, failed or plain."""

    at: datetime
    text: str
    kind: str = "plain"
    note: str = ""


def timeline(
    incident: IncidentRow,
    alerts: Sequence[AlertRow],
    transitions: Sequence[TransitionRow],
    deliveries: Sequence[DeliveryRow],
) -> list[Event]:
    """Oldest first; what many alerts did in the same second is one line."""
    begun = min((alert.active_at for alert in alerts), default=None)
    events = [Event(begun, "first seen")] if begun and (not transitions or begun < transitions[0].at) else []
    events += _folded(transitions)
    events += [event for delivery in deliveries for event in _told(delivery)]
    if incident.acknowledged_at:
        events.append(Event(incident.acknowledged_at, f"acknowledged by {incident.acknowledged_by}"))
    if incident.closed_at:
        lasted = duration(incident.lasted(incident.closed_at))
        events.append(Event(incident.closed_at, f"incident closed; it lasted {lasted}", "ok"))
    return sorted(events, key=lambda event: event.at)


def _folded(transitions: Sequence[TransitionRow]) -> list[Event]:
    alike: dict[tuple[datetime, str | None, str | None], list[TransitionRow]] = {}
    for change in transitions:
        alike.setdefault((change.at.replace(microsecond=0), change.before, change.after), []).append(change)
    return [_changed(group) for group in alike.values()]


def _changed(group: Sequence[TransitionRow]) -> Event:
    first = group[0]
    names = list(dict.fromkeys(_name(change) for change in group))
    who = ", ".join(names[:_MOST_ALIKE]) if len(group) <= _MOST_ALIKE else count(len(group), "alert")
    did = {"pending": "noticed", "firing": "fired", "resolved": "resolved", None: "went away before it fired"}
    kind = {"firing": "down", "resolved": "ok"}.get(first.after or "", "plain")
    return Event(first.at, f"{who} {did.get(first.after, first.after)}", kind, first.reason if first.reason != "found" else "")


def _name(change: TransitionRow) -> str:
    labels = change.labels
    what = [labels[name] for name in ("dag_id", "task_id", "component", "slug", "sla") if labels.get(name)]
    return " ".join([labels.get("alertname", "alert"), *(["·", ".".join(what)] if what else [])])


def _told(delivery: DeliveryRow) -> list[Event]:
    where = f"{delivery.receiver}/{delivery.integration}"
    events = []
    for attempt in delivery.attempts:
        if attempt.outcome == "delivered":
            words = f"{where}: {_DID.get(delivery.occasion, delivery.occasion)} ({attempt.seconds * 1000:.0f} ms)"
            events.append(Event(attempt.at, words, "sent"))
        else:
            again = "will be tried again" if attempt.outcome == "retry" else "given up"
            events.append(Event(attempt.at, f"{where}: not delivered, {again}", "failed", attempt.answer))
    return events
