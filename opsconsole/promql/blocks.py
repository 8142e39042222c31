"""Series side by side: samples as matrices of series × samples, so that one numpy call serves them all.

Series that share their timestamps (one scrape) stand in one block with a single row of times; the others are padded to a
common length, with series of similar length together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from opsconsole.model import STALE_NAN_BITS, Millis, Series, Values
from opsconsole.promql.vectors import Indices, Mask

_FEW = 8
_CELLS = 1 << 18
_PADDING = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """`times` has one row for all series or one for each; `lengths` likewise; `rows` are the series' places in the selection."""

    rows: Indices
    times: Millis
    values: Values
    lengths: Indices

    @property
    def shared(self) -> bool:
        return len(self.times) == 1

    def parts(self, steps: int) -> Iterator["Block"]:
        """The block in slices whose results over `steps` stay within the processor's caches, roughly."""
        size = max(1, _CELLS // max(steps, self.values.shape[1], 1))
        if size >= len(self.rows):
            yield self
            return
        for start in range(0, len(self.rows), size):
            cut = slice(start, start + size)
            times, lengths = (self.times, self.lengths) if self.shared else (self.times[cut], self.lengths[cut])
            yield Block(self.rows[cut], times, self.values[cut], lengths)

    def first_at_or_after(self, edges: Millis) -> Indices:
        return self._search(edges, "left")

    def first_after(self, edges: Millis) -> Indices:
        return self._search(edges, "right")

    def _search(self, edges: Millis, side: Literal["left", "right"]) -> Indices:
        """For each series and edge the number of samples before it; one row if the times are shared."""
        if self.shared:
            return np.searchsorted(self.times[0], edges, side=side)[None, :]
        rows, width = self.times.shape
        low = int(self.times[:, 0].min())
        high = int(self.times[np.arange(rows), self.lengths - 1].max())
        span = high - low + 3
        keys = np.minimum(self.times, high + 1) - low + 1 + np.arange(rows, dtype=np.int64)[:, None] * span
        farthest = span - 1 if side == "left" else span - 2
        wanted = np.clip(edges - low + 1, 0, farthest)[None, :] + np.arange(rows, dtype=np.int64)[:, None] * span
        found = np.searchsorted(keys.ravel(), wanted.ravel(), side=side)
        local = found.reshape(rows, -1) - np.arange(rows)[:, None] * width
        bounded: Indices = np.clip(local, 0, self.lengths[:, None])
        return bounded


def blocks(series: Sequence[Series], *, keep_stale: bool) -> list[Block]:
    """The series' samples in blocks; staleness markers are left out unless wanted, and so are series without samples."""
    columns = [(s.timestamps, s.values) if keep_stale else _without_stale(s.timestamps, s.values) for s in series]
    groups = _by_times(columns)
    found, odd = [], []
    for rows in groups:
        if len(groups) <= _FEW or len(rows) >= _FEW:
            found.append(_shared(rows, columns))
        else:
            odd.extend(rows)
    return found + _padded(odd, columns)


def stale(values: Values) -> Mask:
    """Where the staleness markers are."""
    marked: Mask = np.isnan(values)
    if marked.any():
        marked &= np.ascontiguousarray(values).view(np.int64) == STALE_NAN_BITS
    return marked


def _without_stale(times: Millis, values: Values) -> tuple[Millis, Values]:
    marked = stale(values)
    return (times[~marked], values[~marked]) if marked.any() else (times, values)


def _by_times(columns: Sequence[tuple[Millis, Values]]) -> list[list[int]]:
    """Which series have exactly the same timestamps."""
    alike: dict[tuple[int, int, int], list[tuple[Millis, list[int]]]] = {}
    groups: list[list[int]] = []
    for row, (times, _) in enumerate(columns):
        if not len(times):
            continue
        candidates = alike.setdefault((len(times), int(times[0]), int(times[-1])), [])
        for known, rows in candidates:
            if known is times or len(times) <= 2 or np.array_equal(known, times):
                rows.append(row)
                break
        else:
            rows = [row]
            candidates.append((times, rows))
            groups.append(rows)
    return groups


def _shared(rows: list[int], columns: Sequence[tuple[Millis, Values]]) -> Block:
    times = columns[rows[0]][0]
    values = np.stack([columns[row][1] for row in rows])
    return Block(np.asarray(rows, dtype=np.intp), times[None, :], values, np.array([len(times)], dtype=np.intp))


def _padded(rows: list[int], columns: Sequence[tuple[Millis, Values]]) -> list[Block]:
    buckets: dict[int, list[int]] = {}
    for row in rows:
        buckets.setdefault(len(columns[row][0]).bit_length(), []).append(row)
    return [_pad(bucket, columns) for bucket in buckets.values()]


def _pad(rows: list[int], columns: Sequence[tuple[Millis, Values]]) -> Block:
    lengths = np.array([len(columns[row][0]) for row in rows], dtype=np.intp)
    times = np.full((len(rows), int(lengths.max())), _PADDING, dtype=np.int64)
    values = np.full(times.shape, np.nan)
    for at, row in enumerate(rows):
        times[at, : lengths[at]], values[at, : lengths[at]] = columns[row]
    return Block(np.asarray(rows, dtype=np.intp), times, values, lengths)
