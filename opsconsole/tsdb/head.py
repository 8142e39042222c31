"""What the store holds in memory: every series alive, its samples not yet sealed, and the blocks sealed lately."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from opsconsole.model import Labels, Matcher, Millis, Values
from opsconsole.tsdb.bundles import BUCKETS, buckets_of
from opsconsole.tsdb.codec import Batch
from opsconsole.tsdb.damage import Damage
from opsconsole.tsdb.index import LabelIndex
from opsconsole.tsdb.pieces import Ints, Mask, Piece, Run
from opsconsole.tsdb.recent import Closed, Recent
from opsconsole.tsdb.rows import NEVER, RowMap, Rows
from opsconsole.tsdb.sealed import Block, Sealed, compare

_TIMES = 64
"""Different times up to which a batch is taken as so many scrapes."""
_TOGETHER = 8
"""Samples at each time, on average, from which it is."""


class Held(NamedTuple):
    """What memory has of some series in a window. Pieces, runs and blocks may reach beyond it, and blocks hold others too."""

    ids: Ints
    bundles: list[int]
    pieces: list[Piece]
    runs: list[tuple[int, Run]]
    blocks: list[Block]


class Outcome(NamedTuple):
    """What became of samples: `accepted` and `unknown` (no such series in memory) say it of each."""

    accepted: Mask
    unknown: Mask
    conflicts: int


class Head:
    """Series by id and by label. Nothing here waits or writes; `now_ms` is when the samples came in."""

    def __init__(self, damage: Damage | None = None) -> None:
        self.damage = damage or Damage()
        self._rows = Rows()
        self._map = RowMap()
        self._labels: list[Labels | None] = []
        self.index = LabelIndex(self._labels)
        self._recent = Recent(self._rows)
        self.sealed = Sealed(self.damage)
        self._sealed_at: Ints = np.full(BUCKETS, NEVER, np.int64)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._rows.live))

    def reserve(self, more: int) -> None:
        """Make room for that many more series at once."""
        self._rows.reserve(more)

    def add(self, ids: Sequence[int], series: Sequence[Labels], bundles: Sequence[int], now_ms: int) -> list[Labels]:
        """Hold more series, none of which the database has. Returns their labels, of pairs that are in memory once."""
        rows = self._rows.take(np.array(ids, np.int64), np.array(bundles, np.int64), now_ms)
        self._labels.extend([None] * (self._rows.size - len(self._labels)))
        self._map.add(np.array(ids, np.int64), rows)
        held = [self.index.add(row, labels) for row, labels in zip(rows.tolist(), series, strict=True)]
        for row, labels in zip(rows.tolist(), held, strict=True):
            self._labels[row] = labels
        return held

    def expect(self, ids: Sequence[int], floor_ms: int | Ints) -> None:
        """The database may have samples of these series, until then."""
        rows = self._map.rows(np.array(ids, np.int64))
        newest = [self.sealed.newest(bundle) for bundle in self._rows.bundle[rows].tolist()]
        self._rows.newest[rows] = [NEVER if at_ms is None else at_ms for at_ms in newest]
        self._rows.floor[rows] = floor_ms

    # ── taking in

    def append(self, batch: Batch, now_ms: int) -> Outcome:
        """Take samples in. The first value of a series at a time stays; the same again is no conflict."""
        rows = self._map.rows(batch.ids)
        unknown = rows < 0
        accepted, conflicts = ~unknown, 0
        todo = np.flatnonzero(accepted)
        if (scrapes := _scrapes(batch.times, todo)) is None:
            conflicts = self._take_bulk(todo, rows, batch, accepted)
        else:
            for part in scrapes:
                conflicts += self._take_scrape(part, rows, batch, accepted)
        kept = rows[accepted]
        np.maximum.at(self._rows.newest, kept, batch.times[accepted])
        self._rows.touched[kept] = now_ms
        return Outcome(accepted, unknown, conflicts)

    def _take_scrape(self, part: Ints, rows: Ints, batch: Batch, accepted: Mask) -> int:
        """Samples of one time. Clears `accepted` of those not taken, returns how many are in conflict."""
        first = self._rows.first_of_each(rows[part])
        now, again = part[first], part[~first]
        new, refused = self._novel(rows[now], batch.times[now], batch.values[now])
        accepted[now], accepted[again] = new, False
        taken = now[new]
        if len(taken):
            self._recent.put(rows[taken], int(batch.times[taken[0]]), batch.values[taken])
        if len(again):
            self._rows.newest[rows[now]] = np.maximum(self._rows.newest[rows[now]], batch.times[now])
            refused += self._novel(rows[again], batch.times[again], batch.values[again])[1]
        return refused

    def _take_bulk(self, todo: Ints, rows: Ints, batch: Batch, accepted: Mask) -> int:
        """Samples of many times: of many series one each, or many of few."""
        conflicts, single = 0, bool(self._rows.first_of_each(rows[todo]).all())
        if not single:
            todo = todo[np.lexsort((batch.times[todo], rows[todo]))]
            again = np.zeros(len(todo), np.bool_)
            again[1:] = (rows[todo[1:]] == rows[todo[:-1]]) & (batch.times[todo[1:]] == batch.times[todo[:-1]])
            first = todo[np.maximum.accumulate(np.where(again, 0, np.arange(len(todo))))]
            conflicts = self._against(first[again], todo[again], rows, batch)
            accepted[todo[again]] = False
            todo = todo[~again]
        new, refused = self._novel(rows[todo], batch.times[todo], batch.values[todo])
        accepted[todo] = new
        taken = todo[new]
        put = self._recent.put_loose if single else self._recent.put_late
        if len(taken):
            put(rows[taken], batch.times[taken], batch.values[taken])
        return conflicts + refused

    def _against(self, first: Ints, again: Ints, rows: Ints, batch: Batch) -> int:
        """How many of the samples `again` are in conflict: with what is stored, or with the `first` of their batch."""
        new, refused = self._novel(rows[again], batch.times[again], batch.values[again])
        bits = batch.values.view(np.int64)
        return refused + int(np.count_nonzero(new & (bits[again] != bits[first])))

    def _novel(self, rows: Ints, times: Millis, values: Values) -> tuple[Mask, int]:
        """Which samples stand at times that their series have no sample at, and how many of the others differ in value."""
        late = np.flatnonzero(times <= self._rows.newest[rows])
        new = np.ones(len(rows), np.bool_)
        if not len(late):
            return new, 0
        rows, times, values = rows[late], times[late], values[late]
        found, same = self._recent.find(rows, times, values)
        left = np.flatnonzero(~found)
        if len(left):
            found[left], same[left] = self._in_blocks(rows[left], times[left], values[left])
        new[late] = ~found
        return new, int(np.count_nonzero(found & ~same))

    def _in_blocks(self, rows: Ints, times: Millis, values: Values) -> tuple[Mask, Mask]:
        found, same = np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
        ids, bundles = self._rows.ids[rows], self._rows.bundle[rows]
        for bundle in np.unique(bundles).tolist():
            at = np.flatnonzero(bundles == bundle)
            for block in self.sealed.overlapping([bundle], int(times[at].min()), int(times[at].max())):
                hit, equal = compare(self.sealed.decoded.get(block), ids[at], times[at], values[at])
                found[at] |= hit
                same[at] |= equal
        return found, same

    # ── looking

    def rows_of(self, ids: Ints) -> Ints:
        return self._map.rows(ids)

    def buckets_of(self, ids: Ints) -> Ints:
        """In which turn the series are sealed; -1 for those that memory does not hold."""
        rows = self._map.rows(ids)
        return np.where(rows < 0, -1, buckets_of(self._rows.bundle[rows]))

    def bundles_of_ids(self, ids: Ints) -> Ints:
        """-1 for a series that memory does not hold."""
        rows = self._map.rows(ids)
        return np.where(rows < 0, -1, self._rows.bundle[rows])

    def labels_of(self, rows: Iterable[int]) -> list[Labels]:
        return [labels for row in rows if (labels := self._labels[row]) is not None]

    def bundles_of(self, rows: Ints) -> Ints:
        return self._rows.bundle[rows]

    def match(self, matchers: Sequence[Matcher]) -> Ints:
        return self.index.match(matchers, self._rows.live)

    def snapshot(self, rows: Ints, start_ms: int, end_ms: int) -> Held:
        """What memory has of these rows (ascending) in the window: copies, and what is never changed."""
        pieces, runs = self._recent.read(rows, start_ms, end_ms)
        bundles = np.unique(self._rows.bundle[rows]).tolist()
        return Held(self._rows.ids[rows], bundles, pieces, runs, self.sealed.overlapping(bundles, start_ms, end_ms))

    # ── sealing and letting go

    def close(self, buckets: Iterable[int]) -> tuple[list[Closed], Ints, Ints]:
        """Every sample not sealed of the series in these buckets, and each row's series and bundle. They stay until `seal`."""
        return self._recent.close(buckets), self._rows.ids, self._rows.bundle

    def seal(self, closed: Sequence[Closed], blocks: Mapping[int, Sequence[Block]], closed_ms: int) -> None:
        """What `close` gave at `closed_ms` is in the database now, as these blocks by bundle."""
        self._recent.seal(closed)
        self.sealed.hold(blocks)
        self._sealed_at[[each.bucket for each in closed]] = closed_ms

    @property
    def late(self) -> int:
        """Samples in memory that are sorted by series rather than by scrape."""
        return self._recent.late

    def idle(self, since_ms: int) -> dict[int, int]:
        """Series with nothing unsealed that had no sample since then: id → a time that none of its samples is after."""
        held = self._rows
        rows = np.flatnonzero(held.live & (held.touched < since_ms))
        rows = rows[held.touched[rows] < self._sealed_at[buckets_of(held.bundle[rows])]]
        ends = np.maximum(held.newest[rows], held.floor[rows])
        return dict(zip(held.ids[rows].tolist(), ends.tolist(), strict=True))

    def bundle_of(self, series_id: int) -> int:
        return int(self._rows.bundle[self._map.rows(np.array([series_id]))[0]])

    def drop(self, ids: Iterable[int]) -> list[Labels]:
        """Hold these series no longer. Returns their labels."""
        gone = np.fromiter(ids, np.int64)
        rows = self._map.rows(gone)
        labels = {row: found for row in rows.tolist() if (found := self._labels[row]) is not None}
        self._map.remove(gone)
        self.index.remove(labels)
        self._recent.leave(rows)
        for row in labels:
            self._labels[row] = None
        self._rows.give_back(rows.tolist())
        return list(labels.values())


def _scrapes(times: Millis, todo: Ints) -> Iterator[Ints] | None:
    """The batch's samples by their time, in order; None where there are too many times for that."""
    at = times[todo]
    if not len(todo) or (at == at[0]).all():
        return iter([todo] if len(todo) else [])
    distinct = np.unique(at)
    if len(distinct) > _TIMES or len(todo) < _TOGETHER * len(distinct):
        return None
    return (todo[at == each] for each in distinct)
