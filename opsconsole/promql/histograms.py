"""Quantiles of classic histograms: cumulative buckets told apart by their `le` label."""

from collections.abc import Callable
from typing import Any

import numpy as np

from opsconsole.model import Labels, Values
from opsconsole.promql.vectors import Mask, Vector, grouped


def histogram_quantile(quantile: Values, vector: Vector, compat: int) -> Vector:
    return _estimated(vector, lambda bounds, counts, at: _quantiles(quantile[at], bounds, counts), compat)


def histogram_fraction(lower: Values, upper: Values, vector: Vector) -> Vector:
    return _estimated(vector, lambda bounds, counts, at: _fractions(lower[at], upper[at], bounds, counts), 3)


def _estimated(vector: Vector, estimate: Callable[[Values, Values, Any], Values], compat: int) -> Vector:
    """One value per histogram and step, from the buckets that are there at that step.

    Histograms that differ in name only are an error, as any labels that collide; Prometheus 2 mixed their buckets.
    """
    ignored = ("__name__", "le") if compat == 2 else ("le",)
    bounds = np.array([_bound(labels) for labels in vector.labels])
    groups = grouped(labels.without(*ignored) for labels in vector.labels)
    named = {labels: [row for row in rows if not np.isnan(bounds[row])] for labels, rows in groups.items()}
    named = {labels: sorted(rows, key=lambda row: float(bounds[row])) for labels, rows in named.items() if rows}
    if not named:
        return Vector.empty(vector.values.shape[1])
    values = np.full((len(named), vector.values.shape[1]), np.nan)
    present = np.stack([vector.present[rows].any(axis=0) for rows in named.values()])
    for at, rows in enumerate(named.values()):
        for columns, here in _patterns(vector.present[rows]):
            chosen = np.asarray(rows)[here]
            counts = vector.values[np.ix_(chosen, columns)]
            values[at, columns] = estimate(bounds[chosen], counts, columns)
    return Vector(list(named), values, present).nameless()


def _bound(labels: Labels) -> float:
    try:
        return float(labels.get("le", "nan"))
    except ValueError:
        return np.nan


def _patterns(present: Mask) -> list[tuple[Any, Mask]]:
    """The steps, by which buckets are there; steps with none left out."""
    if present.all():
        return [(np.arange(present.shape[1]), np.ones(len(present), dtype=bool))]
    patterns, inverse = np.unique(present, axis=1, return_inverse=True)
    return [(np.flatnonzero(inverse == n), here) for n, here in enumerate(patterns.T) if here.any()]


def _quantiles(quantile: Values, bounds: Values, counts: Values) -> Values:
    """prometheus/prometheus, `promql/quantile.go`, `bucketQuantile`: linear within the bucket where the rank falls.

    Needs a +Inf bucket and one more; counts that fall from one bucket to the next are raised first; a rank in the +Inf
    bucket gives the highest finite bound.
    """
    bounds, counts = _coalesced(bounds, counts)
    counts = np.fmax.accumulate(counts, axis=0)
    total = counts[-1]
    if not np.isposinf(bounds[-1]) or len(bounds) < 2:
        found = np.full(total.shape, np.nan)
    else:
        found = np.where(total == 0, np.nan, _interpolated(quantile, bounds, counts, total))
    return np.select([np.isnan(quantile), quantile < 0, quantile > 1], [np.nan, -np.inf, np.inf], found)


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


def _coalesced(bounds: Values, counts: Values) -> tuple[Values, Values]:
    """Buckets with one and the same bound, written differently, added up."""
    unique, starts = np.unique(bounds, return_index=True)
    return (bounds, counts) if len(unique) == len(bounds) else (unique, np.add.reduceat(counts, starts, axis=0))


def _fractions(lower: Values, upper: Values, bounds: Values, counts: Values) -> Values:
    """The share of observations between two values (prometheus/prometheus, `promql/quantile.go`, `BucketFraction`)."""
    bounds, counts = _coalesced(bounds, counts)
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
