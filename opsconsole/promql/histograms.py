"""Quantiles of classic histograms: cumulative buckets told apart by their `le` label."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from opsconsole.model import Labels, Millis, Values
from opsconsole.promql.fading import told_name
from opsconsole.promql.labelsets import Groups, Indices, LabelSets
from opsconsole.promql.literals import parse_float
from opsconsole.promql.notes import Forced, Notes
from opsconsole.promql.vectors import Mask, Vector

_CELLS = 1 << 17
"""Buckets' counts that are worked on at a time, so that they stay within the processor's caches."""

_ROUNDING = 1e-12
"""How far two counts may lie apart, relative to their sum, and still be one."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the text the buckets stand, the steps' times, and who wants to hear what is odd about the buckets."""

    notes: Notes
    position: int
    times: Millis


def histogram_quantile(quantile: Values, vector: Vector, place: Place) -> Vector:
    def estimate(bounds: Values, counts: Values, at: Any) -> Values:
        bounds, counts = coalesced(bounds, counts)
        rising, forced = _rising(counts)
        if forced is not None and np.isposinf(bounds[-1]):
            _tell(place, bounds, rising - counts, forced & (quantile[at] >= 0) & (quantile[at] <= 1), at)
        return quantiles(quantile[at], bounds, rising)

    return _estimated(vector, estimate, place)


def histogram_fraction(lower: Values, upper: Values, vector: Vector, place: Place) -> Vector:
    return _estimated(vector, lambda bounds, counts, at: _fractions(lower[at], upper[at], bounds, counts), place)


def _tell(place: Place, bounds: Values, missing: Values, forced: Mask, at: Any) -> None:
    if forced.any():
        place.notes.forced(Forced.of(bounds, missing, forced, place.times[at]), "", place.position)


