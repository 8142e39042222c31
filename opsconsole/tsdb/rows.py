"""Recent samples as two matrices, a row a series, so that one scrape is written and one metric is read in a few numpy calls."""

import numpy as np
import numpy.typing as npt

from opsconsole.model import Millis, Values

WIDTH = 128
"""Samples that a row holds: half an hour at one in fifteen seconds, and a few for jitter."""

NEVER = np.iinfo(np.int64).min

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class SampleRows:
    """`times` and `values` hold `count[row]` samples in a row, in order of arrival; all else is one number a row."""

    def __init__(self, size: int = 256) -> None:
        self.size = size
        self.times: Millis = np.empty((size, WIDTH), np.int64)
        self.values: Values = np.empty((size, WIDTH), np.float64)
        self.count: Ints = np.zeros(size, np.int64)
        self.ids: Ints = np.zeros(size, np.int64)  # the series that has the row
        self.live: Mask = np.zeros(size, np.bool_)
        self.newest: Ints = np.full(size, NEVER, np.int64)  # time of the series' latest sample
        self.touched: Ints = np.zeros(size, np.int64)  # when a sample last arrived
        self.floor: Ints = np.full(size, NEVER, np.int64)  # the series may have older, sealed samples up to here
        self.unsorted: Mask = np.zeros(size, np.bool_)
        self._free: list[int] = []
        self._used = 0
        self._mark: Ints = np.zeros(size, np.int64)

    def take(self, series_id: int, now_ms: int) -> int:
        """A free row, for this series from now on."""
        row = self._free.pop() if self._free else self._next()
        self.ids[row], self.live[row], self.touched[row] = series_id, True, now_ms
        self.newest[row] = self.floor[row] = NEVER
        self.count[row], self.unsorted[row] = 0, False
        return row

    def give_back(self, rows: list[int]) -> None:
        self.live[rows] = False
        self.ids[rows] = 0
        self._free.extend(rows)

    def _next(self) -> int:
        if self._used == self.size:
            self._grow(self.size + max(256, self.size // 2))
        self._used += 1
        return self._used - 1

    def reserve(self, more: int) -> None:
        if self._used + more > self.size:
            self._grow(self._used + more)

    def _grow(self, size: int) -> None:
        """New rows stay untouched, so that they cost address space only."""
        for name in ("times", "values", "count", "ids", "live", "newest", "touched", "floor", "unsorted", "_mark"):
            old = getattr(self, name)
            new = np.empty((size, *old.shape[1:]), old.dtype)
            new[: self.size] = old
            if old.ndim == 1:
                new[self.size :] = 0
            setattr(self, name, new)
        self.size = size

    def first_of_each(self, rows: Ints) -> Mask:
        """True where a row is named for the first time."""
        order = np.arange(len(rows))
        self._mark[rows[::-1]] = order[::-1]
        firsts: Mask = self._mark[rows] == order
        return firsts

    def put(self, rows: Ints, times: Millis, values: Values, now_ms: int) -> None:
        """One sample for each of different rows, none of which is full."""
        at = self.count[rows]
        self.times[rows, at] = times
        self.values[rows, at] = values
        self.count[rows] = at + 1
        late = times <= self.newest[rows]
        if late.any():
            self.unsorted[rows[late]] = True
            self.newest[rows[~late]] = times[~late]
        else:
            self.newest[rows] = times
        self.touched[rows] = now_ms

    def cut(self, row: int) -> tuple[Millis, Values]:
        """What the row holds, in order of time; the row is empty afterwards."""
        times, values = self.times[row, : self.count[row]].copy(), self.values[row, : self.count[row]].copy()
        if self.unsorted[row]:
            order = np.argsort(times, kind="stable")
            times, values = times[order], values[order]
        self.count[row], self.unsorted[row] = 0, False
        return times, values


class RowMap:
    """Series id → row, for whole arrays of ids at once: sorted ids beside their rows."""

    def __init__(self) -> None:
        self._ids: Ints = np.zeros(256, np.int64)
        self._rows: Ints = np.zeros(256, np.int64)
        self._count = 0

    def add(self, series_id: int, row: int) -> None:
        if self._count == len(self._ids):
            spare = np.zeros(self._count // 2, np.int64)
            self._ids, self._rows = np.concatenate([self._ids, spare]), np.concatenate([self._rows, spare])
        at = self._count
        if at and series_id < self._ids[at - 1]:
            at = int(np.searchsorted(self._ids[:at], series_id))
            for column in (self._ids, self._rows):
                column[at + 1 : self._count + 1] = column[at : self._count].copy()
        self._ids[at], self._rows[at] = series_id, row
        self._count += 1

    def remove(self, ids: Ints) -> None:
        kept = ~np.isin(self._ids[: self._count], ids)
        self._ids, self._rows = self._ids[: self._count][kept], self._rows[: self._count][kept]
        self._count = len(self._ids)
        if self._count < 256:
            spare = np.zeros(256, np.int64)
            self._ids, self._rows = np.concatenate([self._ids, spare]), np.concatenate([self._rows, spare])

    def rows(self, ids: Ints) -> Ints:
        """Each id's row, -1 for an id that has none."""
        if self._count == 0:
            return np.full(len(ids), -1, np.int64)
        known = self._ids[: self._count]
        places = np.minimum(np.searchsorted(known, ids), self._count - 1)
        return np.where(known[places] == ids, self._rows[places], -1)
