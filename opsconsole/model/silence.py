"""A silence: for a while, alerts that fit its matchers are not told."""

import enum
from dataclasses import dataclass
from datetime import datetime

from opsconsole.model.series import Matcher


class SilenceState(enum.StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Silence:
    """From `starts_at` until before `ends_at`, alerts that fit every matcher are not told; an `id` is empty before it is kept."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    updated_at: datetime

    def state(self, now: datetime) -> SilenceState:
        if now < self.starts_at:
            return SilenceState.PENDING
        return SilenceState.ACTIVE if now < self.ends_at else SilenceState.EXPIRED
