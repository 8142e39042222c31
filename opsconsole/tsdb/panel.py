"""Recent samples of series that are written together: times once, and a matrix of values."""

import numpy as np

from opsconsole.model import Millis, Values
from opsconsole.tsdb.pieces import HOLE, HOLE_BITS, Ints, Mask

WIDTH = 128
"""Times that a panel holds: half an hour at one in fifteen seconds, and a few for jitter."""

MOST = 4096
"""Series in a panel: 4 MB of values."""

_STRIKES = 4
_BEFORE_ALL = np.iinfo(np.int64).min


class Slab:
    """What a panel held: rows beside times and values, in which HOLE stands for no sample."""

    __slots__ = ("rows", "times", "values")

    def __init__(self, rows: Ints, times: Millis, values: Values) -> None:
        if not (rows[1:] > rows[:-1]).all():
            order = np.argsort(rows)
            rows, values = rows[order], values[order]
        self.rows, self.times, self.values = rows, times, values

    def find(self, rows: Ints, times: Millis, values: Values) -> tuple[Mask, Mask]:
        """Which of these times have a sample, and where it is of the same value."""
        place = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return find(self.rows[place] == rows, place, self.times, self.values, times, values)

    def take(self, rows: Ints, start_ms: int, end_ms: int) -> tuple[Ints, Millis, Values]:
        """What it has of these rows (ascending) in the window: their numbers in `rows`, times, values."""
        low, high = np.searchsorted(self.times, start_ms), np.searchsorted(self.times, end_ms, side="right")
        place = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        hit = np.flatnonzero(self.rows[place] == rows)
        return hit, self.times[low:high], self.values[place[hit], low:high]


class Panel:
    """`rows[place]` is the series' row, -1 where the place is free; `count` columns are used, in order of time."""

    def __init__(self) -> None:
        self.times: Millis = np.empty(WIDTH, np.int64)
        self.values: Values = np.empty((0, WIDTH), np.float64)
        self.rows: Ints = np.empty(0, np.int64)
        self.count = self.used = 0
        self._free: list[int] = []
        self._filled = self._strikes = 0
        self.last_ms = _BEFORE_ALL

    @property
    def members(self) -> int:
        return self.used - len(self._free)

    @property
    def room(self) -> int:
        return MOST - self.members

    @property
    def scattered(self) -> bool:
        """Time after time few of the members had a sample: they are not written together after all."""
        return self._strikes >= _STRIKES

    def join(self, rows: Ints) -> Ints:
        """Take these in; returns their places."""
        again = [self._free.pop() for _ in range(min(len(self._free), len(rows)))]
        fresh = len(rows) - len(again)
        if self.used + fresh > len(self.rows):
            self._grow(max(self.used + fresh, min(MOST, len(self.rows) * 3 // 2)))
        places = np.array([*again, *range(self.used, self.used + fresh)], np.int64)
        self.used += fresh
        self.rows[places] = rows
        self.values[places, : self.count] = HOLE
        return places

    def _grow(self, size: int) -> None:
        values = np.empty((size, WIDTH), np.float64)
        values[: self.used, : self.count] = self.values[: self.used, : self.count]
        rows = np.full(size, -1, np.int64)
        rows[: self.used] = self.rows[: self.used]
        self.values, self.rows = values, rows

    def leave(self, places: Ints) -> None:
        self.rows[places] = -1
        self.values[places, : self.count] = HOLE
        self._free.extend(places.tolist())

    def write(self, places: Ints, at_ms: int, values: Values) -> bool:
        """One sample for each of different places, none of which has one then; False where no column is for that time."""
        if self.count and at_ms <= self.last_ms:
            column = int(np.searchsorted(self.times[: self.count], at_ms))
            if self.times[column] != at_ms:
                return False
            self.values[places, column] = values
            if column == self.count - 1:
                self._filled += len(places)
            return True
        if at_ms <= self.last_ms:
            return False
        if self.count:
            self._strikes = self._strikes + 1 if 2 * self._filled < self.members else 0
        column = self.count
        self.times[column], self.last_ms = at_ms, at_ms
        if len(places) < self.used:
            self.values[: self.used, column] = HOLE
        self.values[places, column] = values
        self.count, self._filled = column + 1, len(places)
        return True

    def find(self, places: Ints, times: Millis, values: Values) -> tuple[Mask, Mask]:
        return find(np.ones(len(places), np.bool_), places, self.times[: self.count], self.values, times, values)

    def view(self, places: Ints, start_ms: int, end_ms: int) -> tuple[Millis, Values]:
        """Copies of what the places hold in the window."""
        times = self.times[: self.count]
        low, high = int(np.searchsorted(times, start_ms)), int(np.searchsorted(times, end_ms, side="right"))
        if len(places) and len(places) == places[-1] - places[0] + 1 and (np.diff(places) == 1).all():
            return times[low:high].copy(), self.values[places[0] : places[-1] + 1, low:high].copy()
        return times[low:high].copy(), self.values[places, low:high]

    def cut(self) -> tuple[Slab, Ints]:
        """What the panel holds, and the places that had nothing; it is empty afterwards."""
        there = np.flatnonzero(self.rows[: self.used] >= 0)
        slab = Slab(self.rows[there], self.times[: self.count].copy(), self.values[there, : self.count])
        idle = there[(self.values[there, : self.count].view(np.uint64) == HOLE_BITS).all(axis=1)]
        self.count = 0
        return slab, idle


def find(known: Mask, place: Ints, have: Millis, matrix: Values, times: Millis, values: Values) -> tuple[Mask, Mask]:
    """Which `times` a matrix (rows at `place`, columns at the times it `have`s) has a sample at, and where of the same value."""
    if not len(have):
        return np.zeros(len(times), np.bool_), np.zeros(len(times), np.bool_)
    column = np.minimum(np.searchsorted(have, times), len(have) - 1)
    bits = matrix[place, column].view(np.uint64)
    found = known & (have[column] == times) & (bits != HOLE_BITS)
    return found, found & (bits == values.view(np.uint64))
