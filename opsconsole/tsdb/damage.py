"""What of the store's rows cannot be read: left out, counted, and told once each."""

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

_MOST_TOLD = 1000
_LATELY_MS = 600_000
"""A row that was found damaged is a problem for that long: it stays where it is, and nobody can do much about it."""


class Damage:
    """Threads may share it. `count` is called once for each row, however often that is read."""

    def __init__(self, count: Callable[[], None] = lambda: None, now_ms: Callable[[], int] = lambda: 0) -> None:
        self._count, self._now_ms = count, now_ms
        self._told: dict[tuple[str, int, int], int] = {}

    def note(self, kind: str, first: int, last: int, error: Exception) -> None:
        """A row of that `kind`, which its first and last number (Unix ms, or a flush's number) tell from others."""
        if (kind, first, last) in self._told or len(self._told) >= _MOST_TOLD:
            return
        self._told[kind, first, last] = self._now_ms()
        self._count()
        log.error("a damaged row is left out", extra={"kind": kind, "first": first, "last": last, "error": str(error)})

    def lately(self) -> str:
        """A line about what was found damaged in the last ten minutes; empty where nothing was."""
        since = self._now_ms() - _LATELY_MS
        if not any(at_ms >= since for at_ms in list(self._told.values())):
            return ""
        rows = len(self._told)
        what = "1 damaged row of the metrics store is" if rows == 1 else f"{rows} damaged rows of the metrics store are"
        return f"{what} left out; see the log"
