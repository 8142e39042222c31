"""How many messages a receiver may get in which time: a bucket of tokens. Pure, but for what it remembers."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Rate:
    """So many messages at once, and as many again in each `per`."""

    messages: int
    per: timedelta

    def within(self, wait: timedelta) -> int:
        """How many may be sent from now until then."""
        return self.messages + int(self.messages * (wait / self.per))


class Bucket:
    """Full at first; times are seconds of a clock that is never set back."""

    def __init__(self, rate: Rate | None) -> None:
        """Without a rate there is always room."""
        self._rate = rate
        self._tokens, self._at = float(rate.messages) if rate else 0.0, float("-inf")

    def room(self, now: float) -> int | None:
        """How many may be sent now; None where nothing limits it."""
        if self._rate is None:
            return None
        if self._at > float("-inf"):
            earned = max(0.0, now - self._at) * self._rate.messages / self._rate.per.total_seconds()
            self._tokens = min(float(self._rate.messages), self._tokens + earned)
        self._at = now
        return int(self._tokens + 1e-9)

    def take(self, messages: int) -> None:
        """So many go out."""
        self._tokens -= messages
