"""What the store passes around: samples of series that share their times, and samples of one series."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from opsconsole.model import Millis, Values

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

HOLE_BITS = 0x7FF4_6F70_7363_6F6E
HOLE = float(np.array([HOLE_BITS], np.uint64).view(np.float64)[0])
"""Stands in a matrix where a series has no sample. A NaN of just these bits may be a sample too; it is then kept elsewhere."""


class Piece(NamedTuple):
    """r series (ids ascending), n times (ascending), r × n values, none of which is missing."""

    ids: Ints
    times: Millis
    values: Values

    def within(self, start_ms: int, end_ms: int) -> "Piece":
        """The same where `start_ms <= t <= end_ms`; nothing is copied."""
        if len(self.times) and self.times[0] >= start_ms and self.times[-1] <= end_ms:
            return self
        low, high = np.searchsorted(self.times, start_ms), np.searchsorted(self.times, end_ms, side="right")
        return Piece(self.ids, self.times[low:high], self.values[:, low:high])


class Run(NamedTuple):
    """Samples of one series in order of time."""

    times: Millis
    values: Values


EMPTY = Run(np.empty(0, np.int64), np.empty(0, np.float64))


def holes(values: Values) -> Mask:
    """Where a matrix has no sample."""
    missing: Mask = np.isnan(values)
    if missing.any():
        missing &= values.view(np.uint64) == HOLE_BITS
    return missing


def whole(ids: Ints, times: Millis, values: Values) -> Iterator[Piece]:
    """Pieces without holes of a matrix that may have some: series whose holes are at the same times stay together."""
    missing = holes(values)
    if not missing.any():
        if len(times) and len(ids):
            yield Piece(ids, times, values)
        return
    alike: dict[bytes, list[int]] = {}
    for row, mark in enumerate(map(bytes, np.packbits(missing, axis=1))):
        alike.setdefault(mark, []).append(row)
    for rows in alike.values():
        there = ~missing[rows[0]]
        if there.any():
            yield Piece(ids[rows], times[there], values[np.ix_(rows, there)])


def merged(runs: list[Run]) -> Run:
    """Runs in order of precedence → one run with ascending times."""
    runs = [run for run in runs if len(run.times)]
    if not runs:
        return EMPTY
    if len(runs) == 1:
        return runs[0]
    times, values = np.concatenate([run.times for run in runs]), np.concatenate([run.values for run in runs])
    if (np.diff(times) > 0).all():
        return Run(times, values)
    order = first_at_each(times)
    return Run(times[order], values[order])


def first_at_each(times: Millis) -> Ints:
    """The order that makes `times` ascend, the first of equal ones standing for all."""
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    kept = np.ones(len(order), np.bool_)
    kept[1:] = ordered[1:] > ordered[:-1]
    return order[kept]
