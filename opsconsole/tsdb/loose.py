"""Recent samples of series that keep their own time, a row of times and one of values for each."""

import numpy as np

from opsconsole.model import Millis, Values
from opsconsole.tsdb.pieces import Ints, Mask

WIDTH = 64


class LooseRows:
    """`rows[slot]` is the series' row; the first `count[slot]` columns are used, in order of time."""

    def __init__(self) -> None:
        self.times: Millis = np.empty((0, WIDTH), np.int64)
        self.values: Values = np.empty((0, WIDTH), np.float64)
        self.rows: Ints = np.empty(0, np.int64)
        self.count: Ints = np.empty(0, np.int64)
        self._used = 0
        self._free: list[int] = []

    def join(self, rows: Ints) -> Ints:
        """Slots for these."""
        again = [self._free.pop() for _ in range(min(len(self._free), len(rows)))]
        fresh = len(rows) - len(again)
        if self._used + fresh > len(self.rows):
            self._grow(max(self._used + fresh, len(self.rows) * 3 // 2, 64))
        slots = np.array([*again, *range(self._used, self._used + fresh)], np.int64)
        self._used += fresh
        self.rows[slots], self.count[slots] = rows, 0
        return slots

    def _grow(self, size: int) -> None:
        """New rows stay untouched, so that they cost address space only."""
        for name in ("times", "values", "rows", "count"):
            old = getattr(self, name)
            new = np.empty((size, *old.shape[1:]), old.dtype)
            new[: self._used] = old[: self._used]
            setattr(self, name, new)

    def leave(self, slots: Ints) -> None:
        self.rows[slots], self.count[slots] = -1, 0
        self._free.extend(slots.tolist())

    def put(self, slots: Ints, times: Millis, values: Values) -> None:
        """One sample for each of different slots, none of which is full; later than all that it holds."""
        at = self.count[slots]
        self.times[slots, at], self.values[slots, at] = times, values
        self.count[slots] = at + 1

    def find(self, slots: Ints, times: Millis, values: Values) -> tuple[Mask, Mask]:
        hit = (self.times[slots] == times[:, None]) & (np.arange(WIDTH) < self.count[slots][:, None])
        column = hit.argmax(axis=1)
        found = hit.any(axis=1)
        return found, found & (self.values[slots, column].view(np.int64) == values.view(np.int64))

    def view(self, slots: Ints, start_ms: int, end_ms: int) -> tuple[Millis, Values, Ints, Ints]:
        """Copies of the matrices, and for each slot the columns that are in the window: from, and up to."""
        width = int(self.count[slots].max(initial=0))
        times, values = self.times[slots, :width], self.values[slots, :width]
        used = np.arange(width) < self.count[slots][:, None]
        low = np.count_nonzero(used & (times < start_ms), axis=1)
        return times, values, low, np.count_nonzero(used & (times <= end_ms), axis=1)

    def filled(self) -> Ints:
        """Slots that hold something."""
        return np.flatnonzero(self.count[: self._used] > 0)

    def cut(self, slots: Ints) -> tuple[Ints, Millis, Values]:
        """What these slots hold, by row and time; they are empty afterwards."""
        slots = slots[self.count[slots] > 0]
        slots = slots[np.argsort(self.rows[slots])]
        used = np.arange(WIDTH) < self.count[slots][:, None]
        rows = np.repeat(self.rows[slots], self.count[slots])
        times, values = self.times[slots][used], self.values[slots][used]
        self.count[slots] = 0
        return rows, times, values