def _estimated(vector: Vector, estimate: Callable[[Values, Values, Any], Values], place: Place) -> Vector:
    """One value per histogram and step, from the buckets that are there at that step.

    Histograms that differ in name only are an error, as any labels that collide.
    """
    steps = vector.values.shape[1]
    groups = vector.labels.grouped(("le",), by=False, named=True)
    layouts, malformed = vector.labels.derived("layouts", lambda: _layouts(vector.labels, groups))
    for bound, name in malformed:
        place.notes.bucket(bound, name, place.position)
    values, present = np.full((len(groups), steps), np.nan), np.zeros((len(groups), steps), dtype=bool)
    for bounds, numbers, members in layouts:
        many = max(1, _CELLS // (len(bounds) * steps))
        for at in range(0, len(numbers), many):
            here, chosen = numbers[at : at + many], members[:, at : at + many]
            counts, there = vector.values[chosen].reshape(len(bounds), -1), vector.present[chosen].reshape(len(bounds), -1)
            found = np.full(counts.shape[1], np.nan)
            for columns, seen in _patterns(there):
                found[columns] = estimate(bounds[seen], counts[np.ix_(seen, columns)], columns % steps)
            values[here], present[here] = found.reshape(-1, steps), there.any(axis=0).reshape(-1, steps)
    return Vector(groups.labels, values, present).compact().nameless()


def _layouts(labels: LabelSets, groups: Groups) -> tuple[list[tuple[Values, Indices, Indices]], list[tuple[str, str]]]:
    """Histograms with the same bounds together: the bounds, ascending, the groups' numbers, and bucket × group series' places;
    and what stands where a bound should, with the metric's name if it is told."""
    bounds = [_bound(one) for one in labels]
    alike: dict[tuple[float, ...], list[tuple[int, list[int]]]] = {}
    for number, (_, rows) in enumerate(groups.rows()):
        buckets = sorted((row for row in rows.tolist() if bounds[row] == bounds[row]), key=bounds.__getitem__)
        if buckets:
            alike.setdefault(tuple([bounds[row] for row in buckets]), []).append((number, buckets))
    layouts = [
        (np.array(key), np.array([number for number, _ in found]), np.array([buckets for _, buckets in found], dtype=np.intp).T)
        for key, found in alike.items()
    ]
    odd = [(one.get("le", ""), told_name(one)) for one, bound in zip(labels, bounds, strict=True) if bound != bound]
    return layouts, list(dict.fromkeys(odd))


def _bound(labels: Labels) -> float:
    try:
        return parse_float(labels.get("le", ""))
    except ValueError:
        return np.nan


def _patterns(present: Mask) -> list[tuple[Any, Indices]]:
    """The columns, by which buckets are there; columns with none left out."""
    if present.all():
        return [(np.arange(present.shape[1]), np.arange(len(present)))]
    packed = np.ascontiguousarray(np.packbits(present, axis=0).T)
    keys, inverse = np.unique(packed.view(np.dtype((np.void, packed.shape[1])))[:, 0], return_inverse=True)
    columns = [np.flatnonzero(inverse == n) for n in range(len(keys))]
    return [(here, seen) for here in columns if len(seen := np.flatnonzero(present[:, here[0]]))]


def quantiles(quantile: Values, bounds: Values, counts: Values) -> Values:
    """prometheus/prometheus, `promql/quantile.go`, `bucketQuantile`: linear within the bucket where the rank falls.

    Needs a +Inf bucket and one more; a rank in the +Inf bucket gives the highest finite bound.
    """
    total = counts[-1]
    if not np.isposinf(bounds[-1]) or len(bounds) < 2:
        found = np.full(total.shape, np.nan)
    else:
        found = np.where(total == 0, np.nan, _interpolated(quantile, bounds, counts, total))
    return np.select([np.isnan(quantile), quantile < 0, quantile > 1], [np.nan, -np.inf, np.inf], found)


def _rising(counts: Values) -> tuple[Values, Mask | None]:
    """Counts that never fall from one bucket to the next, and where they did by more than rounding (None: nowhere).

    A difference within rounding, up or down, counts as none.
    """
    step, scale = np.diff(counts, axis=0), np.abs(counts[1:]) + np.abs(counts[:-1])
    if not ((step < 0) | ((step > 0) & (step < _ROUNDING * scale))).any():
        return counts, None
    rising, forced = counts.copy(), np.zeros(counts.shape, dtype=bool)
    for bucket in range(1, len(counts)):
        below, here = rising[bucket - 1], counts[bucket]
        alike = np.abs(here - below) < _ROUNDING * (np.abs(here) + np.abs(below))
        forced[bucket] = (here < below) & ~alike
        rising[bucket] = np.where(forced[bucket] | alike, below, here)
    return rising, forced if forced.any() else None


def _interpolated(quantile: Values, bounds: Values, counts: Values, total: Values) -> Values:
    rank = quantile * total
    bucket = (counts[:-1] < rank).sum(axis=0)
    steps = np.arange(len(total))
    low = np.where(bucket > 0, bounds[np.maximum(bucket - 1, 0)], 0.0)
    below = np.where(bucket > 0, counts[np.maximum(bucket - 1, 0), steps], 0.0)
    share = (rank - below) / (counts[bucket, steps] - below)
    inside = low + (bounds[bucket] - low) * share
    beyond, negative = bucket == len(bounds) - 1, (bucket == 0) & (bounds[0] <= 0)
    return np.select([beyond, negative], [bounds[-2], bounds[0]], inside)


def coalesced(bounds: Values, counts: Values) -> tuple[Values, Values]:
    """Buckets with one and the same bound, written differently, added up."""
    unique, starts = np.unique(bounds, return_index=True)
    return (bounds, counts) if len(unique) == len(bounds) else (unique, np.add.reduceat(counts, starts, axis=0))


def _fractions(lower: Values, upper: Values, bounds: Values, counts: Values) -> Values:
    """The share of observations between two values (prometheus/prometheus, `promql/quantile.go`, `BucketFraction`)."""
    bounds, counts = coalesced(bounds, counts)
    total = counts[-1]
    if not np.isposinf(bounds[-1]):
        return np.full(total.shape, np.nan)
    between = (_observed_below(upper, bounds, counts) - _observed_below(lower, bounds, counts)) / total
    unknown = (total == 0) | np.isnan(lower) | np.isnan(upper)
    return np.where(unknown, np.nan, np.where(lower >= upper, 0.0, between))


def _observed_below(value: Values, bounds: Values, counts: Values) -> Values:
    """The cumulative count at a value, linear within its bucket; the unbounded buckets count as a whole or not at all."""
    bucket = np.minimum(np.searchsorted(bounds, value, side="right"), len(bounds) - 1)
    steps = np.arange(len(value))
    floor = 0.0 if bounds[0] > 0 else -np.inf
    low = np.where(bucket > 0, bounds[np.maximum(bucket - 1, 0)], floor)
    below = np.where(bucket > 0, counts[np.maximum(bucket - 1, 0), steps], 0.0)
    share = np.where(np.isinf(low), 1.0, (value - low) / (bounds[bucket] - low))
    inside = np.where(value <= low, below, below + (counts[bucket, steps] - below) * share)
    observed: Values = np.minimum(np.where(np.isposinf(value), counts[-1], inside), counts[-1])
    return observed
