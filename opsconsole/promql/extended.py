"""Selectors with edges: `anchored` holds what was last seen before a window at its start, `smoothed` interpolates at both ends.

A rate over such a window is exact between its edges, without extrapolation (prometheus/prometheus, `promql/functions.go`,
`extendedRate`). Everything here computes one series for all steps; times are milliseconds.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from opsconsole.model import Block, Labels, Millis, QueryError, Values
from opsconsole.promql.blocks import stale
from opsconsole.promql.labelsets import Indices, LabelSets
from opsconsole.promql.nodes import Range, Selector
from opsconsole.promql.vectors import Mask, Vector

_ANCHORED = ("changes", "delta", "increase", "rate", "resets")
_SMOOTHED = ("delta", "increase", "rate")


@dataclass(frozen=True, slots=True, eq=False)
class _Windows:
    """One series' samples, and for each step those from `first` to `last` that count, both included, where `valid`."""

    times: Millis
    values: Values
    starts: Millis
    ends: Millis
    first: Indices
    last: Indices
    valid: Mask
    smoothed: bool

    @classmethod
    def of(cls, times: Millis, values: Values, starts: Millis, ends: Millis, lookback_ms: int, *, smoothed: bool) -> "_Windows":
        oldest = times.searchsorted(starts - lookback_ms, side="right")
        newest = times.searchsorted(ends + (lookback_ms if smoothed else 0), side="right") - 1
        inner = times.searchsorted(starts, side="right")
        first = np.maximum(oldest, np.minimum(inner, newest) - 1)
        last = np.minimum(np.maximum(times.searchsorted(ends, side="left"), oldest), newest) if smoothed else newest
        valid = newest >= oldest
        first, last = np.where(valid, first, 0), np.where(valid, last, 0)
        valid = valid & (times[last] > starts)
        if smoothed:
            valid &= times[first] <= ends
        return cls(times, values, starts, ends, first, last, valid, smoothed)

    def left(self, *, counter: bool) -> Values:
        before = self.smoothed & (self.times[self.first] < self.starts)
        return np.where(before, self._between(self.first, self.starts, counter=counter), self.values[self.first])

    def right(self, *, counter: bool) -> Values:
        after = self.smoothed & (self.times[self.last] > self.ends) & (self.last > self.first)
        return np.where(after, self._between(self.last - 1, self.ends, counter=counter), self.values[self.last])

    def _between(self, index: Indices, at: Millis, *, counter: bool) -> Values:
        return _interpolated(self.times, self.values, index, at, counter=counter)

    def inside(self) -> tuple[Indices, Indices]:
        """The first and last sample strictly between the edges; the last is before the first where there is none."""
        first = self.first + (self.times[self.first] <= self.starts)
        return first, self.last - (self.times[self.last] >= self.ends)

    def change(self, *, counter: bool) -> Values:
        left, right = self.left(counter=counter), self.right(counter=counter)
        return right - left + self._lost(left, right) if counter else right - left

    def _lost(self, left: Values, right: Values) -> Values:
        """What the counter showed before each of its resets, the edges' values among them."""
        low, high = self.inside()
        some = high >= low
        low, high = np.minimum(low, len(self.values) - 1), np.maximum(high, 0)
        falls = self.values[1:] < self.values[:-1]
        running = np.concatenate([[0.0], np.cumsum(np.where(falls, self.values[:-1], 0.0))])
        first, last = self.values[low], self.values[high]
        between = np.where(first < left, left, 0.0) + running[high] - running[low] + np.where(right < last, last, 0.0)
        return np.where(some, between, np.where(right < left, left, 0.0))

    def counted(self, steps: Mask) -> Values:
        """How many of the steps from one sample to the next are marked."""
        running = np.concatenate([[0.0], np.cumsum(steps)])
        counts: Values = running[self.last] - running[self.first]
        return counts


