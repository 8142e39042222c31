"""What people may do about an incident. Pure: each answers how it then stands, or None where it stands so already."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from opsconsole.alerts.cleaning import fit_text
from opsconsole.model import Handling, Happening, IncidentEvent

MOST_NAME, MOST_TEXT = 200, 4000
"""Characters of a person's name and of a note."""
LONGEST_SNOOZE = timedelta(days=30)
TWICE = timedelta(seconds=30)
"""The same note by the same person within this time is one: a button was pressed twice, or an answer was lost."""


class HandlingError(ValueError):
    """What was asked for makes no sense; the text says why."""


@dataclass(frozen=True, slots=True)
class Step:
    """How an incident stands after it, the line in its diary, and what those who are told read."""

    after: Handling
    event: IncidentEvent
    news: str


def acknowledge(before: Handling, who: str, now: datetime, via: str = "") -> Step | None:
    """The first to do so has it: a second one changes nothing."""
    if before.is_acknowledged:
        return None
    after = replace(before, acknowledged_at=now, acknowledged_by=who)
    return Step(after, IncidentEvent(now, Happening.ACKNOWLEDGED, who, via=via), f"Acknowledged by {who}.")


def unacknowledge(before: Handling, who: str, now: datetime, via: str = "", why: str = "") -> Step | None:
    """Whoever had it has not any more; `why` is the console's own reason, where nobody did it."""
    if not before.is_acknowledged:
        return None
    news = f"The acknowledgement was taken back by {who}." if who else f"No longer acknowledged: {why}."
    after = replace(before, acknowledged_at=None, acknowledged_by="")
    return Step(after, IncidentEvent(now, Happening.UNACKNOWLEDGED, who, why, via), news)


def assign(before: Handling, assignee: str, who: str, now: datetime, via: str = "") -> Step | None:
    """Nobody, where `assignee` is empty."""
    assignee = name(assignee)
    if assignee == before.assignee:
        return None
    news = f"Assigned to {assignee} by {who}." if assignee else f"No longer assigned to {before.assignee}, says {who}."
    return Step(replace(before, assignee=assignee), IncidentEvent(now, Happening.ASSIGNED, who, assignee, via), news)


def note(before: Handling, text: str, who: str, now: datetime, last: IncidentEvent | None, via: str = "") -> Step | None:
    """Raises HandlingError where there is no text."""
    text = fit_text(text).strip()[:MOST_TEXT]
    if not text:
        raise HandlingError("a note has a text")
    event = IncidentEvent(now, Happening.NOTED, who, text, via)
    if last is not None and (last.kind, last.who, last.text) == (event.kind, who, text) and now - last.at <= TWICE:
        return None
    return Step(before, event, f"{who}: {text}")


def snooze(before: Handling, until: datetime, who: str, now: datetime, via: str = "") -> Step | None:
    """Raises HandlingError where `until` is over, or further away than `LONGEST_SNOOZE`."""
    if until <= now:
        raise HandlingError("a snooze ends in the future")
    if until - now > LONGEST_SNOOZE:
        raise HandlingError(f"a snooze lasts {LONGEST_SNOOZE.days} days at most")
    until = until.astimezone(UTC)
    if until == before.snoozed_until:
        return None
    at = f"{until:%Y-%m-%d %H:%M:%S} UTC"
    event = IncidentEvent(now, Happening.SNOOZED, who, f"until {at}", via)
    return Step(replace(before, snoozed_until=until), event, f"Snoozed until {at} by {who}.")


def unsnooze(before: Handling, who: str, now: datetime, via: str = "") -> Step | None:
    """What is told from now on is what happens from now on."""
    if not before.snoozed(now):
        return None
    event = IncidentEvent(now, Happening.UNSNOOZED, who, via=via)
    return Step(replace(before, snoozed_until=None), event, f"The snooze was ended by {who}.")


def name(text: str) -> str:
    """A person's name as it is kept: one line, not too long."""
    return " ".join(fit_text(text).split())[:MOST_NAME]
