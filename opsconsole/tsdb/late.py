"""Samples that fit no row of the present: imported history, late ones, bursts of one series. In runs sorted by series and time.

Runs are merged as they grow alike (a log-structured merge tree), so that n samples cost n log n in whatever order they
come, with a query after each.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from opsconsole.model import Millis, Values
from opsconsole.tsdb.pieces import Ints, Mask, Run

Keys = npt.NDArray[np.uint64]

TIME_LIMIT = 2**42
"""No sample is as far from 1970, in milliseconds: year 2109."""
ROW_LIMIT = 2**21
"""There are no more series in memory at once."""
_TIME_BITS, _TIME_MASK = np.uint64(43), np.uint64(2**43 - 1)


def keys_of(rows: Ints, times: Millis) -> Keys:
    """Row and time as one number that sorts by both."""
    shifted: Keys = rows.astype(np.uint64) << _TIME_BITS
    return shifted | (times + TIME_LIMIT).astype(np.uint64)


class SortedRun(NamedTuple):
    keys: Keys
    values: Values

    @property
    def rows(self) -> Ints:
        return (self.keys >> _TIME_BITS).astype(np.int64)

    @property
    def times(self) -> Millis:
        return (self.keys & _TIME_MASK).astype(np.int64) - TIME_LIMIT

    def by_row(self) -> Iterator[tuple[int, Run]]:
        if not len(self.keys):
            return
        rows, times = self.rows, self.times
        cuts = [0, *(np.flatnonzero(np.diff(rows)) + 1).tolist(), len(rows)]
        for a, b in pairwise(cuts):
            yield int(rows[a]), Run(times[a:b], self.values[a:b])


class Late:
    """Samples by row and time, none twice. What `freeze` took is still found until `drop`."""

    def __init__(self) -> None:
        self._runs: list[SortedRun] = []
        self._frozen: list[SortedRun] = []

    def __len__(self) -> int:
        return sum(len(run.keys) for run in (*self._frozen, *self._runs))

    def add(self, rows: Ints, times: Millis, values: Values) -> None:
        """Samples at times that their rows have none at."""
        if not len(rows):
            return
        keys = keys_of(rows, times)
        order = np.argsort(keys)
        self._runs.append(SortedRun(keys[order], values[order]))
        while len(self._runs) > 1 and len(self._runs[-2].keys) < 2 * len(self._runs[-1].keys):
            self._runs[-2:] = [_merge(self._runs[-2], self._runs[-1])]

    def find(self, rows: Ints, times: Millis, values: Values) -> tuple[Mask, Mask]:
        """Which of these times have a sample, and where it is of the same value."""
        keys, bits = keys_of(rows, times), values.view(np.uint64)
        found, same = np.zeros(len(keys), np.bool_), np.zeros(len(keys), np.bool_)
        for run in (*self._frozen, *self._runs):
            at = np.searchsorted(run.keys, keys)
            at[at == len(run.keys)] = 0
            hit = run.keys[at] == keys
            found |= hit
            same |= hit & (run.values[at].view(np.uint64) == bits)
        return found, same

    def read(self, rows: Ints, start_ms: int, end_ms: int) -> SortedRun:
        """The samples of these rows (ascending) in the window."""
        start, end = (np.full(len(rows), min(max(at, -TIME_LIMIT), TIME_LIMIT - 1), np.int64) for at in (start_ms, end_ms))
        low, high = keys_of(rows, start), keys_of(rows, end)
        parts = [part for run in (*self._frozen, *self._runs) if len((part := _between(run, low, high)).keys)]
        if not parts:
            return SortedRun(np.empty(0, np.uint64), np.empty(0))
        return parts[0] if len(parts) == 1 else _sorted(parts)

    def freeze(self) -> tuple[SortedRun, ...]:
        """Everything, to be written down."""
        if self._runs:
            self._frozen.append(self._runs[0] if len(self._runs) == 1 else _sorted(self._runs))
            self._runs = []
        return tuple(self._frozen)

    def freeze_more(self, rows: Ints, times: Millis, values: Values) -> None:
        """Samples, by row and time, that are to be written down with the next."""
        if len(rows):
            self._frozen.append(SortedRun(keys_of(rows, times), values))

    def drop(self, frozen: int) -> None:
        """So many runs that `freeze` gave are written."""
        del self._frozen[:frozen]


def _merge(one: SortedRun, two: SortedRun) -> SortedRun:
    """Two sorted runs as one, without sorting again."""
    at = np.searchsorted(one.keys, two.keys) + np.arange(len(two.keys))
    keys = np.empty(len(one.keys) + len(two.keys), np.uint64)
    values = np.empty(len(keys), np.float64)
    rest = np.ones(len(keys), np.bool_)
    rest[at] = False
    keys[at], values[at] = two
    keys[rest], values[rest] = one
    return SortedRun(keys, values)


def _sorted(runs: list[SortedRun]) -> SortedRun:
    keys = np.concatenate([run.keys for run in runs])
    order = np.argsort(keys, kind="stable")
    return SortedRun(keys[order], np.concatenate([run.values for run in runs])[order])


def _between(run: SortedRun, low: Keys, high: Keys) -> SortedRun:
    first, last = np.searchsorted(run.keys, low), np.searchsorted(run.keys, high, side="right")
    lengths = np.maximum(last - first, 0)
    total = int(lengths.sum())
    if not total:
        return SortedRun(run.keys[:0], run.values[:0])
    at = np.repeat(first - (np.cumsum(lengths) - lengths), lengths) + np.arange(total)
    return SortedRun(run.keys[at], run.values[at])
