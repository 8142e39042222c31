"""The `*_over_time` functions: one value from all samples in a window."""

from collections.abc import Callable
from typing import Any

import numpy as np

from opsconsole.model import QueryError, Values
from opsconsole.promql.rates import Result
from opsconsole.promql.statistics import quantile_of_sorted, sorted_nan_first
from opsconsole.promql.windows import Window

_MOST_GATHERED = 1 << 20
"""Samples of all windows that are laid side by side at a time."""


def sum_over_time(window: Window) -> Result:
    return window.sums(), window.having(1)


def avg_over_time(window: Window) -> Result:
    """The sum by the count, except where the sum leaves a float's range: there each value is divided first."""
    means = window.sums() / window.counts
    wide = np.isinf(means) & (window.counts > 0)
    if wide.any():
        scaled = sum(
            (np.where(inside, value / window.counts, 0.0) for _, value, inside in window.columns()), np.zeros(window.shape)
        )
        means = np.where(wide, scaled, means)
    return means, window.having(1)


def min_over_time(window: Window) -> Result:
    return window.reduced(np.fmin), window.having(1)


def max_over_time(window: Window) -> Result:
    return window.reduced(np.fmax), window.having(1)


def count_over_time(window: Window) -> Result:
    return np.broadcast_to(window.counts.astype(float), window.shape), window.having(1)


def present_over_time(window: Window) -> Result:
    return np.ones(window.shape), window.having(1)


def last_over_time(window: Window) -> Result:
    return window.last_values(), window.having(1)


def first_over_time(window: Window) -> Result:
    return window.first_values(), window.having(1)


def stdvar_over_time(window: Window) -> Result:
    """The population's variance, by Welford's recurrence, so that values far from zero lose nothing."""
    count, mean, squares = np.zeros(window.shape), np.zeros(window.shape), np.zeros(window.shape)
    for _, value, inside in window.columns():
        count = count + inside
        step = value - mean
        moved = mean + step / count
        squares = np.where(inside, squares + step * (value - moved), squares)
        mean = np.where(inside, moved, mean)
    return squares / count, window.having(1)


def stddev_over_time(window: Window) -> Result:
    variance, present = stdvar_over_time(window)
    return np.sqrt(variance), present


def quantile_over_time(window: Window, quantile: Values) -> Result:
    return _in_parts(window, lambda part, cut: _quantiles(part, quantile[None, cut])), window.having(1)


def _quantiles(window: Window, quantile: Values) -> Values:
    return quantile_of_sorted(_sorted(window), np.broadcast_to(window.counts, window.shape), quantile)


def mad_over_time(window: Window) -> Result:
    """The median of the distances from the median; NaN if any sample is."""
    deviation = _in_parts(window, lambda part, _: _deviations(part))
    return np.where(window.reduced(np.maximum) >= -np.inf, deviation, np.nan), window.having(1)


def _deviations(window: Window) -> Values:
    counts, half = np.broadcast_to(window.counts, window.shape), np.full((1, window.shape[1]), 0.5)
    distances = np.abs(_gathered(window) - _quantiles(window, half))
    return quantile_of_sorted(sorted_nan_first(distances, counts), counts, half)


def _in_parts(window: Window, compute: Callable[[Window, slice], Values]) -> Values:
    """For what lays all windows' samples side by side: some steps at a time, so that it takes no more memory than that."""
    rows, steps = window.shape
    many = max(1, _MOST_GATHERED // max(1, rows * int(window.counts.max(initial=0))))
    cuts = [slice(at, at + many) for at in range(0, steps, many)]
    return np.concatenate([compute(window.of_steps(cut), cut) for cut in cuts], axis=1)


def _gathered(window: Window) -> Values:
    """Every window's samples along the first axis; what lies beyond a window's end has no meaning."""
    window.check()
    width = max(1, int(window.counts.max(initial=0)))
    places = window.first + np.arange(width)[:, None, None]
    last = window.block.values.shape[1] - 1
    rows = np.arange(window.shape[0])[:, None]
    gathered: Values = window.block.values[rows, np.clip(places, 0, last)]
    return gathered


def _sorted(window: Window) -> Values:
    return sorted_nan_first(_gathered(window), np.broadcast_to(window.counts, window.shape))


def ts_of_first_over_time(window: Window) -> Result:
    return np.broadcast_to(window.times(window.first), window.shape), window.having(1)


def ts_of_last_over_time(window: Window) -> Result:
    return np.broadcast_to(window.times(window.last - 1), window.shape), window.having(1)


def ts_of_max_over_time(window: Window) -> Result:
    return _time_of_extreme(window, np.greater_equal)


def ts_of_min_over_time(window: Window) -> Result:
    return _time_of_extreme(window, np.less_equal)


def _time_of_extreme(window: Window, beats: Any) -> Result:
    """When the extreme value was seen last."""
    best, at = window.first_values(), np.broadcast_to(window.times(window.first), window.shape)
    for index, value, inside in window.columns():
        better = inside & (beats(value, best) | np.isnan(best))
        best, at = np.where(better, value, best), np.where(better, window.times(index), at)
    return at, window.having(1)


def double_exponential_smoothing(window: Window, smoothing: Values, trend: Values) -> Result:
    """Holt's linear method: level and trend, each smoothed by its own factor, between 0 and 1 exclusive."""
    for name, factor in (("smoothing", smoothing), ("trend", trend)):
        if (wrong := ~((factor > 0) & (factor < 1))).any():
            raise QueryError(f"invalid {name} factor. Expected: 0 < tf < 1, got: {factor[wrong][0]:f}")
    return smoothed(window, smoothing, trend)


def smoothed(window: Window, smoothing: Values, trend: Values) -> Result:
    """The level at each window's end, where there are two samples; factors are not looked at."""
    level, before = window.first_values(), np.zeros(window.shape)
    slope = window.values(window.first + 1) - level
    for offset, (_, value, inside) in enumerate(window.columns()):
        if offset == 0:
            continue
        if offset > 1:
            slope = np.where(inside, trend * (level - before) + (1 - trend) * slope, slope)
        moved = smoothing * value + (1 - smoothing) * (level + slope)
        before, level = np.where(inside, level, before), np.where(inside, moved, level)
    return level, window.having(2)
