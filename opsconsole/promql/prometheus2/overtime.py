"""Functions over windows in the order of operations of Prometheus 2.42, sample after sample, so that the last digit agrees."""

from collections.abc import Callable
from typing import Any

import numpy as np

from opsconsole.model import QueryError, Values
from opsconsole.promql.overtime import smoothed
from opsconsole.promql.prometheus2.words import go_fixed
from opsconsole.promql.rates import Result
from opsconsole.promql.windows import Window

_THRESHOLD = 1.1


class _Sum:
    """A compensated sum per window (Neumaier, 1974)."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.total, self.lost = np.zeros(shape), np.zeros(shape)

    def add(self, term: Values, where: Any) -> None:
        summed = self.total + term
        larger = np.abs(self.total) >= np.abs(term)
        lost = self.lost + np.where(larger, (self.total - summed) + term, (term - summed) + self.total)
        self.total, self.lost = np.where(where, summed, self.total), np.where(where, lost, self.lost)

    def value(self) -> Values:
        return self.total + self.lost

    def finite_value(self) -> Values:
        return np.where(np.isinf(self.total), self.total, self.value())


def _sum_over_time(window: Window) -> Result:
    total = _Sum(window.shape)
    for _, value, inside in window.columns():
        total.add(value, inside)
    return total.finite_value(), window.having(1)


def _avg_over_time(window: Window) -> Result:
    """A running mean, which an infinity decides until the opposite one or NaN comes."""
    mean, count = _Sum(window.shape), np.zeros(window.shape)
    for _, value, inside in window.columns():
        count = count + inside
        opposite = np.isinf(value) & ((mean.total > 0) != (value > 0))
        moves = ~np.isinf(mean.total) | opposite | np.isnan(value)
        mean.add(value / count - mean.total / count, inside & moves)
    return mean.finite_value(), window.having(1)


def _stdvar_over_time(window: Window) -> Result:
    count, mean, squares = np.zeros(window.shape), _Sum(window.shape), _Sum(window.shape)
    for _, value, inside in window.columns():
        count = count + inside
        step = value - mean.value()
        mean.add(step / count, inside)
        squares.add(step * (value - mean.value()), inside)
    return squares.value() / count, window.having(1)


def _stddev_over_time(window: Window) -> Result:
    variance, present = _stdvar_over_time(window)
    return np.sqrt(variance), present


def _min_over_time(window: Window) -> Result:
    return _extreme(window, np.less)


def _max_over_time(window: Window) -> Result:
    return _extreme(window, np.greater)


def _extreme(window: Window, beats: Any) -> Result:
    """The first of equals stays, which shows with zeros of different sign."""
    best = window.first_values()
    for _, value, inside in window.columns():
        best = np.where(inside & (beats(value, best) | np.isnan(best)), value, best)
    return best, window.having(1)


def _rate(window: Window) -> Result:
    return _extrapolated(window, _seconds(window.ends - window.starts), counter=True)


def _increase(window: Window) -> Result:
    return _extrapolated(window, None, counter=True)


def _delta(window: Window) -> Result:
    return _extrapolated(window, None, counter=False)


def _seconds(ms: Any) -> Any:
    """Whole seconds and the rest of them converted apart, as Go does."""
    return ms // 1000 + (ms % 1000) * 1e6 / 1e9


def _change(window: Window, *, counter: bool) -> Values:
    change = window.last_values() - window.first_values()
    before = window.first_values()
    for offset, (_, value, inside) in enumerate(window.columns()):
        if not counter:
            break
        if offset:
            change = np.where(inside & (value < before), change + before, change)
        before = np.where(inside, value, before)
    return change


def _extrapolated(window: Window, seconds: Any, *, counter: bool) -> Result:
    """prometheus/prometheus v2.42, `promql/functions.go`, `extrapolatedRate`; per second if a window's seconds are given."""
    first, change = window.first_values(), _change(window, counter=counter)
    first_at, last_at = window.times_ms(window.first), window.times_ms(window.last - 1)
    to_start, to_end = (first_at - window.starts) / 1000.0, (window.ends - last_at) / 1000.0
    sampled = (last_at - first_at) / 1000.0
    average = sampled / np.maximum(window.counts - 1, 1)
    if counter:
        to_zero = np.where((change > 0) & (first >= 0), sampled * (first / change), np.inf)
        to_start = np.where(to_zero < to_start, to_zero, to_start)
    factor = (sampled + _stretch(to_start, average) + _stretch(to_end, average)) / sampled
    return change * (factor if seconds is None else factor / seconds), window.having(2)


def _stretch(distance: Any, average: Any) -> Any:
    return np.where(distance < average * _THRESHOLD, distance, average / 2)


def _deriv(window: Window) -> Result:
    slope, _ = _regression(window, window.times_ms(window.first))
    return slope, window.having(2)


def _predict_linear(window: Window, ahead: Values) -> Result:
    slope, intercept = _regression(window, window.now[None, :])
    return slope * ahead + intercept, window.having(2)


def _regression(window: Window, origin_ms: Any) -> tuple[Values, Values]:
    """Slope and value at the origin by least squares; a constant series has slope 0, unless it is infinite."""
    count, first = np.zeros(window.shape), window.first_values()
    sum_x, sum_y, sum_xy, sum_xx = (_Sum(window.shape) for _ in range(4))
    constant = np.ones(window.shape, dtype=bool)
    for offset, (index, y, inside) in enumerate(window.columns()):
        x = np.broadcast_to((window.times_ms(index) - origin_ms) / 1e3, window.shape)
        constant &= ~inside | (y == first) | (offset == 0)
        count = count + inside
        for total, term in ((sum_x, x), (sum_y, y), (sum_xy, x * y), (sum_xx, x * x)):
            total.add(term, inside)
    covariance = sum_xy.value() - sum_x.value() * sum_y.value() / count
    slope = covariance / (sum_xx.value() - sum_x.value() * sum_x.value() / count)
    intercept = sum_y.value() / count - slope * sum_x.value() / count
    flat = np.where(np.isinf(first), np.nan, 0.0)
    return np.where(constant, flat, slope), np.where(constant, np.where(np.isinf(first), np.nan, first), intercept)


def _holt_winters(window: Window, smoothing: Values, trend: Values) -> Result:
    """Holt's linear method. A factor that is not between 0 and 1 is an error wherever a series has a sample; NaN passes."""
    there = window.having(1).any(axis=0)
    wrong = [there & ((factor <= 0) | (factor >= 1)) for factor in (smoothing, trend)]
    for step in np.flatnonzero(wrong[0] | wrong[1])[:1]:
        name, short, factor = ("smoothing", "sf", smoothing) if wrong[0][step] else ("trend", "tf", trend)
        raise QueryError(f"invalid {name} factor. Expected: 0 < {short} < 1, got: {go_fixed(float(factor[step]))}")
    return smoothed(window, smoothing, trend)


OVER_RANGE: dict[str, Callable[..., Result]] = {
    "avg_over_time": _avg_over_time,
    "delta": _delta,
    "deriv": _deriv,
    "holt_winters": _holt_winters,
    "increase": _increase,
    "max_over_time": _max_over_time,
    "min_over_time": _min_over_time,
    "predict_linear": _predict_linear,
    "rate": _rate,
    "stddev_over_time": _stddev_over_time,
    "stdvar_over_time": _stdvar_over_time,
    "sum_over_time": _sum_over_time,
}
"""The functions that come out otherwise than the other mode's, at least in the last digit."""
