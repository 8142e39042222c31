"""Prometheus' HTTP API as clients use it: Grafana's calls, who may ask, large answers, and those who do not wait for theirs."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from opsconsole.collectors.standing import Standing
from opsconsole.db import Database
from opsconsole.model import Alert, AlertState, Labels, QueryResult, Row, Sample
from opsconsole.model.matching import fits
from opsconsole.promql import Engine
from opsconsole.rules.evaluation import Evaluated
from opsconsole.rules.groups import AlertingRule, RecordingRule, RuleGroup
from opsconsole.rules.templates import compile_template
from opsconsole.tsdb.metadata import Description
from opsconsole.web.console import Console, GroupStanding
from opsconsole.web.settings import AuthSettings
from tests.support import web
from tests.support.clock import NOON, FakeClock
from tests.support.databases import opened
from tests.support.promql import of_samples
from tests.support.serving import served

KEY = "a-key-for-grafana"
AUTH = AuthSettings.model_validate({"api_keys": [{"name": "grafana", "key": KEY}]})
SHOWN = {"Authorization": f"Bearer {KEY}"}
API = "/prometheus/api/v1"
SERIES = (Labels(__name__="up", job="a"), Labels(__name__="up", job="b"), Labels(__name__="down", room="x"))


class Known:
    """A `MetricsReader` of three series."""

    async def labels(self, matchers: Any = (), start_ms: int | None = None, end_ms: int | None = None) -> list[Labels]:
        return [labels for labels in SERIES if fits(labels, matchers)]

    async def label_names(self, matchers: Any = (), start_ms: int | None = None, end_ms: int | None = None) -> list[str]:
        return sorted({name for labels in await self.labels(matchers) for name in labels})

    async def label_values(
        self, name: str, matchers: Any = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[str]:
        return sorted({labels[name] for labels in await self.labels(matchers) if name in labels})


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """One kind is enough: none of this is asked of the database."""
    async with opened(f"sqlite:///{tmp_path / 'test.db'}") as database:
        yield database


@pytest.fixture
def console(db: Database) -> Console:
    clock = FakeClock()
    samples = [Sample.of(one["__name__"], 1.0, NOON, one.without("__name__")) for one in SERIES]
    return web.console(db, clock, auth=AUTH, querier=Engine(of_samples(samples), clock), reader=Known())


@pytest.fixture
async def client(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    async with web.client(web.application(console), peer="203.0.113.9") as client:
        client.headers = httpx.Headers(SHOWN)
        yield client


def _data(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    told = response.json()
    assert told["status"] == "success"
    return told["data"]


async def test_a_grafana_data_source_gets_what_it_asks_for(client: httpx.AsyncClient, console: Console) -> None:
    """Its calls in their order: the test of the data source, the query editor's completion, a panel, its annotations."""
    console.metadata.note("up", Description("gauge", "Whether it is up."))
    span = {"start": f"{NOON.timestamp() - 3600}", "end": f"{NOON.timestamp()}"}
    assert _data(await client.post(f"{API}/query", data={"query": "1+1", "time": span["end"]}))["result"][1] == "2"
    assert _data(await client.get(f"{API}/status/buildinfo"))["version"].startswith("3.")
    assert _data(await client.get(f"{API}/label/__name__/values", params=span)) == ["down", "up"]
    posted = {**span, "match[]": 'up{job="a"}', "limit": "40000"}
    assert _data(await client.post(f"{API}/labels", data=posted)) == ["__name__", "job"]
    assert _data(await client.get(f"{API}/labels", params=posted)) == ["__name__", "job"]
    assert _data(await client.get(f"{API}/label/job/values", params={**span, "match[]": "up"})) == ["a", "b"]
    assert _data(await client.post(f"{API}/series", data=posted)) == [{"__name__": "up", "job": "a"}]
    everything = {**span, "match[]": '{__name__!=""}', "limit": "40000"}
    assert [one["__name__"] for one in _data(await client.get(f"{API}/series", params=everything))] == ["down", "up", "up"]
    with_job = {**span, "match[]": '{job!=""}', "limit": "0"}
    assert [one["job"] for one in _data(await client.get(f"{API}/series", params=with_job))] == ["a", "b"]
    assert _data(await client.get(f"{API}/label/U__job/values", params={**span, "limit": "1"})) == ["a"]
    metadata = _data(await client.get(f"{API}/metadata", params={"limit": "20000"}))
    assert metadata["up"] == [{"type": "gauge", "help": "Whether it is up.", "unit": ""}]
    assert metadata["opsconsole_loop_failures_total"][0]["type"] == "counter"
    panel = {**span, "query": "sum by (job) (up)", "step": "15"}
    grafana = {"X-Dashboard-Uid": "a", "X-Panel-Id": "2", "X-Grafana-Org-Id": "1", "Accept-Encoding": "gzip"}
    matrix = _data(await client.post(f"{API}/query_range", data=panel, headers=grafana))
    assert matrix["resultType"] == "matrix"
    assert matrix["result"][0] == {"metric": {"job": "a"}, "values": [[NOON.timestamp(), "1"]]}
    assert _data(await client.post(f"{API}/query_exemplars", data={**span, "query": "up"})) == []
    assert _data(await client.get(f"{API}/rules"))["groups"][0]["name"] == "scheduler"


