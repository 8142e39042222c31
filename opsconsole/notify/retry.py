"""When a failed delivery is tried again. Pure."""

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsconsole.model import DeliveryError

FIRST = 1.0
LONGEST = 60.0
GIVE_UP = timedelta(hours=24)
ESCALATE_AFTER = 3
"""Failed attempts after which the fallback is told too, while the receiver itself is still being tried (`fallback_after`)."""


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """`at` None: no more. `escalate`: the fallback is to be told now."""

    at: datetime | None
    escalate: bool
    reason: str


def after(
    error: DeliveryError, failed: int, key: str, owed_since: datetime, now: datetime, escalate_after: int = ESCALATE_AFTER
) -> RetryDecision:
    """What to do when attempt number `failed` failed. Delays double from a second to a minute, shortened by up to a
    quarter (by the key, so that many rows do not come back at once); what the far end asks for is waited in full.

    A row that took over the attempts of those it speaks for has news that the fallback has not heard, so every failure from
    `escalate_after` on escalates; the outbox's keys keep the fallback from being told anything twice.
    """
    if error.permanent:
        return RetryDecision(None, True, "trying again cannot help")
    if now - owed_since >= GIVE_UP:
        return RetryDecision(None, True, "tried for a day")
    spread = zlib.crc32(f"{key}/{failed}".encode()) / 2**32
    delay = min(LONGEST, FIRST * 2 ** min(failed - 1, 10)) * (1 - spread / 4)
    seconds = max(delay, error.retry_after or 0.0)
    return RetryDecision(now + timedelta(seconds=seconds), failed >= escalate_after, f"again in {seconds:.1f} s")
