"""Every page over a fleet on a bad morning, on both databases."""

import html
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import parse_qs

import httpx
import pytest

from opsconsole.collectors.standing import Standing
from opsconsole.dashboards.model import Dashboard, Panel, PanelQuery
from opsconsole.db import Database
from opsconsole.model import Labels, QueryError, QueryResult, Sample
from opsconsole.rules.groups import RecordingRule, RuleGroup
from opsconsole.web.settings import AuthSettings, ServerSettings
from tests.support import scene, web
from tests.support.clock import NOON, FakeClock

HOUR = timedelta(hours=1)
OPEN = AuthSettings(mode="none")
PAGES = (
    "/",
    "/deployments/prod-eu",
    "/incidents",
    "/incidents/1",
    "/heartbeats",
    "/slas",
    "/dashboards",
    "/dashboards/scheduler?deployment=prod-eu&range=1h",
    "/rules",
    "/docs/runbooks",
)


@pytest.fixture
async def browser(db: Database) -> AsyncIterator[httpx.AsyncClient]:
    await scene.play(db, NOON)
    console = web.console(db, FakeClock(), list(scene.samples(NOON)), auth=OPEN)
    async with web.client(web.application(console)) as browser:
        yield browser


def text(page: str) -> str:
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", page).split()))


async def test_every_page_answers_whole_and_as_the_part_that_htmx_asks_for(browser: httpx.AsyncClient) -> None:
    for path in PAGES:
        whole = await browser.get(path)
        part = await browser.get(path, headers={"HX-Request": "true"})
        assert (whole.status_code, part.status_code) == (200, 200), path
        assert whole.text.startswith("<!doctype html>")
        assert "<html" not in part.text
        assert "<title>" in part.text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", whole.text), f"nothing inline on {path}"


async def test_the_overview_says_what_is_wrong_first(browser: httpx.AsyncClient) -> None:
    page = text((await browser.get("/")).text)
    assert "4 open incidents in 3 of 4 deployments" in page
    assert "prod-eu: scheduler down, last seen 4 min ago" in page
    assert "staging: the API does not answer, no data on scheduler" in page
    assert page.index("prod-eu 3.3.2") < page.index("finance 2.10.5")
    assert "KeyError: 'region'" in page


async def test_what_is_not_known_is_shown_as_unknown_with_its_age(browser: httpx.AsyncClient) -> None:
    page = (await browser.get("/")).text
    row = page[page.index('id="row-staging"') :].split("</tr>")[0]
    assert row.count('class="cell s unknown">no data') == 4
    assert "2 min" in row
    assert 's ok"' not in row


async def test_a_component_that_never_existed_shows_a_dash(browser: httpx.AsyncClient) -> None:
    page = (await browser.get("/")).text
    row = page[page.index('id="row-finance"') :].split("</tr>")[0]
    assert re.search(r'data-heading="Dag processor"><span class="cell dash"', row)


async def test_an_incident_tells_its_story_with_every_attempt(browser: httpx.AsyncClient) -> None:
    page = text((await browser.get("/incidents/1")).text)
    for said in ("oncall/slack: not delivered, will be tried again", "HTTP 429", "message sent (212 ms)", "it lasted for 10s"):
        assert said in page
    figure = (await browser.get("/incidents/1/figure")).json()
    assert figure["caption"] == "max by (deployment, component) (airflow_component_up)"
    assert len(figure["data"]) == 1
    assert figure["data"][0]["y"][-1] == 0


async def test_a_panel_is_a_figure_of_the_chosen_deployment(browser: httpx.AsyncClient) -> None:
    figure = (await browser.get("/dashboards/scheduler/panels/0?deployment=prod-eu&range=1h")).json()
    assert [trace["name"] for trace in figure["data"]] == ["dag_processor", "scheduler", "triggerer"]
    assert (await browser.get("/dashboards/scheduler/panels/0?deployment=elsewhere")).status_code == 404
    assert (await browser.get("/dashboards/scheduler/panels/9")).status_code == 404