class Windows:
    """A `MetricsReader` that notes from when and until when it was asked, in milliseconds."""

    def __init__(self) -> None:
        self.asked: list[tuple[int | None, int | None]] = []

    async def labels(self, matchers: Any = (), start_ms: int | None = None, end_ms: int | None = None) -> list[Labels]:
        self.asked.append((start_ms, end_ms))
        return []

    async def label_names(self, matchers: Any = (), start_ms: int | None = None, end_ms: int | None = None) -> list[str]:
        self.asked.append((start_ms, end_ms))
        return []

    async def label_values(
        self, name: str, matchers: Any = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[str]:
        self.asked.append((start_ms, end_ms))
        return []


@pytest.mark.parametrize("path", ["series", "labels", "label/job/values"])
async def test_look_ups_are_asked_of_the_window_that_is_named(db: Database, path: str) -> None:
    reader = Windows()
    async with web.client(web.application(web.console(db, FakeClock(), auth=AUTH, reader=reader)), peer="203.0.113.9") as client:
        for window in ({"start": "10", "end": "20.5"}, {"start": "10"}, {"end": "1970-01-01T00:01:00Z"}):
            answer = await client.get(f"{API}/{path}", params={"match[]": "up", **window}, headers=SHOWN)
            assert _data(answer) == []
    first, second, third = reader.asked
    assert (first, second, third[1]) == ((10_000, 20_500), (10_000, None), 60_000)
    assert third[0] is not None
    assert third[0] < 0


async def test_a_limit_cuts_and_says_so(client: httpx.AsyncClient) -> None:
    for path, params in (
        ("query", {"query": "up", "time": f"{NOON.timestamp()}"}),
        ("series", {"match[]": "up"}),
        ("labels", {}),
        ("label/job/values", {}),
    ):
        told = (await client.get(f"{API}/{path}", params={**params, "limit": "1"})).json()
        found = told["data"]["result"] if path == "query" else told["data"]
        assert (len(found), told["warnings"]) == (1, ["results truncated due to limit"])
        assert (await client.get(f"{API}/{path}", params={**params, "limit": "-1"})).status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer another-key"}, 401),
        (SHOWN, 200),
        ({"X-Api-Key": KEY}, 200),
        ({"Authorization": "Basic " + base64.b64encode(f"who:{KEY}".encode()).decode()}, 200),
    ],
)
async def test_a_key_opens_it_in_each_of_three_ways(console: Console, headers: dict[str, str], status: int) -> None:
    async with web.client(web.application(console), peer="203.0.113.9") as client:
        del client.headers["Accept"]
        assert (await client.get(f"{API}/query?query=1", headers=headers)).status_code == status
        assert (await client.post(f"{API}/query", data={"query": "1"}, headers=headers)).status_code == status


async def test_without_logins_it_is_open_to_programs_and_closed_to_other_sites(console: Console) -> None:
    console = replace(console, auth=AuthSettings(mode="none"))
    async with web.client(web.application(console)) as client:
        del client.headers["Origin"]
        assert (await client.post(f"{API}/query", data={"query": "1"})).status_code == 200
        elsewhere = {"Origin": "https://elsewhere.example"}
        assert (await client.post(f"{API}/query", data={"query": "1"}, headers=elsewhere)).status_code == 403


