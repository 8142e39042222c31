"""Functions of how a series changes: rate and its kin, regressions, changes and resets.

The extrapolation is Prometheus': a rate is stretched to the window's edges where the samples come within 1.1 average
intervals of them, else by half an interval, and a counter is never stretched below zero (prometheus/prometheus,
`promql/functions.go`, `extrapolatedRate`).
"""

from typing import Any

import numpy as np

from opsconsole.model import Values
from opsconsole.promql.vectors import Mask
from opsconsole.promql.windows import Window

_THRESHOLD = 1.1
Result = tuple[Values, Mask]


def rate(window: Window) -> Result:
    return _extrapolated(window, counter=True, per_second=True)


def increase(window: Window) -> Result:
    return _extrapolated(window, counter=True, per_second=False)


def delta(window: Window) -> Result:
    return _extrapolated(window, counter=False, per_second=False)


def _extrapolated(window: Window, *, counter: bool, per_second: bool) -> Result:
    first, change = window.first_values(), window.last_values() - window.first_values()
    if counter:
        change = change + _lost_by_resets(window)
    first_at, last_at = window.times_ms(window.first), window.times_ms(window.last - 1)
    to_start, to_end = (first_at - window.starts) / 1000.0, (window.ends - last_at) / 1000.0
    sampled = (last_at - first_at) / 1000.0
    average = sampled / np.maximum(window.counts - 1, 1)
    to_zero = np.where((change > 0) & (first >= 0), sampled * (first / change), np.inf) if counter else np.inf
    to_start = np.minimum(_stretch(to_start, average), to_zero)
    factor = (sampled + to_start + _stretch(to_end, average)) / sampled
    if per_second:
        factor = factor / ((window.ends - window.starts) / 1000.0)
    return change * factor, window.having(2)


def _stretch(distance: Any, average: Any) -> Any:
    return np.where(distance < average * _THRESHOLD, distance, average / 2)


def _lost_by_resets(window: Window) -> Any:
    """What the counter showed just before each reset, summed over the window."""
    values = window.block.values
    falls = values[:, 1:] < values[:, :-1]
    if not falls.any():
        return 0.0
    lost = np.zeros_like(values)
    lost[:, 1:][falls] = values[:, :-1][falls]
    return np.where(window.counts > 1, window.reduced(np.add, lost, skip=1), 0.0)


def irate(window: Window) -> Result:
    return _instantaneous(window, per_second=True)


def idelta(window: Window) -> Result:
    return _instantaneous(window, per_second=False)


def _instantaneous(window: Window, *, per_second: bool) -> Result:
    last, before = window.last_values(), window.values(window.last - 2)
    elapsed = window.times_ms(window.last - 1) - window.times_ms(window.last - 2)
    if not per_second:
        return last - before, window.having(2)
    change = np.where(last < before, last, last - before)
    return change / (elapsed / 1000.0), window.having(2)


def changes(window: Window) -> Result:
    values = window.block.values
    return _counted(window, (values[:, 1:] != values[:, :-1]) & ~(np.isnan(values[:, 1:]) & np.isnan(values[:, :-1])))


def resets(window: Window) -> Result:
    return _counted(window, window.block.values[:, 1:] < window.block.values[:, :-1])


def _counted(window: Window, steps: Mask) -> Result:
    """How many of the steps from one sample to the next, within each window, are marked."""
    running = np.zeros(window.block.values.shape)
    np.cumsum(steps, axis=1, out=running[:, 1:])
    return _difference(window, running), window.having(1)


def _difference(window: Window, running: Values) -> Values:
    last, first = np.maximum(window.last - 1, 0), np.minimum(window.first, running.shape[1] - 1)
    if window.block.shared:
        return running[:, last[0]] - running[:, first[0]]
    difference: Values = np.take_along_axis(running, last, axis=1) - np.take_along_axis(running, first, axis=1)
    return difference


def deriv(window: Window) -> Result:
    slope, _ = _regression(window, window.times_ms(window.first))
    return slope, window.having(2)


def predict_linear(window: Window, ahead: Values) -> Result:
    """The regression's value `ahead` seconds after the evaluation time."""
    slope, intercept = _regression(window, window.now[None, :])
    return slope * ahead + intercept, window.having(2)


def _regression(window: Window, origin_ms: Any) -> tuple[Values, Values]:
    """Slope and value at the origin, by least squares; a constant series has slope 0 exactly."""
    zero = np.zeros(window.shape)
    count, sum_x, sum_y, sum_xy, sum_xx = zero, zero, zero, zero, zero
    first = window.first_values()
    constant = np.ones(window.shape, dtype=bool)
    for index, y, inside in window.columns():
        x = np.where(inside, (window.times_ms(index) - origin_ms) / 1000.0, 0.0)
        y = np.where(inside, y, 0.0)
        constant &= ~inside | (y == first)
        count, sum_x, sum_y = count + inside, sum_x + x, sum_y + y
        sum_xy, sum_xx = sum_xy + x * y, sum_xx + x * x
    covariance, variance = sum_xy - sum_x * sum_y / count, sum_xx - sum_x * sum_x / count
    slope = covariance / variance
    intercept = sum_y / count - slope * sum_x / count
    flat = np.where(np.isinf(first), np.nan, 0.0)
    return np.where(constant, flat, slope), np.where(constant, first + flat, intercept)
