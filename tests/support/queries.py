"""Random PromQL over `tests.support.peculiar`: deep, odd in its parameters, and often an error all the same."""

import random
from collections.abc import Sequence


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SELECTORS = (
    "reqs_total",
    "reqs_total",
    "errs_total",
    "temp",
    "tie",
    "limit",
    "owner",
    "half",
    "irr",
    "lat_bucket",
    "up",
    "a:b:c",
    "one_shot",
    "missing",
    'reqs_total{job="api"}',
    'reqs_total{job=~"a.*",instance!="1"}',
    '{job="app"}',
    '{__name__=~"l.*|o.*"}',
    '{__name__="temp",room!~"a|b"}',
    'errs_total{code="ünï"}',
    'errs_total{code=~"[0-9]+"}',
    "irr{x_y='ü\"\\\\\\n'}",
    'irr{x_y=~"z|"}',
    'irr{x_y=~".*"}',
    'irr{x_y!~"(?s).+"}',
    'reqs_total{nothing=""}',
    'reqs_total{job!=""}',
    '{__name__!="x",job="api"}',
    'temp{room=~"(?i)A|É"}',
    'temp{room=~".*g"}',
    'missing{a="b"}',
    'up{le=~"1|nan"}',
    'reqs_total{job="api",job!="x"}',
    '{job=~".+",__name__=~"limit|half"}',
    'lat_bucket{job="bad"}',
    'lat_bucket{job=~"a.."}',
)
SHIFTS = (
    *[""] * 8,
    " offset 3m",
    " offset -2m",
    " @ 1767574801",
    " @ start()",
    " @ end() offset 1m",
    " offset 7m @ 1767573123.456",
    " @ end()",
    " offset -7m",
    " @ end() offset -3m",
    " @ 1767571200",
)
RANGES = ("[5m]", "[1m]", "[31s]", "[20m]", "[45s]", "[1h]", "[2m30s]", "[1ms]", "[30s]", "[1w]")
OVER_TIME = words(
    "rate increase delta irate idelta deriv changes resets sum_over_time avg_over_time min_over_time max_over_time"
    " count_over_time last_over_time present_over_time absent_over_time stddev_over_time stdvar_over_time"
)
MATH = words("abs ceil floor exp ln log2 log10 sqrt sgn sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh deg rad")
DATES = words("day_of_week hour minute month year days_in_month day_of_month day_of_year")
AGGREGATIONS = words("sum avg min max count group stddev stdvar")
ARITHMETIC, COMPARISONS = words("+ - * / % ^ atan2"), words("== != < > <= >=")
BOOL = tuple(f"{op} bool" for op in COMPARISONS)
LABELS = (
    "job",
    "instance",
    "group",
    "room",
    "job, instance",
    "",
    "le",
    "n",
    "job, group",
    "g",
    "n,g,",
    "x_y",
    "__name__",
    "job,__name__",
    "code",
    "team",
)
NUMBERS = words("0 1 2 0.5 -3 1e3 NaN Inf -Inf time() (time()%100) 0x1F 1e-9 017 .5 1e308 -0 pi() 2.5 1e18 9.3e18 42 3 100")
QUANTILES = words("0 0.5 0.99 1 -1 2 NaN Inf -Inf 0.3 time() scalar(half) 1e-3")
COUNTS = words("1 2 3 0 -1 5 NaN Inf 1e19 2.9 0.5 scalar(half) 100 -1e300")
FACTORS = words("0.5 0.1 0.9 0 1 NaN -1 2 scalar(half)/3")
STRINGS = ('"job"', '"x"', '"__name__"', '"room"', '"instance"', '"le"', "'n'", "`g`", '"0bad"', '""', '"ünï"', '"a-b"', '"code"')
REGEXES = (
    '"(.*)"',
    '"(.).*"',
    '"a(.*)"',
    '"(?P<nm>a.)(.)"',
    '"("',
    '".*"',
    '""',
    '"api|app"',
    '"(a)|(p)"',
    '"[0-9]+"',
    '"x*"',
    '"(?i)API"',
    '"a(?=b)"',
    '"\\\\d+"',
)
REPLACEMENTS = (
    '"$1"',
    '"$1-$2"',
    '"${1}x"',
    '"$1x"',
    '""',
    '"$nm"',
    '"$$"',
    '"const"',
    '"$0"',
    '"ü$1"',
    '"$10"',
    '"${nm}$"',
    '"$"',
    '"${"',
)
HISTOGRAMS = ("lat_bucket", "rate(lat_bucket[5m])", "sum by (le) (lat_bucket)", "sum by (le,job) (rate(lat_bucket[10m]))")
_DEEPEST = 4


