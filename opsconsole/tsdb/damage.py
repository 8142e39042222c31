"""What of the store's rows cannot be read: left out, counted, and told once each."""

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

_MOST_TOLD = 1000


class Damage:
    """Threads may share it. `count` is called once for each row, however often that is read."""

    def __init__(self, count: Callable[[], None] = lambda: None) -> None:
        self._count = count
        self._told: set[tuple[str, int, int]] = set()

    def note(self, kind: str, first: int, last: int, error: Exception) -> None:
        """A row of that `kind`, which its first and last number (Unix ms, or a flush's number) tell from others."""
        if (kind, first, last) in self._told or len(self._told) >= _MOST_TOLD:
            return
        self._told.add((kind, first, last))
        self._count()
        log.error("a damaged row is left out", extra={"kind": kind, "first": first, "last": last, "error": str(error)})
