"""Our answers against those of a real Prometheus 2, on the same samples, query by query."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import httpx
import numpy as np
import pytest

from opsconsole.clock import SystemClock
from opsconsole.model import Labels, Series
from opsconsole.promql import Engine, Settings
from tests.support.comparing import asked, difference
from tests.support.complaints import COMPLAINTS
from tests.support.prometheus import AVAILABLE, prometheus
from tests.support.promql import Loaded, load

START = datetime(2026, 1, 5, 0, 0, tzinfo=UTC)
END = START + timedelta(hours=2)

SCRIPT = """
load 30s
http_requests_total{job="api", instance="0", group="production"} 0+10x240
http_requests_total{job="api", instance="1", group="production"} 0+20x100 0+20x139
http_requests_total{job="api", instance="0", group="canary"} 0+30x60 _x30 2700+30x149
http_requests_total{job="app", instance="0", group="production"} 0+50x240
http_requests_total{job="app", instance="1", group="canary"} 3+7x240
temperature{room="kitchen"} 20-0.5x80 -20+0.25x159
temperature{room="cellar"} 12x240
temperature{room="attic"} 5 NaN 7 8 NaN 9+1x200
temperature{room="roof"} 1 2 Inf 4 -Inf 6 7
limit{job="api"} 1000x240
limit{job="app"} 4000x240
owner{job="api", team="data"} 1x240
owner{job="app", team="web"} 1x240
half{job="api"} 1x120
half{job="app", extra="yes"} _x120 1x120
request_seconds_bucket{job="api", le="0.1"} 0+1x240
request_seconds_bucket{job="api", le="0.5"} 0+3x240
request_seconds_bucket{job="api", le="1"} 0+6x240
request_seconds_bucket{job="api", le="+Inf"} 0+7x240
request_seconds_bucket{job="app", le="0.1"} 0x240
request_seconds_bucket{job="app", le="0.5"} 0+2x100 300+2x139
request_seconds_bucket{job="app", le="1.0"} 0+2x240
request_seconds_bucket{job="app", le="+Inf"} 0+2x240
request_seconds_bucket{job="odd", le="5"} 0+2x240
request_seconds_bucket{job="odd", le="x"} 0+2x240
"""

SELECTORS = """
http_requests_total
http_requests_total{job="api"}
http_requests_total{job=~"a.+", instance!="1"}
http_requests_total{group!~"can.*"}
http_requests_total{group=~"canary|production", job=~".*"}
{__name__=~"temp.*|limit"}
{__name__="limit", job!=""}
http_requests_total{nothing=""}
http_requests_total{job=~"api|"}
http_requests_total offset 5m
http_requests_total offset -5m
http_requests_total @ 1767571800
http_requests_total @ 1767571800.123 offset 1m
http_requests_total @ start()
http_requests_total @ end() offset 3m
irregular
missing
half
"""

SCALARS = """
1
-1 ^ 2
2 ^ 3 ^ 2
-2 ^ -2
7 % 3
-7 % 3
1 / 0
0 / 0
0x1F + 1e3
.5 + 1.
017
NaN
-Inf
1 == bool 2
NaN == bool NaN
time()
pi()
1 - 2 - 3
2 * 3 + 4 / 2 % 3
scalar(limit)
scalar(limit{job="api"})
1 atan2 2
+time() - -3
"text"
'a\\'b\\n'
`raw\\n`
"""

BINARIES = """
http_requests_total * 2
2 - http_requests_total
-http_requests_total
+temperature
http_requests_total / limit
http_requests_total / on(job) group_left limit
http_requests_total / ignoring(instance, group) group_left limit
http_requests_total * on(job) group_left(team) owner
owner * on(job) group_right() http_requests_total
owner * on(job) group_right(team) http_requests_total
limit > on(job) group_right http_requests_total
http_requests_total > on(job) group_left limit
http_requests_total > bool on(job) group_left limit
limit / on(job) owner
limit / ignoring(team) owner
limit > ignoring(team) owner
limit == limit
limit != limit
limit >= bool limit
limit ^ 2 % 7
http_requests_total > 500
500 < http_requests_total
http_requests_total >= bool 500
500 <= bool http_requests_total
http_requests_total == 1000 or limit
temperature != temperature
temperature == temperature
temperature > 10
temperature atan2 3
http_requests_total and on(job) half
http_requests_total unless on(job) half
half or on(job) limit
limit or half
limit and ignoring(team) owner
http_requests_total and http_requests_total{instance="0"}
http_requests_total unless http_requests_total{instance="0"}
http_requests_total and on() vector(1)
http_requests_total or on() vector(1)
missing or vector(0)
vector(1) or temperature
limit + on(job) http_requests_total
http_requests_total + on(job) limit
http_requests_total + on(job) group_left http_requests_total
owner * on(job) group_left limit * 2 > 3 and on(job) half
limit * on() group_left owner
limit + on(job) half
half + on(job) group_left(team) owner
sum by (job) (http_requests_total) / on(job) limit
limit * ignoring(team) group_left(team) owner
limit and temperature
limit + ignoring(job) owner
http_requests_total * on(job) group_left(instance) limit
"""

MISCELLANEOUS = """
absent(missing)
absent(missing{a="b", c=~"d", e="f", e="g"})
absent(limit)
absent(sum(missing))
absent(half)
absent_over_time(missing[5m])
absent_over_time(half{job="app"}[5m])
absent_over_time(rate(missing{x="y"}[5m])[5m:1m])
timestamp(irregular)
timestamp(limit * 1)
timestamp(http_requests_total offset 5m)
timestamp(http_requests_total @ 1767571800)
timestamp((limit))
label_replace(limit, "to", "$1-x-${1}$2", "job", "(.).*")
label_replace(limit, "job", "", "job", "api")
label_replace(limit, "to", "$name", "job", "(?P<name>a.)(.)")
label_replace(limit, "to", "value", "job", "nothing")
label_replace(limit, "job", "same", "job", ".*")
label_replace(limit, "0bad", "x", "job", ".*")
label_replace(limit, "x", "y", "job", "(")
label_join(limit, "to", "-", "job", "__name__", "none")
label_join(limit, "job", "-")
round(temperature / 3)
round(temperature, 0.7)
round(temperature, 5)
clamp(temperature, -5, 8)
clamp(temperature, 8, -5)
clamp_min(temperature, 3)
clamp_max(temperature, 3)
clamp(temperature, NaN, 5)
vector(time())
vector(scalar(temperature{room="cellar"}))
sort(limit)
sort_desc(http_requests_total)
sort(temperature)
sort_desc(temperature)
day_of_week()
day_of_week(vector(0))
day_of_month(vector(1709210096))
day_of_year(vector(1709210096))
days_in_month(vector(1709210096))
month(vector(-1))
year(vector(-1))
hour(limit * 77777)
minute(time() + limit)
histogram_quantile(0.9, request_seconds_bucket)
histogram_quantile(0.5, rate(request_seconds_bucket[5m]))
histogram_quantile(0, request_seconds_bucket)
histogram_quantile(1, request_seconds_bucket)
histogram_quantile(-1, request_seconds_bucket)
histogram_quantile(2, request_seconds_bucket)
histogram_quantile(NaN, request_seconds_bucket)
histogram_quantile(0.3, sum by (le) (rate(request_seconds_bucket[10m])))
histogram_quantile(0.5, limit)
histogram_quantile(scalar(half{job="api"}) / 2, request_seconds_bucket)
histogram_count(limit)
histogram_fraction(0, 1, limit)
max_over_time(rate(http_requests_total[5m])[30m:1m])
sum_over_time((limit > 2000)[10m:90s])
avg_over_time(http_requests_total[10m:])
count_over_time(irregular[20m:7s])
count_over_time(limit[20m:1m] offset 3m)
count_over_time(limit[20m:1m] @ 1767574800)
count_over_time(limit[20m:1m] @ end() offset -1m)
rate(sum by (job) (http_requests_total)[10m:30s])
min_over_time(max_over_time(temperature[5m:1m])[10m:3m])
last_over_time(half[30m:5m] offset 30m)
predict_linear(temperature[10m], 3600)
predict_linear(temperature{room="cellar"}[10m] @ 1767574800, time() - 1767570000)
quantile_over_time(scalar(half{job="api"}) * 0.3, temperature[10m])
holt_winters(temperature[10m], 0.5, 0.1)
holt_winters(temperature[10m], 1.5, 0.1)
holt_winters(temperature[10m], 0.5, 0)
topk(scalar(half{job="api"}) * 2, http_requests_total)
rate({__name__=~"limit|half"}[5m])
rate({__name__=~"limit|owner"}[5m])
-{__name__=~"limit|half"}
abs({__name__=~"limit|request_seconds_bucket", job="api"})
sum(sum by (job) (rate(http_requests_total[5m])) > 0.3)
count(http_requests_total > 100) by (job)
"""

ERRORS = """
1 +
(1
1)
foo{
foo{a=}
foo{a="b"
foo[5m
foo[5m] + 1
rate(foo)
rate(foo[5m], 2)
rate()
sum()
sum(1)
sum(foo[5m])
topk(foo)
topk("a", foo)
count_values(1, foo)
count_values("0x", limit)
{}
{a=~".*"}
foo{a=~"("}
foo offset
foo offset 5
foo[0s]
foo[5m:0s]
unknown(foo)
foo and 1
1 and 1
1 == 1
foo + bool bar
foo + on(a) group_left(a) bar
foo and on(a) group_left bar
1 + on(a) foo
1 + on(a) 2
"a" + 1
-"a"
foo[5m][5m]
(foo)[5m]
(foo) offset 5m
foo offset 5m offset 5m
foo @ 1 @ 2
foo offset 5m [5m]
foo @ 1 [5m]
1[5m:1m]
rate(foo[5m])[5m]
foo @ bar
foo @ NaN
foo @ 1e30
"unterminated
'unterminated
foo{a="b\\q"}
foo ! bar
foo # only a comment
bool
on
foo == bool on
foo{a="b",,}
foo{,}
foo{__name__="bar"}
{__name__="a", __name__="b"}
sum by (a (foo)
sum by (a,) (foo)
sum(foo) by (a) by (b)
foo by (a)
label_replace(foo, "a")
label_join(foo)
round(foo, 1, 2)
time(1)
5m
1e
0x
1.2.3
3 foo
foo bar
start()
a ^ ^ b
a = b
a =~ b
sum without foo
quantile(foo, 0.5)
vector(foo)
scalar(1)
topk(NaN, limit)
topk(1e300, limit)
bottomk(-1, limit)
$
"""

OVER_TIME = (
    "rate increase delta irate idelta deriv changes resets sum_over_time avg_over_time min_over_time max_over_time "
    "count_over_time last_over_time present_over_time absent_over_time stddev_over_time stdvar_over_time"
)
MATRICES = (
    "http_requests_total[5m]",
    "http_requests_total[45s]",
    "http_requests_total[30s]",
    "irregular[3m]",
    "temperature[7m]",
    "half[10m]",
    "http_requests_total[10m] offset 7m",
    "http_requests_total[10m] @ 1767574800",
    "temperature[10m:45s]",
    '{__name__=~"http.*|irregular"}[1h]',
)
GROUPINGS = ("", "by (job)", "by (job, group)", "without (instance)", "by (nothing)", "by ()", "without ()")
AGGREGATED = ("http_requests_total", "temperature", "half", "irregular", "http_requests_total > 900")
MATH = (
    "abs ceil floor exp ln log2 log10 sqrt sgn sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh deg rad "
    "day_of_week hour minute month year days_in_month day_of_month day_of_year"
)


def irregular() -> list[Series]:
    """Series whose timestamps nobody else shares."""
    random, found = np.random.default_rng(7), []
    for n in range(20):
        gaps = random.integers(3_000, 60_000, 150 + n * 5)
        times = round(START.timestamp() * 1000) + np.cumsum(gaps)
        values = np.where(random.random(len(times)) < 0.05, 0.0, np.cumsum(random.random(len(times)) * 10))
        found.append(Series(Labels({"__name__": "irregular", "n": str(n), "job": "api" if n % 2 else "app"}), times, values))
    return found


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


def queries() -> list[str]:
    return [
        *_lines(SELECTORS + SCALARS + BINARIES + MISCELLANEOUS),
        *(f"{name}({matrix})" for name, matrix in product(OVER_TIME.split(), MATRICES)),
        *(f"quantile_over_time({q}, {matrix})" for q, matrix in product((-1, 0, 0.25, 0.9, 1, 2), MATRICES)),
        *(f"{name}({vector})" for name, vector in product(MATH.split(), ("temperature", "http_requests_total / 1000"))),
        *(_aggregation(*chosen) for chosen in product(_operators(), GROUPINGS, AGGREGATED)),
    ]


def _operators() -> list[tuple[str, str]]:
    plain = [(name, "") for name in ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]]
    params = [("topk", "2, "), ("bottomk", "1, "), ("topk", "0, "), ("count_values", '"value", ')]
    return plain + params + [("quantile", f"{q}, ") for q in (0.3, -1, 2)]


def _aggregation(operator: tuple[str, str], grouping: str, vector: str) -> str:
    return f"{operator[0]} {grouping} ({operator[1]}{vector})"


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return Loaded([*load(SCRIPT, START).series, *irregular()])


@pytest.fixture(scope="module")
def real(loaded: Loaded) -> Iterator[httpx.Client]:
    if not AVAILABLE:
        pytest.skip("no Prometheus on this machine")
    with prometheus(loaded.series) as client:
        yield client


@pytest.fixture(scope="module")
def engine(loaded: Loaded) -> Engine:
    return Engine(loaded, SystemClock(), Settings(compat=2))


async def test_instant_queries_answer_as_prometheus_does(engine: Engine, real: httpx.Client) -> None:
    different = []
    for query, minutes in product(queries(), (0.5, 47.25, 75)):
        at = START + timedelta(minutes=minutes)
        theirs = real.get("/api/v1/query", params={"query": query, "time": at.timestamp()}).json()
        ours = await asked(engine.instant(query, at))
        if complaint := difference(ours, theirs, ordered=query.startswith("sort")):
            different.append(f"{query} @ {minutes} min: {complaint}")
    assert not different, "\n".join(different)


async def test_range_queries_answer_as_prometheus_does(engine: Engine, real: httpx.Client) -> None:
    different = []
    for query, step in product(queries(), (71, 600)):
        params: dict[str, Any] = {"query": query, "start": START.timestamp(), "end": END.timestamp(), "step": step}
        theirs = real.get("/api/v1/query_range", params=params).json()
        ours = await asked(engine.range(query, START, END, timedelta(seconds=step)))
        if complaint := difference(ours, theirs, ordered=False):
            different.append(f"{query} step {step}: {complaint}")
    assert not different, "\n".join(different)


@pytest.mark.parametrize("query", _lines(ERRORS))
async def test_refusals_are_those_of_prometheus(query: str, engine: Engine, real: httpx.Client) -> None:
    theirs = real.get("/api/v1/query", params={"query": query, "time": END.timestamp()}).json()
    assert difference(await asked(engine.instant(query, END)), theirs, ordered=False) == ""


@pytest.mark.parametrize(("text", "complaint"), COMPLAINTS)
def test_prometheus_complains_in_the_words_that_we_know(text: str, complaint: str, real: httpx.Client) -> None:
    theirs = real.get("/api/v1/query", params={"query": text}).json()
    assert theirs["error"] == f'invalid parameter "query": {complaint}'
