"""Prometheus' HTTP API: beside a real Prometheus with the same samples, with promtool, and as Grafana asks."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from opsconsole.clock import from_millis
from opsconsole.model import Sample
from opsconsole.promql import Engine, Settings
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings as StoreSettings
from opsconsole.tsdb.store import Store
from opsconsole.web.console import Console
from opsconsole.web.settings import AuthSettings
from tests.support import web
from tests.support.clock import FakeClock
from tests.support.databases import opened
from tests.support.prometheus import AVAILABLE, prometheus
from tests.support.promql import Loaded, load
from tests.support.serving import served

START = datetime(2026, 1, 5, 0, 0, tzinfo=UTC)
END = START + timedelta(hours=1)
AT, FROM, TO = END.timestamp(), START.timestamp(), END.timestamp()
KEY = "a-key-for-grafana"
AUTH = AuthSettings.model_validate({"api_keys": [{"name": "grafana", "key": KEY}]})
SHOWN = {"Authorization": f"Bearer {KEY}"}
SERIES = """
load 30s
http_requests_total{job="api", instance="0"} 0+10x120
http_requests_total{job="api", instance="1"} 0+20x120
http_requests_total{job="app", instance="0"} 0+0.1x120
temperature{room="cellar & <attic>"} 5 NaN 7 Inf -Inf 1e-7 1e21 1e20 123456789.125 -0.5+0.001x110
limit{job="api", room="é\\"\\n"} 1000x120
ended{job="api"} 1x10
"""


@pytest.fixture(scope="module")
def series() -> Loaded:
    return load(SERIES, START)


@pytest.fixture
async def console(tmp_path: Path, series: Loaded) -> AsyncIterator[Console]:
    clock = FakeClock(END)
    async with opened(f"sqlite:///{tmp_path / 'test.db'}") as db:
        store = Store(db, clock, Telemetry(), StoreSettings())
        await store.open()
        for one in series.series:
            points = zip(one.timestamps.tolist(), one.values.tolist(), strict=True)
            name, labels = one.labels["__name__"], one.labels.without("__name__")
            store.append([Sample(name, value, from_millis(at), labels) for at, value in points])
        await store.flush(clock.now())
        yield web.console(db, clock, auth=AUTH, querier=Engine(store, clock, Settings(compat=2)), reader=store, compat=2)


@pytest.fixture
async def address(console: Console) -> AsyncIterator[str]:
    async with served(web.application(console)) as address:
        yield f"{address}/prometheus"


@pytest.fixture
async def client(address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{address}/api/v1/", headers=SHOWN, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def real(series: Loaded) -> Iterator[httpx.Client]:
    if not AVAILABLE:
        pytest.skip("no prometheus and promtool on this machine")
    with prometheus(series.series) as client:
        client.base_url = httpx.URL(f"{client.base_url}/api/v1/")
        yield client


INSTANT = """
http_requests_total
temperature
sum by (job) (rate(http_requests_total[5m]))
http_requests_total[2m]
temperature[1h]
ended
missing
1
1e21
-1e-9
1/3
1/0
-1/0
0/0
"a <b> & \\"c\\""
time()
vector(1e-7)
topk(2, http_requests_total)
limit
1 +
up +
rate(up)
sum by (job) 1
http_requests_total + on (job) limit
histogram_quantile(0.9, temperature)
label_replace(limit, "a b", "x", "", "")
""".strip().splitlines()


async def test_an_instant_query_is_answered_to_the_byte_as_by_prometheus(client: httpx.AsyncClient, real: httpx.Client) -> None:
    for query in [*INSTANT, ""]:
        asked = {"query": query, "time": f"{AT}"}
        want, got = real.get("query", params=asked), await client.get("query", params=asked)
        assert (got.status_code, _plain(got)) == (want.status_code, _plain(want)), query
        assert got.headers["content-type"] == want.headers["content-type"]


async def test_a_range_query_is_answered_to_the_byte_as_by_prometheus(client: httpx.AsyncClient, real: httpx.Client) -> None:
    for query in INSTANT:
        asked = {"query": query, "start": f"{FROM}", "end": f"{TO}", "step": "37.5"}
        want, got = real.post("query_range", data=asked), await client.post("query_range", data=asked)
        assert (got.status_code, _plain(got)) == (want.status_code, _plain(want)), query


def _plain(response: httpx.Response) -> str:
    """The body; how HTML's characters are escaped is of no matter to JSON, nor the order of an instant vector's elements."""
    text = response.text.replace("\\u003c", "<").replace("\\u003e", ">").replace("\\u0026", "&")
    head, array, elements = text.partition('"resultType":"vector","result":[')
    return head + array + "]},".join(sorted(elements.removesuffix("]}]}}").split("]},"))) if array else text


_STEPS = ("", "0", "-1", "1x", "NaN", "Inf", "1e300")
_ENDS = ("11000", "11000.9", "11001", "-1", "y")
_TIMES = ("1767571200.0004", "1767571200.1239", "-1.5", "0x1p4", "2026-01-05T00:30:00.0019+01:00", "2000-01-01T00:00:00Z")
_NO_TIMES = ("x", " 1", "2026-01-05", "2026-01-05T00:00Z", "2000-01-01t00:00:00z", "1e", '"')
_MATCHES = ("limit", '{job="api"}', '{job=~"a.*",instance!=""}', "{}", '{a=""}', "", "limit[5m]", "1")
PRINTED = [
    'x{b!="1",a=~"2"} offset -90s @ 5',
    '{b="c",__name__="x"}',
    '{__name__="x"}',
    "1000000 + 1e-7 + 1e30 + 0x1F - -Inf + NaN",
    "a - ignoring(y) group_left(x) b or on() c",
    'label_replace(x, "a", "\\a\\x07\\u00ad\\v", `c\\`, "")',
    "max_over_time(rate(x[1d12h:1m])[1w:] @ end() offset 1h90m) > bool -(2)",
    f"sum without (job) ({'x' * 60}) / on (job) group_left (team) quantile by (job) (0.5, {'y' * 60}) * -rate({'z' * 90}[5m])",
    f"max_over_time(clamp({'x' * 100}, 1, 2)[5m:1m]) + deriv({'x' * 90}[5m:1m])",
]
CASES: list[tuple[str, dict[str, Any]]] = [
    *(("query", {"query": "time()", "time": time}) for time in (*_TIMES, *_NO_TIMES)),
    *(("query", {"query": "1", "timeout": timeout, "time": "1"}) for timeout in ("x", "1m", "1.5")),
    *(("query_range", {"query": "1", "start": "1", "end": "2", "step": step}) for step in _STEPS),
    *(("query_range", {"query": "time()", "start": "0", "end": end, "step": "1"}) for end in _ENDS),
    ("query_range", {"query": "1"}),
    ("query_range", {"query": "1", "start": "1.0009", "end": "2.0019", "step": "0.5"}),
    ("query_range", {"query": "1", "start": "1", "end": "20000", "step": "1m40s"}),
    ("query_range", {"query": "limit[1m]", "start": "1", "end": "2", "step": "1"}),
    ("query_range", {"query": "'text'", "start": "1", "end": "2", "step": "1"}),
    ("series", {}),
    *(("series", {"match[]": match}) for match in _MATCHES),
    ("series", {"match[]": ["limit", "temperature", '{job="api"}']}),
    ("series", {"match[]": "limit", "start": "x"}),
    ("series", {"match[]": "limit", "end": "x"}),
    *(("labels", {"match[]": match} if match else {}) for match in ("", "limit", '{job=~".+"}', "{}")),
    *((f"label/{name}/values", {}) for name in ("job", "room", "__name__", "missing", "a-b", "0")),
    ("label/job/values", {"match[]": ["limit", "http_requests_total"]}),
    ("label/job/values", {"match[]": "{}"}),
    ("label/job/values", {"start": "q"}),
    ("query_exemplars", {"query": "limit", "start": "1", "end": "2"}),
    ("query_exemplars", {"query": "limit", "start": "3", "end": "2"}),
    ("query_exemplars", {"query": "1"}),
    ("query_exemplars", {"query": "1+"}),
    ("format_query", {"query": "sum(limit)by(job)"}),
    ("format_query", {"query": "sum()"}),
    *(("format_query", {"query": query}) for query in PRINTED),
    ("metadata", {"limit": "x"}),
    ("rules", {"type": "x"}),
    ("alerts", {}),
    ("alertmanagers", {}),
    ("targets/metadata", {}),
    ("nothing", {}),
]


async def test_parameters_are_read_and_refused_as_by_prometheus(client: httpx.AsyncClient, real: httpx.Client) -> None:
    for path, asked in CASES:
        want, got = real.get(path, params=asked), await client.get(path, params=asked)
        assert (got.status_code, _plain(got)) == (want.status_code, _plain(want)), (path, asked)


async def test_a_method_that_an_endpoint_does_not_have_is_refused_as_by_prometheus(
    client: httpx.AsyncClient, real: httpx.Client
) -> None:
    for method, path in (("PUT", "query"), ("PUT", "series"), ("POST", "targets"), ("POST", "label/job/values")):
        want, got = real.request(method, path), await client.request(method, path)
        assert (got.status_code, got.text) == (want.status_code, want.text), (method, path)


async def test_promtool_asks_the_console(address: str) -> None:
    url = address.replace("http://", f"http://grafana:{KEY}@")
    moment = f"--time={int(AT)}"
    told = await _promtool("instant", moment, url, 'limit{job="api"} * 2')
    assert told == '{job="api", room="é\\"\\n"} => 2000 @[1767574800]\n'
    told = await _promtool(
        "range", f"--start={int(FROM)}", f"--end={int(FROM) + 60}", "--step=30s", url, "sum(http_requests_total)"
    )
    assert told == "{} =>\n0 @[1767571200]\n30.1 @[1767571230]\n60.2 @[1767571260]\n"
    told = await _promtool("series", "--match=limit", '--match={job="app"}', url)
    assert told == '{__name__="http_requests_total", instance="0", job="app"}\n{__name__="limit", job="api", room="é\\"\\n"}\n'
    assert await _promtool("labels", url, "job") == "api\napp\n"
    with pytest.raises(subprocess.CalledProcessError) as failure:
        await _promtool("instant", url, "rate(limit)")
    assert 'bad_data: invalid parameter "query": 1:6: parse error: expected type range vector' in failure.value.stderr


async def _promtool(command: str, *arguments: str) -> str:
    said = await asyncio.to_thread(
        subprocess.run, ["promtool", "query", command, *arguments], check=True, capture_output=True, text=True, timeout=60
    )
    return str(said.stdout)
