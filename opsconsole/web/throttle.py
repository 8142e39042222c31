"""Slowing down who guesses passwords."""

from collections import OrderedDict, deque
from datetime import datetime, timedelta

_MOST_KEYS = 10_000


class Throttle:
    """At most `most` failures for a key in `window`; keeps a bounded number of keys, the oldest go first."""

    def __init__(self, most: int, window: timedelta) -> None:
        self._most, self._window = most, window
        self._failures: OrderedDict[str, deque[datetime]] = OrderedDict()

    def wait(self, key: str, now: datetime) -> timedelta:
        """How long `key` must wait before it may try; zero when it may."""
        failures = self._recent(key, now)
        return failures[0] + self._window - now if len(failures) >= self._most else timedelta(0)

    def failed(self, key: str, now: datetime) -> None:
        failures = self._recent(key, now)
        failures.append(now)
        self._failures[key] = failures
        self._failures.move_to_end(key)
        while len(self._failures) > _MOST_KEYS:
            self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        self._failures.pop(key, None)

    def _recent(self, key: str, now: datetime) -> deque[datetime]:
        failures = self._failures.get(key, deque())
        while failures and now - failures[0] >= self._window:
            failures.popleft()
        if not failures:
            self._failures.pop(key, None)
        return failures
