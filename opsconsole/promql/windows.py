"""Range windows: which samples of a block each step sees, and reductions over them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from opsconsole.model import Block, Millis, Values
from opsconsole.promql.blocks import Tile, stale
from opsconsole.promql.labelsets import Indices, LabelSets
from opsconsole.promql.vectors import Mask, Vector

_SUSPECT = 1e3


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """For every series and step the samples `first … last - 1` of its row; one row of bounds serves all where times are shared.

    `starts` and `ends` are the window's edges in milliseconds, `now` the evaluation times. `check` raises QueryError where the
    query is to end; it is called between columns.
    """

    block: Tile
    first: Indices
    last: Indices
    starts: Millis
    ends: Millis
    now: Millis
    check: Callable[[], None] = lambda: None

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.block.rows), len(self.now)

    @property
    def counts(self) -> Indices:
        """How many samples each window holds, for all series and steps or one row for all."""
        return self.last - self.first

    def of_steps(self, cut: slice) -> "Window":
        """The same for some of the steps."""
        edges = self.starts[cut], self.ends[cut], self.now[cut]
        return Window(self.block, self.first[:, cut], self.last[:, cut], *edges, self.check)

    def having(self, fewest: int) -> Mask:
        """Where a window holds at least so many samples."""
        return np.broadcast_to(self.counts >= fewest, self.shape)

    def times(self, index: Indices) -> Any:
        """Times of samples in seconds, as a float (one row where shared)."""
        return self.times_ms(index) / 1000.0

    def times_ms(self, index: Indices) -> Any:
        return _pick(self.block.times, index)

    def values(self, index: Indices) -> Values:
        picked: Values = _pick(self.block.values, index)
        return picked

    def first_values(self) -> Values:
        return self.values(self.first)

    def last_values(self) -> Values:
        return self.values(self.last - 1)

    def columns(self) -> Iterator[tuple[Any, Values, Mask]]:
        """The windows' samples one after the other: index, value, and whether the window has that many."""
        for offset in range(int(self.counts.max(initial=0))):
            self.check()
            index = self.first + offset
            yield index, self.values(index), index < self.last

    def reduced(self, ufunc: np.ufunc, values: Values | None = None, skip: int = 0) -> Values:
        """`ufunc` over each window's values (or of another matrix of the block's shape), from its `skip`-th sample on.

        Where nothing is left the answer has no meaning.
        """
        matrix = self.block.values if values is None else values
        padded = np.concatenate([matrix, np.zeros((len(matrix), 1), dtype=matrix.dtype)], axis=1)
        width = padded.shape[1]
        low = np.minimum(self.first + skip, width - 1)
        bounds = np.stack([low, np.maximum(self.last, low)], axis=-1).reshape(len(low), -1)
        if self.block.shared:
            return ufunc.reduceat(padded, bounds[0], axis=1)[:, ::2]
        flat = (bounds + np.arange(len(bounds))[:, None] * width).ravel()
        found: Values = ufunc.reduceat(padded.ravel(), flat)[::2].reshape(len(bounds), -1)
        return found

    def sums(self) -> Values:
        """Sums as exact as Kahan's: where terms cancel out they are added again with compensation (Neumaier, 1974)."""
        plain = self.reduced(np.add)
        magnitude = self.reduced(np.add, np.abs(self.block.values))
        suspects = np.isfinite(plain) & (magnitude > _SUSPECT * np.abs(plain)) & (self.counts > 2)
        if suspects.any():
            plain = np.where(suspects, self._compensated(), plain)
        return plain

    def _compensated(self) -> Values:
        total, lost = np.zeros(self.shape), np.zeros(self.shape)
        for _, value, inside in self.columns():
            term = np.where(inside, value, 0.0)
            summed = total + term
            larger = np.abs(total) >= np.abs(term)
            lost += np.where(larger, (total - summed) + term, (term - summed) + total)
            total = summed
        return total + lost


def window(
    block: Tile, now: Millis, ends: Millis, range_ms: int, check: Callable[[], None] = lambda: None, *, left_open: bool
) -> Window:
    """The windows of `range_ms` that end at `ends`; left-open as in Prometheus 3, or closed as in 2."""
    starts = ends - range_ms
    first = block.first_after(starts) if left_open else block.first_at_or_after(starts)
    last = block.first_after(ends)
    return Window(block, np.minimum(first, last), last, starts, ends, now, check)


def newest(
    blocks: Sequence[Block], labels: LabelSets, ref_ms: int, lookback_ms: int, *, left_open: bool
) -> tuple[Vector, Values]:
    """The newest sample of each series within the lookback of one step, and the samples' own times in seconds."""
    oldest = ref_ms - lookback_ms + (1 if left_open else 0)
    rows: list[int] = []
    values: list[float] = []
    times: list[float] = []
    start = 0
    for block in blocks:
        place = int(block.timestamps.searchsorted(ref_ms, side="right")) - 1
        if place >= 0 and (at := int(block.timestamps[place])) >= oldest:
            column = block.values[:, place]
            there = np.flatnonzero(~stale(column))
            rows += (there + start).tolist()
            values += column[there].tolist()
            times += [at / 1000.0] * len(there)
        start += len(block.labels)
    found = labels.part(np.array(rows, dtype=np.intp))
    alive = Vector(found, np.array(values, dtype=float)[:, None], np.ones((len(rows), 1), dtype=bool))
    return alive, np.array(times, dtype=float)[:, None]


def _pick(matrix: Any, index: Indices) -> Any:
    bounded = np.clip(index, 0, matrix.shape[1] - 1)
    if len(bounded) == 1:
        return matrix[:, bounded[0]]
    return np.take_along_axis(matrix, bounded, axis=1)
