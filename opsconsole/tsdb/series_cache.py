"""What the bytes that name a series stand for, so that a known series costs one look-up in a dictionary."""

from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

MOST_KNOWN = 400_000
"""Names kept, or three for each series that there is where that is more: were they fewer than the series of a round, each round
would learn all of them anew."""
TURN_MS = 3 * 3_600_000
"""Names that were not asked for in two such turns are forgotten, well before a store forgets the series."""


class SeriesCache(Generic[Key, Value]):
    """A bounded dictionary in two generations: what is asked for stays, what is not is forgotten in time.

    `known` is the younger one itself, for loops that look up many names; it is the same object for ever. A name that it
    lacks is asked of `find`, which looks into the older one, and then given to `put`.
    """

    def __init__(self, most: int = MOST_KNOWN) -> None:
        self._least = self._half = max(1, most // 2)
        self.known: dict[Key, Value] = {}
        self._older: dict[Key, Value] = {}
        self._turned_ms: int | None = None

    def __len__(self) -> int:
        return len(self.known) + len(self._older)

    def find(self, key: Key) -> Value | None:
        """The slow way to what `known` lacks."""
        found = self.known.get(key)
        if found is None and (found := self._older.pop(key, None)) is not None:
            self.put(key, found)
        return found

    def put(self, key: Key, value: Value) -> None:
        if len(self.known) >= self._half and key not in self.known:
            self._turn()
        self.known[key] = value

    def tick(self, now_ms: int, series: int = 0) -> None:
        """Tell the time, and how many series there are, now and then."""
        self._half = max(self._least, series + series // 2)
        if self._turned_ms is None or now_ms < self._turned_ms:
            self._turned_ms = now_ms
        elif now_ms - self._turned_ms >= TURN_MS:
            self._turned_ms = now_ms
            self._turn()

    def _turn(self) -> None:
        self._older = self.known.copy()
        self.known.clear()

    def clear(self) -> None:
        self.known.clear()
        self._older.clear()