async def test_a_path_that_is_not_there_and_a_method_are_answered_in_plain_text(client: httpx.AsyncClient) -> None:
    missing, wrong = await client.get(f"{API}/no/such"), await client.put(f"{API}/query")
    assert (missing.status_code, missing.text) == (404, "404 page not found\n")
    assert (wrong.status_code, wrong.text) == (405, "Method Not Allowed\n")
    assert (await client.get("/prometheus/-/healthy")).status_code == (await client.get("/prometheus/-/ready")).status_code == 200


async def test_rules_and_alerts_are_told_as_by_prometheus(console: Console) -> None:
    down = AlertingRule(
        "Down", 'up{job="a"}==0', "rules/f;g;Down", 3, timedelta(minutes=5), timedelta(minutes=1),
        {"severity": compile_template("high")}, {"summary": compile_template("{{ $labels.job }} is down")},
    )  # fmt: skip
    recorded = RecordingRule("job:up:sum", "sum(up)by(job)", 9, {"team": "x"})
    group = RuleGroup("g", "f", (down, recorded), timedelta(seconds=30), limit=7)
    alert = Alert(
        Labels(alertname="Down", job="a", severity="high"), down.scope, AlertState.FIRING, NOON - timedelta(seconds=90),
        {"summary": "a is down"}, 0.25, absent_since=NOON - timedelta(milliseconds=1500),
    )  # fmt: skip
    other = Alert(Labels(alertname="Late"), "heartbeats", AlertState.PENDING, NOON)
    stood = GroupStanding(Evaluated(NOON, 0.5), {0: Evaluated(NOON, 0.25), 1: Evaluated(NOON, 0.125, "no")})
    console = replace(console, rules=(group,), alerts=lambda: [alert, other], evaluated=lambda key: stood)
    shown = {
        "labels": {"alertname": "Down", "job": "a", "severity": "high"},
        "annotations": {"summary": "a is down"},
        "state": "firing",
        "activeAt": "2026-03-01T11:58:30Z",
        "keepFiringSince": "2026-03-01T11:59:58.5Z",
        "value": "2.5e-01",
    }
    async with web.client(web.application(console)) as client:
        client.headers = httpx.Headers(SHOWN)
        assert _data(await client.get(f"{API}/rules")) == {
            "groups": [
                {
                    "name": "g", "file": "f", "interval": 30, "limit": 7,
                    "evaluationTime": 0.5, "lastEvaluation": "2026-03-01T12:00:00Z",
                    "rules": [
                        {
                            "state": "firing", "name": "Down", "query": 'up{job="a"} == 0', "duration": 300, "keepFiringFor": 60,
                            "labels": {"severity": "high"}, "annotations": {"summary": "{{ $labels.job }} is down"},
                            "alerts": [shown], "health": "ok", "evaluationTime": 0.25,
                            "lastEvaluation": "2026-03-01T12:00:00Z", "type": "alerting",
                        },
                        {
                            "name": "job:up:sum", "query": "sum by (job) (up)", "labels": {"team": "x"}, "health": "err",
                            "lastError": "no", "evaluationTime": 0.125, "lastEvaluation": "2026-03-01T12:00:00Z",
                            "type": "recording",
                        },
                    ],
                }
            ]
        }  # fmt: skip
        told = _data(await client.get(f"{API}/alerts"))["alerts"]
        assert told[0] == shown
        assert (told[1]["labels"], told[1]["value"]) == ({"alertname": "Late"}, "0e+00")
        for asked, names in (
            ({"type": "record"}, [["job:up:sum"]]),
            ({"type": "alert", "exclude_alerts": "true"}, [["Down"]]),
            ({"rule_name[]": ["Down", "x"]}, [["Down"]]),
            ({"rule_group[]": "h"}, []),
            ({"file[]": "f"}, [["Down", "job:up:sum"]]),
        ):
            groups = _data(await client.get(f"{API}/rules", params=asked))["groups"]
            assert [[rule["name"] for rule in one["rules"]] for one in groups] == names, asked
            assert "exclude_alerts" not in asked or groups[0]["rules"][0]["alerts"] == []


