"""Quantiles of classic histograms as Prometheus 2.42 computes them, from malformed buckets too."""

import bisect
import math
import re
from typing import Any

import numpy as np

from opsconsole.model import Labels, Values
from opsconsole.promql.histograms import coalesced, quantiles
from opsconsole.promql.labelsets import LabelSets
from opsconsole.promql.vectors import Mask, Vector, grouped

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_HEXADECIMAL = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+", re.ASCII)
_WORDS = re.compile(r"[+-]?inf(?:inity)?|nan", re.IGNORECASE | re.ASCII)
_Bucket = tuple[float, float]


def histogram_quantile(quantile: Values, vector: Vector) -> Vector:
    """One value per histogram and step; histograms that differ in name only collide. Raises QueryError."""
    bounds = [_bound(labels) for labels in vector.labels]
    groups = grouped(
        labels.without("le") if bound is not None else None for labels, bound in zip(vector.labels, bounds, strict=True)
    )
    named = {labels: sorted(rows, key=lambda row: bounds[row] or 0.0) for labels, rows in groups.items() if labels is not None}
    if not named:
        return Vector.empty(vector.values.shape[1])
    values = np.full((len(named), vector.values.shape[1]), np.nan)
    present = np.stack([vector.present[rows].any(axis=0) for rows in named.values()])
    for at, rows in enumerate(named.values()):
        for columns, here in _patterns(vector.present[rows]):
            chosen = np.asarray(rows)[here]
            limits = np.array([bounds[row] for row in chosen], dtype=float)
            values[at, columns] = _estimated(quantile[columns], limits, vector.values[np.ix_(chosen, columns)])
    return Vector(LabelSets(named), values, present).nameless()


def _bound(labels: Labels) -> float | None:
    """The upper bound as Go reads it, which may be NaN; None if it is none."""
    text = labels.get("le", "")
    if _HEXADECIMAL.fullmatch(text):
        return float.fromhex(text)
    if _WORDS.fullmatch(text):
        return float(text)
    value = float(text) if _DECIMAL.fullmatch(text) else math.inf
    return None if math.isinf(value) else value


def _patterns(present: Mask) -> list[tuple[Any, Mask]]:
    """The steps, by which buckets are there; steps with none left out."""
    found, inverse = np.unique(present, axis=1, return_inverse=True)
    return [(np.flatnonzero(inverse == n), here) for n, here in enumerate(found.T) if here.any()]


def _estimated(quantile: Values, bounds: Values, counts: Values) -> Values:
    if not np.isnan(bounds).any() and not np.isnan(counts).any():
        bounds, counts = coalesced(bounds, counts)
        return quantiles(quantile, bounds, np.maximum.accumulate(counts, axis=0))
    found = [_of_odd(float(q), bounds.tolist(), column.tolist()) for q, column in zip(quantile, counts.T, strict=True)]
    return np.array(found)


def _of_odd(quantile: float, bounds: list[float], counts: list[float]) -> float:
    """With NaN among bounds or counts: comparisons with it are false, and the search goes where that leads."""
    if math.isnan(quantile) or quantile < 0 or quantile > 1:
        return math.nan if math.isnan(quantile) else math.copysign(math.inf, quantile)
    if bounds[-1] != math.inf:
        return math.nan
    buckets = _rising(_added_up(list(zip(bounds, counts, strict=True))))
    total = buckets[-1][1]
    if len(buckets) < 2 or total == 0:
        return math.nan
    rank = quantile * total
    at = bisect.bisect_left(buckets, True, hi=len(buckets) - 1, key=lambda bucket: bucket[1] >= rank)
    return _within(buckets, at, rank)


def _within(buckets: list[_Bucket], at: int, rank: float) -> float:
    bound, count = buckets[at]
    if at == len(buckets) - 1:
        return buckets[-2][0]
    if at == 0 and bound <= 0:
        return bound
    low, below = buckets[at - 1] if at else (0.0, 0.0)
    share: Any = np.float64(rank - below) / np.float64(count - below)
    return float(low + (bound - low) * share)


def _added_up(buckets: list[_Bucket]) -> list[_Bucket]:
    found = buckets[:1]
    for bound, count in buckets[1:]:
        if bound == found[-1][0]:
            found[-1] = (bound, found[-1][1] + count)
        else:
            found.append((bound, count))
    return found


def _rising(buckets: list[_Bucket]) -> list[_Bucket]:
    most, found = buckets[0][1], []
    for bound, count in buckets:
        most = count if count > most else most
        found.append((bound, most if count < most else count))
    return found