def over_range(name: str, node: Range, blocks: Sequence[Block], ends: Millis, lookback_ms: int) -> Vector:
    """A function over the windows of a selector with edges. Raises QueryError for a function that knows no edges."""
    edges = node.selector.edges
    known = _ANCHORED if edges == "anchored" else _SMOOTHED
    if name not in known:
        raise QueryError(f"{edges} modifier can only be used with: {', '.join(known)} - not with {name}")
    function, starts, smoothed = _FUNCTIONS[name], ends - node.range_ms, edges == "smoothed"
    labels, values, present = [], [], []
    for own, times, samples in _each(blocks):
        windows = _Windows.of(times, samples, starts, ends, lookback_ms, smoothed=smoothed)
        labels.append(own)
        values.append(function(windows, node.range_ms / 1000.0))
        present.append(windows.valid)
    return _vector(labels, values, present, len(ends))


_FUNCTIONS: dict[str, Callable[[_Windows, float], Values]] = {
    "changes": lambda seen, seconds: seen.counted(_differs(seen.values[1:], seen.values[:-1])),
    "delta": lambda seen, seconds: seen.change(counter=False),
    "increase": lambda seen, seconds: seen.change(counter=True),
    "rate": lambda seen, seconds: seen.change(counter=True) / seconds,
    "resets": lambda seen, seconds: seen.counted(seen.values[1:] < seen.values[:-1]),
}


def _differs(one: Values, other: Values) -> Mask:
    changed: Mask = (one != other) & ~(np.isnan(one) & np.isnan(other))
    return changed


def samples(node: Range, blocks: Sequence[Block], end_ms: int, lookback_ms: int) -> Iterator[tuple[Labels, Millis, Values]]:
    """The samples of a window at a single step, with one at each edge."""
    ends = np.array([end_ms], dtype=np.int64)
    for labels, times, values in _each(blocks):
        smoothed = node.selector.edges == "smoothed"
        seen = _Windows.of(times, values, ends - node.range_ms, ends, lookback_ms, smoothed=smoothed)
        if not seen.valid[0]:
            continue
        low, high = (int(bound[0]) for bound in seen.inside())
        inside = slice(low, max(high + 1, low))
        edges = seen.left(counter=False), seen.right(counter=False)
        yield labels, np.concatenate([seen.starts, times[inside], ends]), np.concatenate([edges[0], values[inside], edges[1]])


def selected(node: Selector, blocks: Sequence[Block], refs: Millis, lookback_ms: int) -> Vector:
    """A smoothed instant vector: between two samples the value on the line from one to the other."""
    labels, values, present = [], [], []
    for own, times, numbers in _each(blocks):
        after = times.searchsorted(refs, side="left")
        oldest = times.searchsorted(refs - lookback_ms, side="right")
        newest = times.searchsorted(refs + lookback_ms, side="right") - 1
        at, before = np.minimum(after, len(times) - 1), np.maximum(after - 1, 0)
        exact = (after <= newest) & (times[at] == refs)
        held = (after > oldest) & (newest >= oldest)
        between = held & (after <= newest)
        line = _interpolated(times, numbers, before, refs, counter=False)
        labels.append(own)
        values.append(np.select([exact, between], [numbers[at], line], numbers[before]))
        present.append(exact | held)
    return _vector(labels, values, present, len(refs))


def _interpolated(times: Millis, values: Values, index: Indices, at: Millis, *, counter: bool) -> Values:
    """The value at a time on the line from a sample to the next; a counter that was reset between them began at 0."""
    follower = np.minimum(index + 1, len(times) - 1)
    one, other = values[index], values[follower]
    begin = np.where(other < one, 0.0, one) if counter else one
    elapsed: Any = times[follower] - times[index]
    line: Values = begin + (other - begin) * (at - times[index]) / elapsed
    return line


def _each(blocks: Sequence[Block]) -> Iterator[tuple[Labels, Millis, Values]]:
    """Series after series, without their staleness markers; none without samples."""
    for block in blocks:
        for labels, values in zip(block.labels, block.values, strict=True):
            marked = stale(values)
            if not marked.any():
                yield labels, block.timestamps, values
            elif not marked.all():
                yield labels, block.timestamps[~marked], values[~marked]


def _vector(labels: list[Labels], values: list[Values], present: list[Mask], steps: int) -> Vector:
    if not labels:
        return Vector.empty(steps)
    return Vector(LabelSets(labels), np.stack(values), np.stack(present)).compact()