async def test_an_empty_panel_of_statsd_says_that_it_needs_statsd_unless_some_came(db: Database) -> None:
    queries = (PanelQuery('airflow_scheduler_loops{deployment="$deployment"}'),)
    shown = Dashboard("s", "S", "?", tuple(Panel(show, queries, show, needs="statsd") for show in ("line", "table")))
    received = [Sample("airflow_statsd_last_received_timestamp_seconds", 1.0, NOON - HOUR, Labels(deployment="prod-eu"))]
    server = ServerSettings(public_url="http://127.0.0.1:8600/ops")
    console = web.console(db, FakeClock(), received, auth=OPEN, dashboards=(shown,), server=server)
    async with web.client(web.application(console)) as browser:
        figures = {
            name: (await browser.get(f"/dashboards/s/panels/0?deployment={name}")).json() for name in ("prod-eu", "staging")
        }
        pages = {name: (await browser.get(f"/dashboards/s?deployment={name}")).text for name in ("prod-eu", "staging")}
    assert "needs" not in figures["prod-eu"]
    assert figures["prod-eu"]["note"] == "no data in this range"
    assert figures["staging"]["needs"]["text"].startswith("needs StatsD")
    assert figures["staging"]["needs"]["link"] == "/ops/docs/runbooks/statsd-silent"
    assert 'href="/ops/docs/runbooks/statsd-silent">needs StatsD' in pages["staging"]
    assert "needs StatsD" not in pages["prod-eu"]


async def test_charts_of_a_deployment_that_is_new_are_of_its_few_minutes_unless_somebody_chose(db: Database) -> None:
    seen = [
        Sample("opsconsole_collector_up", 1.0, NOON - timedelta(minutes=ago), Labels(deployment=name, collector="airflow_health"))
        for name, since in (("prod-eu", 170), ("staging", 12))
        for ago in range(since)
    ]
    console = web.console(db, FakeClock(), seen, auth=OPEN)
    async with web.client(web.application(console)) as browser:
        for query, chosen in (("prod-eu", "3h"), ("staging", "15m"), ("staging&range=1d", "1d"), ("staging&range=9y", "15m")):
            page = (await browser.get(f"/dashboards/scheduler?deployment={query}")).text
            assert f"<option selected>{chosen}</option>" in page, query


async def test_the_deployment_page_says_why_its_airflow_cannot_be_read(db: Database) -> None:
    error = "GET /api/v2/pools: 401: <b>Unauthorized</b> (not logged in, or a permission is missing: check auth)"
    console = web.console(
        db, FakeClock(), list(scene.samples(NOON)), auth=OPEN, standings=lambda name: scene.standings(NOON, error)
    )
    async with web.client(web.application(console)) as browser:
        page = (await browser.get("/deployments/staging")).text
        overview = (await browser.get("/")).text
    panel = page[page.index('id="collectors"') :].split("</section>")[0]
    assert "the API cannot be read (401: &lt;b&gt;Unauthorized&lt;/b&gt;)" in page
    assert panel.count('class="s down">failing') == 2
    assert panel.count('class="s ok">ok') == 1
    assert panel.count(html.escape(error)) == 1
    assert "the same" in panel
    assert "2 min</time> ago" in panel, "the last success of airflow_health, as it was stored"
    row = overview[overview.index('id="row-staging"') :].split("</tr>")[0]
    assert "401: &lt;b&gt;Unauthorized&lt;/b&gt; · seen 2 min ago" in row
    assert "<b>Unauthorized" not in page + overview


