"""One number a series: who has which row, where its recent samples are, when it was last heard of."""

import numpy as np

from opsconsole.tsdb.pieces import Ints, Mask

NEVER = np.iinfo(np.int64).min

NOWHERE, LOOSE = -1, -2
"""In place of a panel's number: no home yet; a row of times of its own."""


class Rows:
    """Columns by row; a row belongs to one series while that is alive."""

    def __init__(self, size: int = 256) -> None:
        self.size = size
        self.ids: Ints = np.zeros(size, np.int64)  # the series that has the row
        self.live: Mask = np.zeros(size, np.bool_)
        self.bundle: Ints = np.zeros(size, np.int64)
        self.newest: Ints = np.full(size, NEVER, np.int64)  # no sample in memory is later
        self.touched: Ints = np.zeros(size, np.int64)  # when a sample last arrived
        self.floor: Ints = np.full(size, NEVER, np.int64)  # the series may have older samples in the database, up to here
        self.home: Ints = np.full(size, NOWHERE, np.int64)  # the panel, or NOWHERE, or LOOSE
        self.place: Ints = np.zeros(size, np.int64)  # in the panel, or among the loose rows
        self._free: list[int] = []
        self._used = 0
        self._mark: Ints = np.zeros(size, np.int64)

    def take(self, series_id: int, bundle: int, now_ms: int, floor_ms: int) -> int:
        """A free row, for this series from now on."""
        row = self._free.pop() if self._free else self._next()
        self.ids[row], self.live[row], self.touched[row], self.bundle[row] = series_id, True, now_ms, bundle
        self.newest[row], self.floor[row], self.home[row] = NEVER, floor_ms, NOWHERE
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
        for name in ("ids", "live", "bundle", "newest", "touched", "floor", "home", "place", "_mark"):
            old = getattr(self, name)
            new = np.zeros(size, old.dtype)
            new[: self.size] = old
            setattr(self, name, new)
        self.size = size

    def first_of_each(self, rows: Ints) -> Mask:
        """True where a row is named for the first time."""
        order = np.arange(len(rows))
        self._mark[rows[::-1]] = order[::-1]
        firsts: Mask = self._mark[rows] == order
        return firsts


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
