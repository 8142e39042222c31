"""What the store holds in memory: every series alive, its samples not yet sealed, and its latest sealed chunks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from opsconsole.model import Labels, Matcher, Millis, Values
from opsconsole.tsdb.codec import Batch, CorruptError, decode
from opsconsole.tsdb.index import LabelIndex
from opsconsole.tsdb.rows import NEVER, WIDTH, Ints, Mask, RowMap, SampleRows

_SLICE = 8192
"""Rows compared with late samples at a time, which bounds the memory that takes."""


class Run(NamedTuple):
    """Samples of one series in order of time."""

    times: Millis
    values: Values


class Chunk(NamedTuple):
    """The same, encoded; it is in the database too."""

    start_ms: int
    end_ms: int
    samples: int
    data: bytes


class Held(NamedTuple):
    """What memory has of one series in a window; `runs` may overlap each other and reach beyond the window."""

    id: int
    labels: Labels
    chunks: Sequence[Chunk]
    runs: Sequence[Run]


class Outcome(NamedTuple):
    """What became of samples: `accepted` and `unknown` (no such series in memory) say it of each."""

    accepted: Mask
    unknown: Mask
    conflicts: int


class Head:
    """Series by id and by label. Nothing here waits or writes; `now_ms` is when the samples came in."""

    def __init__(self) -> None:
        self._rows = SampleRows()
        self._map = RowMap()
        self._labels: list[Labels | None] = []
        self.index = LabelIndex(self._labels)
        self._closed: dict[int, list[Run]] = {}
        self._sealed: dict[int, list[Chunk]] = {}

    def __len__(self) -> int:
        return int(np.count_nonzero(self._rows.live))

    def reserve(self, more: int) -> None:
        """Make room for that many more series at once."""
        self._rows.reserve(more)

    def add(self, series_id: int, labels: Labels, now_ms: int, floor_ms: int = NEVER) -> None:
        """Hold one more series. `floor_ms`: until when the database may have samples of it."""
        row = self._rows.take(series_id, now_ms)
        self._rows.floor[row] = floor_ms
        self._labels.extend([None] * (self._rows.size - len(self._labels)))
        self._labels[row] = labels
        self._map.add(series_id, row)
        self.index.add(row, labels)

    def append(self, batch: Batch, now_ms: int) -> Outcome:
        """Take samples in. The first value of a series at a time stays; the same again is no conflict."""
        rows, times, values = self._map.rows(batch.ids), batch.times, batch.values
        unknown = rows < 0
        accepted, conflicts = ~unknown, 0
        todo = np.flatnonzero(accepted)
        while todo.size:
            first = self._rows.first_of_each(rows[todo])
            now, todo = todo[first], todo[~first]
            new, refused = self._novel(rows[now], times[now], values[now])
            accepted[now], conflicts = new, conflicts + refused
            self._put(rows[now[new]], times[now[new]], values[now[new]], now_ms)
            if todo.size > 8 * now.size:
                conflicts += self._put_runs(todo, rows, times, values, accepted, now_ms)
                break
        return Outcome(accepted, unknown, conflicts)

    def _put(self, rows: Ints, times: Millis, values: Values, now_ms: int) -> None:
        for row in rows[self._rows.count[rows] == WIDTH].tolist():
            self._close(row)
        self._rows.put(rows, times, values, now_ms)

    def _put_runs(self, todo: Ints, rows: Ints, times: Millis, values: Values, accepted: Mask, now_ms: int) -> int:
        """Many samples of few series: each series' become a run. Clears `accepted` for the others, returns the conflicts."""
        todo = todo[np.lexsort((times[todo], rows[todo]))]
        again = np.zeros(todo.size, np.bool_)
        again[1:] = (rows[todo[1:]] == rows[todo[:-1]]) & (times[todo[1:]] == times[todo[:-1]])
        accepted[todo[again]] = False
        bits = values.view(np.int64)
        conflicts = int(np.count_nonzero(again[1:] & (bits[todo[1:]] != bits[todo[:-1]])))
        todo = todo[~again]
        new, refused = self._novel(rows[todo], times[todo], values[todo])
        accepted[todo] = new
        todo = todo[new]
        for part in np.split(todo, np.flatnonzero(np.diff(rows[todo])) + 1):
            if part.size:
                row = int(rows[part[0]])
                self._closed.setdefault(row, []).append(Run(times[part], values[part]))
                self._rows.newest[row] = max(self._rows.newest[row], times[part[-1]])
                self._rows.touched[row] = now_ms
        return conflicts + refused

    def _novel(self, rows: Ints, times: Millis, values: Values) -> tuple[Mask, int]:
        """Which samples stand at times that their series have no sample at, and how many of the others differ in value."""
        late = np.flatnonzero(times <= self._rows.newest[rows])
        new, conflicts = np.ones(len(rows), np.bool_), 0
        for start in range(0, late.size, _SLICE):
            part = late[start : start + _SLICE]
            found, same = self._in_rows(rows[part], times[part], values[part])
            for i in np.flatnonzero(~found).tolist():
                row, at = int(rows[part[i]]), int(times[part[i]])
                if (value := self._stored(row, at)) is not None:
                    found[i], same[i] = True, value.view(np.int64) == values[part[i]].view(np.int64)
            new[part] = ~found
            conflicts += int(np.count_nonzero(found & ~same))
        return new, conflicts

    def _in_rows(self, rows: Ints, times: Millis, values: Values) -> tuple[Mask, Mask]:
        held = self._rows
        hit = (held.times[rows] == times[:, None]) & (np.arange(WIDTH) < held.count[rows][:, None])
        column = hit.argmax(axis=1)
        same: Mask = held.values[rows, column].view(np.int64) == values.view(np.int64)
        return hit.any(axis=1), same

    def _stored(self, row: int, at_ms: int) -> np.float64 | None:
        """The value at that time in a closed run or a sealed chunk that memory holds."""
        for times, values in self._closed.get(row, ()):
            if (i := int(np.searchsorted(times, at_ms))) < len(times) and times[i] == at_ms:
                return np.float64(values[i])
        for chunk in self._sealed.get(row, ()):
            if chunk.start_ms <= at_ms <= chunk.end_ms and (value := _value_at(chunk, at_ms)) is not None:
                return value
        return None

    def _close(self, row: int) -> None:
        if self._rows.count[row]:
            self._closed.setdefault(row, []).append(Run(*self._rows.cut(row)))

    def rows_of(self, ids: Ints) -> Ints:
        return self._map.rows(ids)

    def labels_of(self, rows: Iterable[int]) -> list[Labels]:
        return [labels for row in rows if (labels := self._labels[row]) is not None]

    def match(self, matchers: Sequence[Matcher]) -> Ints:
        return self.index.match(matchers, self._rows.live)

    def snapshot(self, rows: Ints, start_ms: int, end_ms: int) -> list[Held]:
        """What memory has of these rows in the window; the matrices are copied, all else is never changed."""
        held = self._rows
        width = int(held.count[rows].max(initial=0))
        times, values, count = held.times[rows, :width], held.values[rows, :width], held.count[rows]
        filled = np.arange(width) < count[:, None]
        low = np.count_nonzero((times < start_ms) & filled, axis=1).tolist()
        high = np.count_nonzero((times <= end_ms) & filled, axis=1).tolist()
        ids, unsorted = held.ids[rows].tolist(), held.unsorted[rows].tolist()
        found = []
        for i, row in enumerate(rows.tolist()):
            if (labels := self._labels[row]) is None:
                continue
            if unsorted[i]:
                runs = [_sorted(times[i, : count[i]], values[i, : count[i]])]
            else:
                runs = [Run(times[i, low[i] : high[i]], values[i, low[i] : high[i]])] if high[i] > low[i] else []
            if closed := self._closed.get(row):
                runs = [run for run in closed if run.times[0] <= end_ms and run.times[-1] >= start_ms] + runs
            chunks = [c for c in self._sealed.get(row, ()) if c.start_ms <= end_ms and c.end_ms >= start_ms]
            found.append(Held(ids[i], labels, chunks, runs))
        return found

    def close(self, buckets: Sequence[int], of: int) -> dict[int, list[Run]]:
        """Every sample not sealed of the series in these of `of` buckets, by series id. They stay until `seal` takes them."""
        held = self._rows
        rows = np.flatnonzero(held.live & np.isin(held.ids % of, buckets))
        for row in rows[held.count[rows] > 0].tolist():
            self._close(row)
        return {int(held.ids[row]): list(self._closed[row]) for row in rows.tolist() if row in self._closed}

    def seal(self, runs: Mapping[int, Sequence[Run]], chunks: Mapping[int, Sequence[Chunk]]) -> None:
        """These runs of `close` are in the database now, as these chunks."""
        for series_id, taken in runs.items():
            row = int(self._map.rows(np.array([series_id]))[0])
            if left := self._closed[row][len(taken) :]:
                self._closed[row] = left
            else:
                del self._closed[row]
        for series_id, sealed in chunks.items():
            self.hold(series_id, sealed)

    def hold(self, series_id: int, chunks: Sequence[Chunk]) -> None:
        """Keep chunks that the database has, for queries."""
        row = int(self._map.rows(np.array([series_id]))[0])
        if row >= 0:
            self._sealed[row] = [*self._sealed.get(row, ()), *chunks]
            self._rows.newest[row] = max(self._rows.newest[row], *(chunk.end_ms for chunk in chunks))

    def release(self, before_ms: int) -> None:
        """Let go of sealed chunks that ended before then."""
        for row, chunks in list(self._sealed.items()):
            if kept := [chunk for chunk in chunks if chunk.end_ms >= before_ms]:
                self._sealed[row] = kept
            else:
                del self._sealed[row]

    def idle(self, since_ms: int) -> dict[int, int]:
        """Series with nothing unsealed that had no sample since then: id → a time that none of its samples is after."""
        held = self._rows
        rows = np.flatnonzero(held.live & (held.touched < since_ms) & (held.count == 0))
        return {int(held.ids[r]): int(max(held.newest[r], held.floor[r])) for r in rows.tolist() if r not in self._closed}

    def drop(self, ids: Iterable[int]) -> list[Labels]:
        """Hold these series no longer. Returns their labels."""
        gone = np.fromiter(ids, np.int64)
        rows = self._map.rows(gone).tolist()
        labels = {row: found for row in rows if (found := self._labels[row]) is not None}
        self._map.remove(gone)
        self.index.remove(labels)
        for row in rows:
            self._labels[row] = None
            self._sealed.pop(row, None)
        self._rows.give_back(rows)
        return list(labels.values())


def _sorted(times: Millis, values: Values) -> Run:
    order = np.argsort(times, kind="stable")
    return Run(times[order], values[order])


def _value_at(chunk: Chunk, at_ms: int) -> np.float64 | None:
    try:
        times, values = decode(chunk.data)
    except CorruptError:
        return None
    found = np.flatnonzero(times == at_ms)
    return np.float64(values[found[0]]) if found.size else None
