"""Functions of instant vectors, value by value; NaN and infinities go through as in Go."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from opsconsole.model import Values
from opsconsole.promql import gomath
from opsconsole.promql.vectors import Vector

_FARTHEST = 2.0**62
_RUNS = re.compile(r"[0-9]+|[^0-9]+")
_NO_TIME = {
    "minute": 30.0,
    "hour": 15.0,
    "day_of_week": 0.0,
    "day_of_month": 4.0,
    "day_of_year": 339.0,
    "days_in_month": 31.0,
    "month": 12.0,
    "year": 292277026596.0,
}
"""What Go makes of a number that is no time at all (NaN, infinities, beyond 64 bits) on common machines."""


def date(name: str, seconds: Values) -> Values:
    sane = np.abs(seconds) < _FARTHEST
    return np.where(sane, _DATES[name](np.where(sane, seconds, 0.0)), _NO_TIME[name])


def _days(seconds: Values) -> Any:
    return np.trunc(seconds).astype(np.int64).astype("datetime64[s]")


def _since(seconds: Values, unit: str, within: str) -> Values:
    moment = _days(seconds).astype(f"datetime64[{unit}]")
    count: Values = (moment - moment.astype(f"datetime64[{within}]")).astype(np.int64).astype(float)
    return count


def _day_of_week(seconds: Values) -> Values:
    """Sunday is 0; the first of January 1970 was a Thursday."""
    days = _days(seconds).astype("datetime64[D]").astype(np.int64)
    weekday: Values = ((days + 4) % 7).astype(float)
    return weekday


def _days_in_month(seconds: Values) -> Values:
    month = _days(seconds).astype("datetime64[M]")
    length: Values = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64).astype(float)
    return length


def _year(seconds: Values) -> Values:
    year: Values = _days(seconds).astype("datetime64[Y]").astype(np.int64).astype(float) + 1970
    return year


_DATES: dict[str, Callable[[Values], Values]] = {
    "minute": lambda seconds: _since(seconds, "m", "h"),
    "hour": lambda seconds: _since(seconds, "h", "D"),
    "day_of_week": _day_of_week,
    "day_of_month": lambda seconds: _since(seconds, "D", "M") + 1,
    "day_of_year": lambda seconds: _since(seconds, "D", "Y") + 1,
    "days_in_month": _days_in_month,
    "month": lambda seconds: _since(seconds, "M", "Y") + 1,
    "year": _year,
}
DATES = frozenset(_DATES)

MATH: dict[str, Callable[[Values], Values]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "deg": np.degrees,
    "exp": gomath.exp,
    "floor": np.floor,
    "ln": gomath.ln,
    "log10": gomath.log10,
    "log2": gomath.log2,
    "rad": np.radians,
    "sgn": lambda values: np.where(values == 0, values, np.sign(values)),
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}


def rounded(values: Values, nearest: Values) -> Values:
    """To the nearest multiple, halves up; by the inverse, which keeps 0.1 and its like exact."""
    inverse = 1.0 / nearest
    return np.floor(values * inverse + 0.5) / inverse


def largest(one: Values, other: Values) -> Values:
    """As in Go +Inf wins even over NaN, and 0 over -0."""
    greater = np.where((one == 0) & (other == 0), one + other, np.maximum(one, other))
    return np.where(np.isposinf(one) | np.isposinf(other), np.inf, greater)


def smallest(one: Values, other: Values) -> Values:
    """As in Go -Inf wins even over NaN, and -0 over 0."""
    less = np.where((one == 0) & (other == 0), -(-one - other), np.minimum(one, other))
    return np.where(np.isneginf(one) | np.isneginf(other), -np.inf, less)


def clamp(vector: Vector, low: Values, high: Values) -> Vector:
    """Nothing at steps where the bounds are crossed."""
    clamped = largest(low, smallest(high, vector.values))
    return Vector(vector.labels, clamped, vector.present & ~(high < low)).compact().nameless()


def sorted_by_value(vector: Vector, *, descending: bool) -> Vector:
    """Of an instant query's single step; NaN last either way."""
    values = vector.values[:, 0] if vector.values.shape[1] else np.empty(0)
    keys = np.where(np.isnan(values), 0.0, -values if descending else values)
    return vector.take(np.lexsort((keys, np.isnan(values))))


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Runs of digits compare as numbers, the rest as text."""
    return [(0, int(run), "") if run[0] in "0123456789" else (1, 0, run) for run in _RUNS.findall(text)]


def sorted_by_label(vector: Vector, names: tuple[str, ...], *, descending: bool) -> Vector:
    def key(row: int) -> tuple[Any, ...]:
        labels = vector.labels[row]
        return (*(_natural(labels.get(name, "")) for name in names), labels.pairs)

    return vector.take(sorted(range(len(vector)), key=key, reverse=descending))


def scalar_of(vector: Vector) -> Values:
    """The value where exactly one series has an element, NaN elsewhere."""
    if not len(vector):
        return np.full(vector.values.shape[1], np.nan)
    only: Values = np.take_along_axis(vector.values, vector.present.argmax(axis=0)[None, :], axis=0)[0]
    return np.where(vector.present.sum(axis=0) == 1, only, np.nan)