async def test_collectors_that_work_stand_last_and_without_a_reason(browser: httpx.AsyncClient, db: Database) -> None:
    assert "None has run yet." in (await browser.get("/deployments/ml-prod")).text
    fine = [Standing("ml-prod", "airflow_health", NOON, 0.1, ""), Standing("ml-prod", "airflow_dags", NOON, 0.1, "")]
    console = web.console(db, FakeClock(), list(scene.samples(NOON)), auth=OPEN, standings=lambda name: fine)
    async with web.client(web.application(console)) as other:
        page = (await other.get("/deployments/ml-prod")).text
    assert page.index("<h2>SLAs</h2>") < page.index('id="collectors"')
    assert 's down">failing' not in page


async def test_what_is_not_there_is_a_page_that_says_so(browser: httpx.AsyncClient) -> None:
    for path in ("/nope", "/incidents/999", "/incidents/x", "/deployments/x", "/dashboards/x", "/docs/runbooks/..%2Fsecret"):
        answer = await browser.get(path)
        assert answer.status_code == 404, path
        assert "Overview" in answer.text
        assert "Traceback" not in answer.text


async def test_text_from_outside_is_never_markup(db: Database) -> None:
    labels = {
        "alertname": "X",
        "deployment": "prod-eu",
        "severity": "high",
        "dag_id": "<script>alert(1)</script>",
        "task_id": "t",
    }
    told = {"error": "<img src=x onerror=alert(1)>", "log_url": "javascript:alert(1)"}
    await scene.alert(db, "failures/prod-eu", labels, "firing", NOON, annotations=told)
    console = web.console(db, FakeClock(), auth=OPEN)
    async with web.client(web.application(console)) as browser:
        page = (await browser.get("/")).text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "javascript:" not in page


async def test_the_number_of_queries_does_not_grow_with_the_rows(db: Database) -> None:
    await scene.play(db, NOON)
    asked = web.Queries(db)
    console = web.console(db, FakeClock(), list(scene.samples(NOON, timedelta(minutes=5))), auth=OPEN)
    async with web.client(web.application(console)) as browser:

        async def cost(path: str) -> int:
            before = asked.count
            assert (await browser.get(path)).status_code == 200
            return asked.count - before

        await cost("/")
        few = {path: await cost(path) for path in PAGES}
        for number in range(25):
            labels = {"alertname": "Many", "deployment": "prod-eu", "severity": "high", "n": str(number)}
            row = await scene.alert(db, "failures/prod-eu", labels, "firing", NOON)
            opened = await scene.incident(db, f"many {number}", "high", NOON, [row], deployment="prod-eu")
            await scene.message(db, opened, "slack", "sent", NOON, ("retry", "no"), ("delivered", "ok"))
        assert {path: await cost(path) for path in PAGES} == few


async def test_an_empty_console_says_what_to_do_next(db: Database) -> None:
    console = web.console(db, FakeClock(), auth=OPEN, deployments=(), dashboards=(), rules=(), slas=())
    async with web.client(web.application(console)) as browser:
        pages = {path: text((await browser.get(path)).text) for path in ("/", "/heartbeats", "/slas", "/rules", "/incidents")}
    assert "opsconsole serve --airflow" in pages["/"]
    assert "curl" in pages["/heartbeats"]
    assert "max_duration" in pages["/slas"]
    assert "No rule is loaded" in pages["/rules"]
    assert "No open incident" in pages["/incidents"]


async def test_a_store_that_does_not_answer_leaves_every_state_unknown(db: Database) -> None:
    class Broken:
        async def instant(self, expr: str, at: object) -> QueryResult:
            raise QueryError("too many samples")

        range = instant

    console = web.console(db, FakeClock(), auth=OPEN, querier=Broken())
    async with web.client(web.application(console)) as browser:
        page = (await browser.get("/")).text
        dashboard = await browser.get("/dashboards/scheduler")
    assert "too many samples" in page
    assert 'class="cell s ok"' not in page
    assert dashboard.status_code == 200
    assert "too many samples" in dashboard.text


