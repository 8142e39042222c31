"""What people do about an incident, and its diary."""

import enum
from dataclasses import dataclass
from datetime import datetime


class Happening(enum.StrEnum):
    """What an incident's diary holds. What alerts did and what was sent is kept with them."""

    OPENED = "opened"
    CHANGED = "changed"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    ASSIGNED = "assigned"
    NOTED = "noted"
    SNOOZED = "snoozed"
    UNSNOOZED = "unsnoozed"
    ESCALATED = "escalated"
    NAGGED = "nagged"
    FLAPPING = "flapping"
    RESOLVED = "resolved"
    MAINTENANCE_BEGAN = "maintenance began"
    MAINTENANCE_ENDED = "maintenance ended"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Handling:
    """Who has an incident in hand. `acknowledged_at` and `acknowledged_by` go together; an empty `assignee` is nobody."""

    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    assignee: str = ""
    snoozed_until: datetime | None = None

    @property
    def is_acknowledged(self) -> bool:
        return self.acknowledged_at is not None

    def snoozed(self, now: datetime) -> bool:
        return self.snoozed_until is not None and now < self.snoozed_until


NOBODY = Handling()
"""Nobody has it in hand."""


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """One line of the diary. `who` is empty where the console did it itself, `via` says from where: page, api, slack, e-mail."""

    at: datetime
    kind: Happening
    who: str = ""
    text: str = ""
    via: str = ""
