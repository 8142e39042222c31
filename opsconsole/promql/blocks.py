"""Samples as matrices of series × samples, cut so that one numpy call serves many series and stays within the caches.

Series that share their timestamps stand in tiles with a single row of times; of series with times of their own, those of
similar length are padded to a common one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from opsconsole.model import STALE_NAN_BITS, Block, Millis, Values
from opsconsole.promql.labelsets import Indices
from opsconsole.promql.vectors import Mask

_FEW = 8
_CELLS = 1 << 18
_PADDING = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """`times` has one row for all series or one for each; `lengths` likewise; `rows` are the series' places in the selection."""

    rows: Indices
    times: Millis
    values: Values
    lengths: Indices

    @property
    def shared(self) -> bool:
        return len(self.times) == 1

    def parts(self, steps: int) -> Iterator["Tile"]:
        """The tile in slices whose results over `steps` stay within the processor's caches, roughly."""
        size = max(1, _CELLS // max(steps, self.values.shape[1], 1))
        if size >= len(self.rows):
            yield self
            return
        for start in range(0, len(self.rows), size):
            cut = slice(start, start + size)
            times, lengths = (self.times, self.lengths) if self.shared else (self.times[cut], self.lengths[cut])
            yield Tile(self.rows[cut], times, self.values[cut], lengths)

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


def tiles(blocks: Sequence[Block], *, keep_stale: bool) -> list[Tile]:
    """The blocks' samples as tiles; staleness markers are left out unless wanted, and so are series that had nothing else.

    A series' place is the one it has when the blocks' series are counted through.
    """
    parts: list[Tile] = []
    place = 0
    for block in blocks:
        whole = _shared(np.arange(place, place + len(block.labels), dtype=np.intp), block.timestamps, block.values)
        parts += [whole] if keep_stale else _without_stale(whole)
        place += len(block.labels)
    if len(parts) <= _FEW:
        return parts
    wide = [part for part in parts if len(part.rows) >= _FEW]
    return wide + _padded([part for part in parts if len(part.rows) < _FEW])


def stale(values: Values) -> Mask:
    """Where the staleness markers are."""
    marked: Mask = np.isnan(values)
    if marked.any():
        marked &= np.ascontiguousarray(values).view(np.int64) == STALE_NAN_BITS
    return marked


def _shared(rows: Indices, times: Millis, values: Values) -> Tile:
    return Tile(rows, times[None, :], values, np.array([len(times)], dtype=np.intp))


def _without_stale(tile: Tile) -> list[Tile]:
    """The series without markers, and the others by where their markers are."""
    marked = stale(tile.values)
    if not (hit := marked.any(axis=1)).any():
        return [tile]
    clean = np.flatnonzero(~hit)
    found = [_shared(tile.rows[clean], tile.times[0], tile.values[clean])] if len(clean) else []
    patterns: dict[bytes, list[int]] = {}
    for row in np.flatnonzero(hit).tolist():
        patterns.setdefault(marked[row].tobytes(), []).append(row)
    for alike in patterns.values():
        left = ~marked[alike[0]]
        if left.any():
            found.append(_shared(tile.rows[alike], tile.times[0, left], tile.values[np.ix_(alike, left)]))
    return found


def _padded(parts: Sequence[Tile]) -> list[Tile]:
    buckets: dict[int, list[Tile]] = {}
    for part in parts:
        buckets.setdefault(part.values.shape[1].bit_length(), []).append(part)
    return [_pad(bucket) for bucket in buckets.values()]


def _pad(parts: Sequence[Tile]) -> Tile:
    lengths = np.concatenate([np.full(len(part.rows), part.values.shape[1], dtype=np.intp) for part in parts])
    times = np.full((len(lengths), int(lengths.max())), _PADDING, dtype=np.int64)
    values = np.full(times.shape, np.nan)
    at = 0
    for part in parts:
        rows, width = slice(at, at + len(part.rows)), part.values.shape[1]
        times[rows, :width], values[rows, :width] = part.times, part.values
        at += len(part.rows)
    return Tile(np.concatenate([part.rows for part in parts]), times, values, lengths)
