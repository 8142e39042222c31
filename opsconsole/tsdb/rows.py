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

    def take(self, ids: Ints, bundles: Ints, now_ms: int) -> Ints:
        """Free rows, for these series from now on."""
        rows = self._vacant(len(ids))
        self.ids[rows], self.live[rows], self.touched[rows], self.bundle[rows] = ids, True, now_ms, bundles
        self.newest[rows], self.floor[rows], self.home[rows] = NEVER, NEVER, NOWHERE
        return rows

    def give_back(self, rows: list[int]) -> None:
        self.live[rows] = False
        self.ids[rows] = 0
        self._free.extend(rows)

    def _vacant(self, count: int) -> Ints:
        again = [self._free.pop() for _ in range(min(count, len(self._free)))]
        used, self._used = self._used, self._used + count - len(again)
        if self._used > self.size:
            self._grow(max(self._used, self.size + max(256, self.size // 2)))
        return np.array([*again, *range(used, self._used)], np.int64)

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

    def add(self, ids: Ints, rows: Ints) -> None:
        """These ids are new, and mostly later than all known ones."""
        first, self._count = self._count, self._count + len(ids)
        if self._count > len(self._ids):
            self._make_room(max(self._count - first, first // 2))
        self._ids[first : self._count], self._rows[first : self._count] = ids, rows
        known = self._ids[max(first - 1, 0) : self._count]
        if not (known[1:] > known[:-1]).all():
            order = np.argsort(self._ids[: self._count], kind="stable")
            self._ids[: self._count], self._rows[: self._count] = self._ids[order], self._rows[order]

    def _make_room(self, more: int) -> None:
        spare = np.zeros(more, np.int64)
        self._ids, self._rows = np.concatenate([self._ids, spare]), np.concatenate([self._rows, spare])

    def remove(self, ids: Ints) -> None:
        kept = ~np.isin(self._ids[: self._count], ids)
        self._ids, self._rows = self._ids[: self._count][kept], self._rows[: self._count][kept]
        self._count = len(self._ids)
        if self._count < 256:
            self._make_room(256)

    def rows(self, ids: Ints) -> Ints:
        """Each id's row, -1 for an id that has none."""
        if self._count == 0:
            return np.full(len(ids), -1, np.int64)
        known = self._ids[: self._count]
        places = np.minimum(np.searchsorted(known, ids), self._count - 1)
        return np.where(known[places] == ids, self._rows[places], -1)
