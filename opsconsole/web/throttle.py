"""Slowing down who guesses passwords."""

from collections import OrderedDict, deque
from datetime import datetime, timedelta

_MOST_KEYS = 10_000


class Throttle:
    """At most `most` attempts of a key in `window`; keeps a bounded number of keys, the oldest go first."""

    def __init__(self, most: int, window: timedelta) -> None:
        self._most, self._window = most, window
        self._attempts: OrderedDict[str, deque[datetime]] = OrderedDict()

    def wait(self, key: str, now: datetime) -> timedelta:
        """How long `key` must wait before it may try; zero when it may."""
        attempts = self._recent(key, now)
        return attempts[0] + self._window - now if len(attempts) >= self._most else timedelta(0)

    def attempted(self, key: str, now: datetime) -> None:
        """Count an attempt as it begins, so that those sent all at once do not slip through together."""
        attempts = self._recent(key, now)
        attempts.append(now)
        self._attempts[key] = attempts
        self._attempts.move_to_end(key)
        while len(self._attempts) > _MOST_KEYS:
            self._attempts.popitem(last=False)

    def forgiven(self, key: str) -> None:
        """The newest attempt was none to slow down."""
        if attempts := self._attempts.get(key):
            attempts.pop()

    def forget(self, key: str) -> None:
        self._attempts.pop(key, None)

    def _recent(self, key: str, now: datetime) -> deque[datetime]:
        """Without what is over, and what a clock that was set back says is still to come."""
        attempts = self._attempts.get(key, deque())
        while attempts and not timedelta(0) <= now - attempts[0] < self._window:
            attempts.popleft()
        if not attempts:
            self._attempts.pop(key, None)
        return attempts
