"""What every function takes and gives; the rest of the package reads it from here."""

from dataclasses import dataclass
from math import inf

from opsconsole.promql.nodes import ValueType

SCALAR, VECTOR, MATRIX, STRING = ValueType.SCALAR, ValueType.VECTOR, ValueType.MATRIX, ValueType.STRING


@dataclass(frozen=True, slots=True)
class Signature:
    """`optional` of the last arguments may be left out; with `repeats` the last one may stand up to so many times, or never."""

    args: tuple[ValueType, ...]
    returns: ValueType = VECTOR
    optional: int = 0
    repeats: float = 0

    @property
    def fewest(self) -> int:
        return len(self.args) - (1 if self.repeats else self.optional)

    @property
    def most(self) -> float:
        return self.fewest + (self.repeats or self.optional)

    def arg(self, index: int) -> ValueType:
        return self.args[min(index, len(self.args) - 1)]


_MATH = (
    "abs acos acosh asin asinh atan atanh ceil cos cosh deg exp floor ln log10 log2 rad sgn sin sinh sqrt tan tanh absent sort "
    "sort_desc start_timestamp timestamp histogram_avg histogram_count histogram_stddev histogram_stdvar histogram_sum"
)
_DATES = "day_of_month day_of_week day_of_year days_in_month hour minute month year"
_OVER_TIME = (
    "absent_over_time avg_over_time changes count_over_time delta deriv first_over_time idelta increase irate last_over_time "
    "mad_over_time max_over_time min_over_time present_over_time rate resets stddev_over_time stdvar_over_time sum_over_time "
    "ts_of_first_over_time ts_of_last_over_time ts_of_max_over_time ts_of_min_over_time"
)

SIGNATURES: dict[str, Signature] = {
    **{name: Signature((VECTOR,)) for name in _MATH.split()},
    **{name: Signature((VECTOR,), optional=1) for name in _DATES.split()},
    **{name: Signature((MATRIX,)) for name in _OVER_TIME.split()},
    "clamp": Signature((VECTOR, SCALAR, SCALAR)),
    "clamp_max": Signature((VECTOR, SCALAR)),
    "clamp_min": Signature((VECTOR, SCALAR)),
    "double_exponential_smoothing": Signature((MATRIX, SCALAR, SCALAR)),
    "end": Signature((), SCALAR),
    "histogram_fraction": Signature((SCALAR, SCALAR, VECTOR)),
    "histogram_quantile": Signature((SCALAR, VECTOR)),
    "histogram_quantiles": Signature((VECTOR, STRING, SCALAR, SCALAR), repeats=9),
    "holt_winters": Signature((MATRIX, SCALAR, SCALAR)),
    "info": Signature((VECTOR, VECTOR), optional=1),
    "label_join": Signature((VECTOR, STRING, STRING, STRING), repeats=inf),
    "label_replace": Signature((VECTOR, STRING, STRING, STRING, STRING)),
    "max_of": Signature((SCALAR, SCALAR), SCALAR),
    "min_of": Signature((SCALAR, SCALAR), SCALAR),
    "pi": Signature((), SCALAR),
    "predict_linear": Signature((MATRIX, SCALAR)),
    "quantile_over_time": Signature((SCALAR, MATRIX)),
    "range": Signature((), SCALAR),
    "round": Signature((VECTOR, SCALAR), optional=1),
    "scalar": Signature((VECTOR,), SCALAR),
    "sort_by_label": Signature((VECTOR, STRING), repeats=inf),
    "sort_by_label_desc": Signature((VECTOR, STRING), repeats=inf),
    "start": Signature((), SCALAR),
    "step": Signature((), SCALAR),
    "time": Signature((), SCALAR),
    "vector": Signature((SCALAR,)),
}

AGGREGATIONS: dict[str, ValueType | None] = {
    "avg": None,
    "bottomk": SCALAR,
    "count": None,
    "count_values": STRING,
    "group": None,
    "limit_ratio": SCALAR,
    "limitk": SCALAR,
    "max": None,
    "min": None,
    "quantile": SCALAR,
    "stddev": None,
    "stdvar": None,
    "sum": None,
    "topk": SCALAR,
}
"""Every aggregation operator and the type of its parameter, if it takes one."""

NEWER = frozenset(
    {
        "double_exponential_smoothing",
        "end",
        "first_over_time",
        "histogram_avg",
        "histogram_quantiles",
        "histogram_stddev",
        "histogram_stdvar",
        "info",
        "limit_ratio",
        "limitk",
        "mad_over_time",
        "max_of",
        "min_of",
        "range",
        "sort_by_label",
        "sort_by_label_desc",
        "start",
        "start_timestamp",
        "step",
        "ts_of_first_over_time",
        "ts_of_last_over_time",
        "ts_of_max_over_time",
        "ts_of_min_over_time",
    }
)
"""Functions and aggregations that Prometheus 2.42 did not have."""