class Queries:
    """The same seed draws the same queries."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def pick(self, choices: Sequence[str]) -> str:
        return self.random.choice(choices)

    def _likely(self, chance: float) -> bool:
        return self.random.random() < chance

    def any(self) -> str:
        drawn = self.random.choices((self.vector, self.scalar, self.matrix, self.string), (90, 5, 4, 1))[0]
        return drawn(0)

    def string(self, depth: int = 0) -> str:
        return self.pick(STRINGS)

    def vector(self, depth: int = 0) -> str:
        if depth > _DEEPEST:
            return self._selector(depth)
        kinds = (
            self._selector,
            self._over_time,
            self._aggregation,
            self._vectors,
            self._with_scalar,
            self._function,
            self._paren,
        )
        return self.random.choices(kinds, (16, 22, 17, 20, 10, 18, 2))[0](depth + 1)

    def scalar(self, depth: int = 0) -> str:
        if depth >= _DEEPEST or self._likely(0.64):
            return self.pick(NUMBERS)
        drawn = self.random.randrange(4)
        if drawn == 0:
            return f"scalar({self.vector(depth + 1)})"
        if drawn == 1:
            return f"({self.scalar(depth + 1)} {self.pick(ARITHMETIC)} {self.scalar(depth + 1)})"
        if drawn == 2:
            return f"({self.scalar(depth + 1)} {self.pick(BOOL)} {self.scalar(depth + 1)})"
        return f"-{self.scalar(depth + 1)}"

    def matrix(self, depth: int = 0) -> str:
        if depth > _DEEPEST - 1 or self._likely(0.75):
            return self.pick(SELECTORS) + self.pick(RANGES) + self.pick(SHIFTS)
        step = self.pick(("", "1m", "30s", "17s", "5m", "90s", "7s"))
        range_ = self.pick(("3m", "5m") if step in ("", "7s") else ("5m", "10m", "3m", "20m", "30m", "1h"))
        inner = self.vector(depth + 1)
        return (f"({inner})" if self._likely(0.8) else inner) + f"[{range_}:{step}]{self.pick(SHIFTS)}"

    def _paren(self, depth: int) -> str:
        return f"({self.vector(depth)})"

    def _selector(self, depth: int) -> str:
        return self.pick(SELECTORS) + self.pick(SHIFTS)

    def _over_time(self, depth: int) -> str:
        matrix = self.matrix(depth)
        if self._likely(0.05):
            matrix = f"({matrix})"
        drawn = self.random.random()
        if drawn < 0.06:
            return f"quantile_over_time({self.pick(QUANTILES)}, {matrix})"
        if drawn < 0.10:
            return f"predict_linear({matrix}, {self.scalar(depth)})"
        if drawn < 0.13:
            return f"holt_winters({matrix}, {self.pick(FACTORS)}, {self.pick(FACTORS)})"
        return f"{self.pick(OVER_TIME)}({matrix})"

    def _aggregation(self, depth: int) -> str:
        grouping = self.pick(("", "", f"by ({self.pick(LABELS)})", f"without ({self.pick(LABELS)})"))
        vector, drawn = self.vector(depth), self.random.random()
        if drawn < 0.1:
            name, args = "quantile", f"({self.pick(QUANTILES)}, {vector})"
        elif drawn < 0.17:
            name, args = self.pick(("topk", "bottomk")), f"({self.pick(COUNTS)}, {vector})"
        elif drawn < 0.21:
            name, args = "count_values", f"({self.string()}, {vector})"
        else:
            name, args = self.pick(AGGREGATIONS), f"({vector})"
        return f"{name} {grouping} {args}" if self._likely(0.5) else f"{name}{args} {grouping}"

    def _vectors(self, depth: int) -> str:
        op = self.pick([*ARITHMETIC, *COMPARISONS, *BOOL[:3], "and", "or", "unless", "and", "or"])
        matching = self.pick(
            ("", "", f"on ({self.pick(LABELS)})", f"ignoring ({self.pick(LABELS)})", f"on ({self.pick(LABELS)})")
        )
        if matching and op not in ("and", "or", "unless"):
            grouped = (
                "",
                "",
                "group_left",
                "group_right ()",
                "group_left (team)",
                "group_right (extra)",
                "group_right(le, room)",
            )
            matching += " " + self.pick((*grouped, "group_left(job)"))
        left, right = self.vector(depth), self.vector(depth)
        return f"({left}) {op} {matching} ({right})" if self._likely(0.7) else f"{left} {op} {matching} {right}"

    def _with_scalar(self, depth: int) -> str:
        sides = [f"({self.vector(depth)})", self.scalar(depth)]
        self.random.shuffle(sides)
        return f"{sides[0]} {self.pick(ARITHMETIC + COMPARISONS + BOOL)} {sides[1]}"

    def _function(self, depth: int) -> str:
        text, vector = self.string, self.vector(depth)
        forms = {
            f"{self.pick(MATH)}({vector})": 20,
            f"{self.pick(DATES)}({vector if self._likely(0.8) else ''})": 8,
            f"histogram_quantile({self.pick(QUANTILES)}, {vector if self._likely(0.4) else self.pick(HISTOGRAMS)})": 8,
            f"label_replace({vector}, {text()}, {self.pick(REPLACEMENTS)}, {text()}, {self.pick(REGEXES)})": 8,
            f"label_join({vector}, {text()}, {text()}{''.join(', ' + text() for _ in range(self.random.randrange(4)))})": 6,
            f"round({vector}, {self.pick(NUMBERS)})" if self._likely(0.7) else f"round({vector})": 5,
            f"clamp({vector}, {self.pick(NUMBERS)}, {self.pick(NUMBERS)})": 5,
            f"{self.pick(('clamp_min', 'clamp_max'))}({vector}, {self.pick(NUMBERS)})": 4,
            f"{self.pick(('sort', 'sort_desc', 'absent', 'timestamp'))}({vector})": 18,
            f"{self.pick('+-')}{vector}": 4,
            f"vector({self.scalar(depth)})": 5,
            f"{self.pick(('histogram_count(', 'histogram_sum(', 'histogram_fraction(0, 1, '))}{vector})": 3,
        }
        return self.random.choices(list(forms), list(forms.values()))[0]
