"""Samples not sealed yet, wherever they are: in panels, in loose rows, or late."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from opsconsole.model import Millis, Values
from opsconsole.tsdb.bundles import buckets_of
from opsconsole.tsdb.late import Late, SortedRun
from opsconsole.tsdb.loose import WIDTH as LOOSE_WIDTH
from opsconsole.tsdb.loose import LooseRows
from opsconsole.tsdb.panel import WIDTH, Panel, Slab
from opsconsole.tsdb.pieces import HOLE_BITS, Ints, Mask, Piece, Run, whole
from opsconsole.tsdb.rows import LOOSE, NOWHERE, Rows

_FEW = 4
"""Series that make a panel worth while."""
_SLICE = 8192
"""Loose rows compared at a time, which bounds the memory that takes."""


class Closed(NamedTuple):
    """What one bucket holds, to be sealed."""

    bucket: int
    slabs: tuple[Slab, ...]
    runs: tuple[SortedRun, ...]


class Recent:
    """Each series has one home at a time, by how it is written; `rows` (shared with the owner) says which."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._panels: dict[int, Panel] = {}
        self._next = 0
        self._bucket: dict[int, int] = {}  # of each panel
        self._slabs: dict[int, list[Slab]] = {}
        self._loose = LooseRows()
        self._late: dict[int, Late] = {}

    # ── writing

    def put(self, rows: Ints, at_ms: int, values: Values) -> None:
        """One sample for each of different rows, all at one time, at which none of them has one."""
        for bucket, at in self._by_bucket(rows):
            self._put(bucket, rows[at], at_ms, values[at])

    def _put(self, bucket: int, rows: Ints, at_ms: int, values: Values) -> None:
        unmarked = values.view(np.uint64) != HOLE_BITS
        if not unmarked.all():
            self.put_late(rows[~unmarked], np.full(np.count_nonzero(~unmarked), at_ms), values[~unmarked])
            rows, values = rows[unmarked], values[unmarked]
        homes = self._rows.home[rows]
        if (homes == NOWHERE).any():
            self._house(bucket, rows[homes == NOWHERE], homes)
            homes = self._rows.home[rows]
        for home, at in _grouped(homes):
            if home == LOOSE:
                self.put_loose(rows[at], np.full(len(rows[at]), at_ms, np.int64), values[at])
            else:
                self._put_in_panel(home, rows[at], at_ms, values[at])

    def _house(self, bucket: int, rows: Ints, beside: Ints) -> None:
        """A home for series that have none: the panel of those written with them, a new one, or a row of their own."""
        for home in np.unique(beside[beside >= 0]).tolist():
            room = self._panels[home].room
            self._join(home, rows[:room])
            rows = rows[room:]
        while len(rows) >= _FEW:
            home, self._next = self._next, self._next + 1
            panel = self._panels[home] = Panel()
            self._bucket[home] = bucket
            fit = panel.room
            self._join(home, rows[:fit])
            rows = rows[fit:]
        if len(rows):
            self._rows.home[rows], self._rows.place[rows] = LOOSE, self._loose.join(rows)

    def _join(self, home: int, rows: Ints) -> None:
        if len(rows):
            self._rows.place[rows] = self._panels[home].join(rows)
            self._rows.home[rows] = home

    def _put_in_panel(self, home: int, rows: Ints, at_ms: int, values: Values) -> None:
        panel = self._panels[home]
        if panel.count == WIDTH and at_ms > panel.last_ms:
            bucket = self._bucket[home]
            self._cut(home)
            self._put(bucket, rows, at_ms, values)  # not all of them need still be members
        elif not panel.write(self._rows.place[rows], at_ms, values):
            self.put_late(rows, np.full(len(rows), at_ms, np.int64), values)
        elif panel.scattered:
            self._dissolve(home)

    def _cut(self, home: int) -> None:
        """Set aside what the panel holds; series of which that is nothing leave it."""
        panel = self._panels[home]
        if panel.count:
            slab, idle = panel.cut()
            self._slabs.setdefault(self._bucket[home], []).append(slab)
            self._rows.home[panel.rows[idle]] = NOWHERE
            panel.leave(idle)
        if not panel.members:
            del self._panels[home], self._bucket[home]

    def _dissolve(self, home: int) -> None:
        """The members are written each at its own time: give each a row."""
        self._cut(home)
        if (panel := self._panels.pop(home, None)) is None:
            return
        del self._bucket[home]
        rows = panel.rows[: panel.used]
        rows = rows[rows >= 0]
        self._rows.home[rows], self._rows.place[rows] = LOOSE, self._loose.join(rows)

    def put_loose(self, rows: Ints, times: Millis, values: Values) -> None:
        """One sample for each of different rows; those that are not later than the series' others go among the late."""
        stray = rows[self._rows.home[rows] == NOWHERE]
        if len(stray):
            self._rows.home[stray], self._rows.place[stray] = LOOSE, self._loose.join(stray)
        late = (times <= self._rows.newest[rows]) | (self._rows.home[rows] != LOOSE)
        if late.any():
            self.put_late(rows[late], times[late], values[late])
            rows, times, values = rows[~late], times[~late], values[~late]
        slots = self._rows.place[rows]
        full = slots[self._loose.count[slots] == LOOSE_WIDTH]
        if len(full):
            self.put_late(*self._loose.cut(full))
        self._loose.put(slots, times, values)

    def put_late(self, rows: Ints, times: Millis, values: Values) -> None:
        """Samples of any series at any times at which they have none."""
        for bucket, at in self._by_bucket(rows):
            self._late.setdefault(bucket, Late()).add(rows[at], times[at], values[at])

    def leave(self, rows: Ints) -> None:
        """These series are held no longer; nothing of them is unsealed."""
        for home, at in _grouped(self._rows.home[rows]):
            places = self._rows.place[rows[at]]
            if home == LOOSE:
                self._loose.leave(places)
            elif home != NOWHERE:
                self._panels[home].leave(places)
                if not self._panels[home].members and not self._panels[home].count:
                    del self._panels[home], self._bucket[home]
        self._rows.home[rows] = NOWHERE

    # ── looking

    def find(self, rows: Ints, times: Millis, values: Values) -> tuple[Mask, Mask]:
        """Which of these have a sample at their time already, and where it is of the same value."""
        found, same = np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_)

        def look(at: Ints | slice, answer: tuple[Mask, Mask]) -> None:
            found[at] |= answer[0]
            same[at] |= answer[1]

        for home, at in _grouped(self._rows.home[rows]):
            places = self._rows.place[rows[at]]
            if home == LOOSE:
                numbers = np.arange(len(rows))[at]
                for i in range(0, len(places), _SLICE):
                    part = numbers[i : i + _SLICE]
                    look(part, self._loose.find(places[i : i + _SLICE], times[part], values[part]))
            elif home != NOWHERE:
                look(at, self._panels[home].find(places, times[at], values[at]))
        for bucket, at in self._by_bucket(rows):
            for slab in self._slabs.get(bucket, ()):
                look(at, slab.find(rows[at], times[at], values[at]))
            if (late := self._late.get(bucket)) is not None:
                look(at, late.find(rows[at], times[at], values[at]))
        return found, same

    def read(self, rows: Ints, start_ms: int, end_ms: int) -> tuple[list[Piece], list[tuple[int, Run]]]:
        """What there is of these rows (ascending) in the window, by series id; copies, so that it stays as it is now."""
        pieces: list[Piece] = []
        runs: list[tuple[int, Run]] = []
        ids = self._rows.ids
        for bucket, at in self._by_bucket(rows):
            some = rows[at]
            for slab in self._slabs.get(bucket, ()):
                hit, times, values = slab.take(some, start_ms, end_ms)
                pieces += whole(ids[some[hit]], times, values)
            if (late := self._late.get(bucket)) is not None:
                runs += [(int(ids[row]), run) for row, run in late.read(some, start_ms, end_ms).by_row()]
        for home, at in _grouped(self._rows.home[rows]):
            some, places = rows[at], self._rows.place[rows[at]]
            if home == LOOSE:
                runs += self._loose_runs(ids[some], places, start_ms, end_ms)
            elif home != NOWHERE:
                pieces += whole(ids[some], *self._panels[home].view(places, start_ms, end_ms))
        return pieces, runs

    def _loose_runs(self, ids: Ints, slots: Ints, start_ms: int, end_ms: int) -> Iterator[tuple[int, Run]]:
        times, values, low, high = self._loose.view(slots, start_ms, end_ms)
        for i, (series_id, a, b) in enumerate(zip(ids.tolist(), low.tolist(), high.tolist(), strict=True)):
            if b > a:
                yield series_id, Run(times[i, a:b], values[i, a:b])

    # ── sealing

    def close(self, buckets: Iterable[int]) -> list[Closed]:
        """All that these buckets hold. It stays until `seal` takes it."""
        closed = []
        for bucket in set(buckets):
            for home in [home for home, of in self._bucket.items() if of == bucket]:
                self._cut(home)
            slots = self._loose.filled()
            slots = slots[buckets_of(self._rows.bundle[self._loose.rows[slots]]) == bucket]
            late = self._late.setdefault(bucket, Late())
            late.freeze_more(*self._loose.cut(slots))
            closed.append(Closed(bucket, tuple(self._slabs.get(bucket, ())), late.freeze()))
        return closed

    def seal(self, closed: Sequence[Closed]) -> None:
        """These are in blocks now."""
        for bucket, slabs, runs in closed:
            if slabs:
                del self._slabs[bucket][: len(slabs)]
            late = self._late[bucket]
            late.drop(len(runs))
            if not len(late):
                del self._late[bucket]

    @property
    def late(self) -> int:
        """Samples that are late, or were closed and are not sealed."""
        return sum(map(len, self._late.values()))

    def _by_bucket(self, rows: Ints) -> Iterable[tuple[int, Ints | slice]]:
        return _grouped(buckets_of(self._rows.bundle[rows]))


def _grouped(keys: Ints) -> Iterator[tuple[int, Ints | slice]]:
    """Each key with where it stands, in order."""
    if not len(keys):
        return
    if (keys == keys[0]).all():
        yield int(keys[0]), slice(None)
        return
    order = np.argsort(keys, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
        yield int(keys[part[0]]), part
