"""Quantiles as Prometheus computes them: NaN sorts first, interpolation between the two nearest ranks."""

from typing import Any

import numpy as np

from opsconsole.model import Values


def sorted_nan_first(values: Values, counts: Any) -> Values:
    """Along the first axis, the first `counts` of each column in order with NaN before all numbers."""
    beyond = np.arange(len(values)).reshape(-1, *([1] * (values.ndim - 1))) >= counts
    missing = np.isnan(values) & ~beyond
    ordered = np.sort(np.where(missing, -np.inf, np.where(beyond, np.inf, values)), axis=0)
    if missing.any():
        ranks = np.arange(len(values)).reshape(-1, *([1] * (values.ndim - 1)))
        ordered = np.where(ranks < missing.sum(axis=0), np.nan, ordered)
    return ordered


def quantile_of_sorted(ordered: Values, counts: Any, quantile: Any) -> Values:
    """The quantile of the first `counts` of each column (prometheus/prometheus, `promql/quantile.go`, `quantile`)."""
    sane = np.where((quantile >= 0) & (quantile <= 1), quantile, 0.0)
    rank = sane * (np.maximum(counts, 1) - 1)
    lower = np.maximum(np.floor(rank), 0).astype(np.intp)
    upper = np.minimum(lower + 1, np.maximum(counts, 1) - 1)
    weight = rank - np.floor(rank)
    low = np.take_along_axis(ordered, lower[None], axis=0)[0]
    high = np.take_along_axis(ordered, upper[None], axis=0)[0]
    found = low * (1 - weight) + high * weight
    return np.select([np.isnan(quantile), quantile < 0, quantile > 1], [np.nan, -np.inf, np.inf], found)