async def test_it_works_below_a_path_prefix(db: Database) -> None:
    server = ServerSettings(public_url="https://example.com/ops")
    console = web.console(db, FakeClock(), server=server)
    await web.with_user(db)
    async with web.client(web.application(console), base_url="https://example.com") as browser:
        asked = await browser.get("/ops/heartbeats")
        assert (asked.status_code, asked.headers["location"]) == (303, "/ops/login?next=%2Fheartbeats")
        stripped = await browser.get("/heartbeats")
        assert stripped.headers["location"] == "/ops/login?next=%2Fheartbeats", "a proxy may take the prefix off"
        entered = await browser.post("/ops/login", data={"name": "admin", "password": web.PASSWORD, "next": "/heartbeats"})
        assert entered.headers["location"] == "/ops/heartbeats"
        assert "Path=/ops;" in entered.headers["set-cookie"]
        assert "Secure" in entered.headers["set-cookie"]
        page = await browser.get("/ops/heartbeats")
        own = re.findall(r'(?:href|src|action|hx-get|sse-connect)="(/[^"]*)"', page.text)
        assert own
        assert [address for address in own if not address.startswith("/ops/")] == []
        stylesheet = next(address for address in own if address.endswith("console.css"))
        assert (await browser.get(stylesheet)).status_code == 200
        assert (await browser.get("/livez")).status_code == 200
        assert page.headers["strict-transport-security"]


def explored(page: str) -> list[dict[str, list[str]]]:
    """What the page's links into the explore page ask for."""
    links = re.findall(r'href="(?:/ops)?/explore\?([^"]*)"', page)
    return [parse_qs(html.unescape(link)) for link in links]


async def test_rules_lead_to_their_expressions_those_that_record_too(db: Database) -> None:
    recording = RuleGroup("totals", "my.yaml", (RecordingRule("job:up:sum", "sum by (job) (up)\n", 3),))
    console = web.console(db, FakeClock(), auth=OPEN, rules=(*web.RULES, recording))
    async with web.client(web.application(console)) as browser:
        page = (await browser.get("/rules")).text
    assert explored(page)[-1] == {"query": ["sum by (job) (up)"], "tab": ["chart"]}
    assert len(explored(page)) == 1 + sum(len(group.rules) for group in web.RULES)
    assert "None of 1 rule fires" in text(page)
    assert "job:up:sum not yet" in text(page)


async def test_a_panel_leads_to_each_of_its_queries_over_the_range_that_is_shown(db: Database) -> None:
    queries = (PanelQuery('a{deployment="$deployment"}', "mean"), PanelQuery("b", "{{pool}}"))
    shown = Dashboard("s", "S", "?", (Panel("both", queries), Panel("one", queries[:1], "number")))
    server = ServerSettings(public_url="http://127.0.0.1:8600/ops")
    async with web.client(
        web.application(web.console(db, FakeClock(), auth=OPEN, dashboards=(shown,), server=server))
    ) as browser:
        page = (await browser.get("/dashboards/s?deployment=prod-eu&range=12h")).text
    first = {"query": ['a{deployment="prod-eu"}'], "tab": ["chart"], "range": ["12h"]}
    assert explored(page) == [first, first | {"query": ["b"]}, first]
    assert "Explore mean , query 2" in text(page)


async def test_an_incident_leads_to_its_expression_at_its_time(browser: httpx.AsyncClient) -> None:
    page, figure = (await browser.get("/incidents/1")).text, (await browser.get("/incidents/1/figure")).json()
    [fact] = explored(page)
    [chart] = explored(f'href="{figure["explore"]}"')
    assert fact["query"] == [web.RULES[0].rules[0].expr.strip()]
    assert chart["query"] == ["max by (deployment, component) (airflow_component_up)"]
    assert fact["range"] == chart["range"]
    assert "end" not in fact, "an open one goes on"
    for ask in (fact, chart):
        answer = await browser.get("/explore", params=ask)
        assert answer.status_code == 200
        assert "cannot be answered" not in answer.text
