"""What is owed to a receiver."""

import enum
from dataclasses import dataclass
from datetime import datetime

from opsconsole.model.alert import Alert
from opsconsole.model.incident import NOBODY, Handling
from opsconsole.model.labels import Labels


class Occasion(enum.StrEnum):
    """Why a notification is sent."""

    OPENED = "opened"
    CHANGED = "changed"
    REPEATED = "repeated"
    RESOLVED = "resolved"
    HANDLED = "handled"
    TEST = "test"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Notification:
    """The state of one incident (an alert group), as one receiver is to be told it.

    `firing` and `resolved` hold the group's alerts, oldest first; `opened_at` and `closed_at` give the downtime.
    `key` is the idempotency key: the same key is the same message. `group_key` names the alert group as Alertmanager does.
    `handling` says who has the incident in hand, and on the occasion HANDLED `news` what a person just did, in a sentence.
    """

    key: str
    incident_id: int
    receiver: str
    group_labels: Labels
    occasion: Occasion
    at: datetime
    opened_at: datetime
    closed_at: datetime | None
    firing: tuple[Alert, ...]
    resolved: tuple[Alert, ...]
    group_key: str = ""
    handling: Handling = NOBODY
    news: str = ""

    @property
    def alerts(self) -> tuple[Alert, ...]:
        return self.firing + self.resolved


@dataclass(frozen=True, slots=True)
class Integration:
    """One of a receiver's ways to be told, such as `slack`, `email` or `apprise[1]`; not every one wants the good news too, and
    few what people do about an incident."""

    name: str
    send_resolved: bool = True
    send_handling: bool = False


class DeliveryError(Exception):
    """A delivery that failed; `permanent` says that trying again cannot help, `retry_after` (seconds) what the far end asked."""

    def __init__(self, message: str, *, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.permanent, self.retry_after = permanent, retry_after
