"""Random PromQL over the series of the differential test: deep, valid in type, and often an error all the same."""

import random

_SELECTORS = (
    "http_requests_total",
    "temperature",
    "limit",
    "owner",
    "half",
    "irregular",
    "request_seconds_bucket",
    'http_requests_total{job="api"}',
    '{job="app"}',
    "missing",
    '{__name__=~"l.*|o.*"}',
)
_SHIFTS = (*[""] * 6, " offset 3m", " offset -2m", " @ 1767574800", " @ start()", " @ end() offset 1m")
_OVER_TIME = (
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "sum_over_time",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "last_over_time",
    "present_over_time",
    "absent_over_time",
    "stddev_over_time",
    "stdvar_over_time",
)
_PLAIN = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]
_NUMERIC = ("+", "-", "*", "/", "%", "^", "atan2", "==", "!=", "<", ">", "<=", ">=", "== bool", "> bool", "<= bool")
_LABELS = ("job", "instance", "group", "room", "job, instance", "", "le", "n", "job, group")
_OF_VECTOR = (
    "-({})",
    "abs({})",
    "sgn({})",
    "sort({})",
    "absent({})",
    "timestamp({})",
    "hour({})",
    "histogram_quantile(0.7, {})",
    'label_replace({}, "job", "$1", "job", "(.).*")',
    'label_replace({}, "__name__", "$1", "job", "(.).*")',
    'label_join({}, "y", "-", "job", "room")',
    "round({}, 0.3)",
    "clamp({}, 2, 700)",
    "clamp_min({}, time() % 7)",
)


class Queries:
    """Left out is what has no one answer: ties in `topk` of computed vectors, last digits as label values."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def vector(self, depth: int = 0) -> str:
        if depth > 3:
            return self._selected(depth)
        kinds = (self._selected, self._over_time, self._aggregation, self._vectors, self._with_scalar, self._function)
        return self._random.choices(kinds, (20, 22, 14, 20, 10, 14))[0](depth + 1)

    def _pick(self, choices: tuple[str, ...] | list[str]) -> str:
        return self._random.choice(choices)

    def _selected(self, depth: int) -> str:
        return self._pick(_SELECTORS) + self._pick(_SHIFTS)

    def _over_time(self, depth: int) -> str:
        return f"{self._pick(_OVER_TIME)}({self._matrix(depth)})"

    def _matrix(self, depth: int) -> str:
        if depth > 2 or self._random.random() < 0.75:
            return self._pick(_SELECTORS) + self._pick(("[5m]", "[1m]", "[31s]", "[20m]", "[45s]")) + self._pick(_SHIFTS)
        return f"({self.vector(depth)})[{self._pick(('5m:1m', '10m:', '3m:17s', '20m:5m'))}]" + self._pick(("", " offset 1m"))

    def _aggregation(self, depth: int) -> str:
        grouping = self._pick(("", f"by ({self._pick(_LABELS)})", f"without ({self._pick(_LABELS)})"))
        if self._random.random() < 0.2:
            return f"quantile {grouping} ({self._pick(('0.3', '0.5', '0.99'))}, {self.vector(depth)})"
        return f"{self._pick(_PLAIN)} {grouping} ({self.vector(depth)})"

    def _vectors(self, depth: int) -> str:
        matching = self._pick(("", f"on ({self._pick(_LABELS)})", f"ignoring ({self._pick(_LABELS)})"))
        op = self._pick((*_NUMERIC, "and", "or", "unless"))
        if matching and op in _NUMERIC:
            matching += " " + self._pick(("", "group_left", "group_right ()", "group_left (team)", "group_right (extra)"))
        return f"({self.vector(depth)}) {op} {matching} ({self.vector(depth)})"

    def _with_scalar(self, depth: int) -> str:
        sides = [f"({self.vector(depth)})", self._scalar(depth)]
        self._random.shuffle(sides)
        return f"{sides[0]} {self._pick(_NUMERIC)} {sides[1]}"

    def _scalar(self, depth: int) -> str:
        plain = ("0", "1", "2", "0.5", "-3", "1e3", "NaN", "Inf", "time()", "(time() % 100)")
        return f"scalar({self.vector(depth)})" if self._random.random() < 0.2 else self._pick(plain)

    def _function(self, depth: int) -> str:
        return self._pick(_OF_VECTOR).format(self.vector(depth))
