"""An alert: a finding over time."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opsconsole.model.labels import Labels


class AlertState(enum.StrEnum):
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, identified by its labels' fingerprint; a new one begins when a resolved one's finding comes back.

    `active_at` is when the finding was first seen (or its own `since`), `fired_at` when it had lasted `pending_for`,
    `absent_since` when a firing alert's finding was first missing (it still fires for `keep_firing_for`).

    Only an alert that was posted has `ends_at`: it ends then, unless it is posted anew. Its `active_at` is the start that its
    sender gave, `fired_at` when it came; `times_out` says that the end was filled in; `updated_at` is when it last came.
    """

    labels: Labels
    scope: str
    state: AlertState
    active_at: datetime
    annotations: Mapping[str, str] = field(default_factory=dict)
    value: float | None = None
    keep_firing_for: timedelta = timedelta(0)
    fired_at: datetime | None = None
    absent_since: datetime | None = None
    resolved_at: datetime | None = None
    ends_at: datetime | None = None
    times_out: bool = False
    updated_at: datetime | None = None
    generator_url: str = ""

    @property
    def starts_at(self) -> datetime:
        """Since when it fires, as Alertmanager's `startsAt` has it."""
        return self.active_at if self.ends_at is not None else self.fired_at or self.active_at

    @property
    def fingerprint(self) -> str:
        return self.labels.fingerprint()


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of an alert's state, with its reason in words; `before` is None for a new alert, `alert` is the new value.

    `alert` is None where a pending alert went away without ever firing.
    """

    at: datetime
    fingerprint: str
    before: AlertState | None
    alert: Alert | None
    reason: str