async def test_collectors_are_shown_as_targets(console: Console) -> None:
    stood = [
        Standing("prod", "airflow_health", NOON, 0.5, ""),
        Standing("prod", "airflow_pools", NOON, 1.5, "refused"),
        Standing("prod", "airflow_dags", None, 0.0, ""),
    ]
    console = replace(console, standings=lambda name: stood)
    async with web.client(web.application(console)) as client:
        client.headers = httpx.Headers(SHOWN)
        active = _data(await client.get(f"{API}/targets", params={"state": "active"}))["activeTargets"]
        assert [(one["health"], one["lastError"]) for one in active] == [("up", ""), ("down", "refused"), ("unknown", "")]
        assert active[1]["labels"]["job"] == active[1]["scrapePool"] == "airflow_pools"
        assert (active[0]["lastScrape"], active[2]["lastScrape"]) == ("2026-03-01T12:00:00Z", "0001-01-01T00:00:00Z")
        [one] = _data(await client.get(f"{API}/targets", params={"scrapePool": "airflow_dags"}))["activeTargets"]
        assert one["labels"]["deployment"] == "prod"
        assert _data(await client.get(f"{API}/targets", params={"state": "dropped"}))["activeTargets"] == []


class Slow:
    """A `Querier` that answers only when it is told to."""

    def __init__(self, result: QueryResult | None = None) -> None:
        self.result, self.asked, self.cancelled = result, asyncio.Event(), asyncio.Event()
        self.running = self.most = 0
        self.go = asyncio.Event()

    async def instant(self, expr: str, at: datetime) -> QueryResult:
        self.asked.set()
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        finally:
            self.running -= 1
        return QueryResult("vector")

    async def range(self, expr: str, start: datetime, end: datetime, step: timedelta) -> QueryResult:
        assert self.result is not None
        return self.result


async def test_a_query_whose_client_goes_away_is_cancelled(console: Console) -> None:
    slow = Slow()
    async with served(web.application(replace(console, querier=slow))) as address:
        host, port = address.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {API}/query?query=up HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\n\r\n".encode())
        await asyncio.wait_for(slow.asked.wait(), 60)
        writer.close()
        await asyncio.wait_for(slow.cancelled.wait(), 60)


async def test_a_query_that_takes_longer_than_it_may_is_cancelled_and_says_so(console: Console) -> None:
    slow = Slow()
    async with web.client(web.application(replace(console, querier=slow))) as client:
        answer = await client.get(f"{API}/query", params={"query": "up", "timeout": "1ms"}, headers=SHOWN)
    assert (answer.status_code, answer.json()["errorType"]) == (503, "timeout")
    assert slow.cancelled.is_set() or not slow.asked.is_set()


async def test_no_more_than_twenty_queries_run_at_one_time(console: Console) -> None:
    slow = Slow()
    async with web.client(web.application(replace(console, querier=slow))) as client:
        asking = [asyncio.create_task(client.get(f"{API}/query?query=up", headers=SHOWN)) for _ in range(30)]
        async with asyncio.timeout(60):
            while slow.running < 20:
                await asyncio.sleep(0.01)
        slow.go.set()
        answers = await asyncio.gather(*asking)
    assert {answer.status_code for answer in answers} == {200}
    assert slow.most == 20


@pytest.mark.parametrize("encoding", ["gzip", "identity", "gzip;q=0"])
async def test_a_large_answer_comes_in_pieces_and_whole(console: Console, encoding: str) -> None:
    times = np.arange(2000, dtype=np.int64) * 15_000
    values = np.random.default_rng(5).random(2000)
    result = QueryResult("matrix", rows=[Row(Labels(n=f"{n}"), times, values * n) for n in range(60)])
    async with served(web.application(replace(console, querier=Slow(result)))) as address:
        headers = {**SHOWN, "Accept-Encoding": encoding}
        params = {"query": "x", "start": "0", "end": "30000", "step": "15"}
        async with httpx.AsyncClient(base_url=address, headers=headers, trust_env=False, timeout=60) as client:
            answer = await client.get(f"{API}/query_range", params=params)
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers.get("content-encoding", "") == ("gzip" if encoding == "gzip" else "")
    rows = json.loads(answer.text)["data"]["result"]
    assert [row["metric"]["n"] for row in rows] == [f"{n}" for n in range(60)]
    told = np.array([[float(value) for _, value in row["values"]] for row in rows])
    assert (told == values[None, :] * np.arange(60)[:, None]).all()


async def test_a_form_that_is_too_large_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{API}/query", data={"query": "x" * 5_000_000})
    assert answer.status_code == 413
