"""The explore page: who may, what a link shows, what is completed; and in a browser, with keys alone."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.async_api import Page, async_playwright, expect

from opsconsole.db import Database
from opsconsole.model import Querier, QueryResult, Sample
from opsconsole.web.app import create_app
from opsconsole.web.identity import Role
from opsconsole.web.serving import bound, serve, server
from opsconsole.web.settings import AuthSettings, ServerSettings
from tests.support import web
from tests.support.browser import PATIENCE, QUIET
from tests.support.clock import NOON, FakeClock
from tests.support.databases import opened

HOSTILE = '<img src=x onerror="alert(1)">\'</script>{{"xyz"*2}}'
SAMPLES = [
    *(Sample.of("up", float(n % 2), NOON, {"job": f"job-{n}"}) for n in range(3)),
    Sample.of("hostile", 1.0, NOON, {"label": HOSTILE}),
    Sample.of("airflow_pool_open_slots", 7.0, NOON, {"pool": "default", "deployment": "prod"}),
]


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Database]:
    async with opened(f"sqlite:///{tmp_path / 'explore.db'}") as db:
        yield db


@pytest.fixture
async def viewer(sqlite: Database) -> AsyncIterator[httpx.AsyncClient]:
    await web.with_user(sqlite, "eve", Role.VIEWER)
    async with web.client(web.application(web.console(sqlite, FakeClock(), SAMPLES))) as browser:
        await web.log_in(browser, "eve")
        yield browser


async def test_who_has_not_logged_in_sees_and_asks_nothing(sqlite: Database) -> None:
    async with web.client(web.application(web.console(sqlite, FakeClock(), SAMPLES)), peer="203.0.113.9") as browser:
        for path in ("/explore?query=up", "/explore/answer?query=up", "/explore/complete?before=u"):
            assert (await browser.get(path)).headers["location"].startswith("/login")
            assert (await browser.get(path, headers={"Accept": "application/json"})).status_code == 401


async def test_a_viewer_finds_it_in_the_menu_and_a_link_shows_the_answer(viewer: httpx.AsyncClient) -> None:
    assert '<a href="/explore">Explore</a>' in (await viewer.get("/")).text
    page = await viewer.get("/explore", params={"query": "sum(up)"})
    assert page.status_code == 200
    assert "sum(up)</textarea>" in page.text
    assert "<code>{}</code>" in page.text
    part = await viewer.get("/explore/answer", params={"query": "sum(up)"})
    assert "<code>{}</code>" in part.text
    assert "<html" not in part.text


@pytest.mark.parametrize("tab", ["table", "chart"])
async def test_nothing_that_was_measured_or_typed_is_taken_for_html(viewer: httpx.AsyncClient, tab: str) -> None:
    for query in ("hostile", HOSTILE, f'"{HOSTILE}"', f"absent{{a='{HOSTILE}'}}"):
        page = await viewer.get("/explore", params={"query": query, "tab": tab, "end": HOSTILE if query == HOSTILE else ""})
        assert page.status_code == 200
        assert "<img" not in page.text
        assert page.text.count("</script>") == page.text.count("<script")
        assert "xyzxyz" not in page.text


async def test_links_of_a_prometheus_lead_here(viewer: httpx.AsyncClient) -> None:
    for path in ("/graph", "/prometheus/graph", "/prometheus/query"):
        answer = await viewer.get(path, params={"g0.expr": "sum(up)", "g0.tab": "0"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/explore?query=sum%28up%29&tab=chart")
    assert (await viewer.get("/prometheus/")).headers["location"] == "/explore"


async def test_a_mistake_is_shown_where_it_is(viewer: httpx.AsyncClient) -> None:
    page = await viewer.get("/explore", params={"query": "sum(rate(up))"})
    assert "sum(rate(<mark>up</mark>))" in page.text
    assert "expected type range vector" in page.text


async def test_a_metric_that_is_not_there_is_named_with_those_that_are_near(viewer: httpx.AsyncClient) -> None:
    page = await viewer.get("/explore", params={"query": "airflow_pool_open_slot"})
    assert (
        "No series is called <code>airflow_pool_open_slot</code> now. There is <code>airflow_pool_open_slots</code>" in page.text
    )


async def test_of_many_mistyped_names_a_few_are_compared(viewer: httpx.AsyncClient) -> None:
    names = [f"airflow_pool_open_slot{n}" for n in range(9)]
    page = (await viewer.get("/explore/answer", params={"query": " or ".join(names)})).text
    assert all(f"<code>{name}</code>" in page for name in names)
    assert page.count("There is <code>airflow_pool_open_slots</code>.") == 1


@pytest.mark.parametrize("end", ["0001-01-01", "0001-01-02", "-62135596800", "9999-12-31T23:59:59Z"])
async def test_a_range_at_the_end_of_the_calendar_is_answered_or_refused(viewer: httpx.AsyncClient, end: str) -> None:
    for step in ("", "7d", "36500d"):
        page = await viewer.get("/explore", params={"query": "up", "tab": "chart", "end": end, "step": step})
        assert page.status_code == 200
        assert "No data" in page.text or "beyond the calendar" in page.text


async def test_a_page_elsewhere_makes_no_viewer_ask(viewer: httpx.AsyncClient) -> None:
    """A link from elsewhere is followed; what a foreign page loads by itself costs no query."""
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    followed = await viewer.get("/explore?query=up", headers=elsewhere | {"Sec-Fetch-Mode": "navigate"})
    assert followed.status_code == 200
    for path in ("/explore?query=up", "/explore/answer?query=up", "/explore/complete?before=u"):
        assert (await viewer.get(path, headers=elsewhere | {"Sec-Fetch-Mode": "no-cors"})).status_code == 403
    same = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert (await viewer.get("/explore/answer?query=up", headers=same)).status_code == 200


async def completed(browser: httpx.AsyncClient, before: str) -> list[str]:
    answer = await browser.get("/explore/complete", params={"before": before})
    assert answer.status_code == 200
    return [one["insert"] for one in answer.json()["suggestions"]]


async def test_names_values_and_words_are_completed(viewer: httpx.AsyncClient) -> None:
    assert await completed(viewer, "sum(airflow_p") == ["airflow_pool_open_slots"]
    assert await completed(viewer, "hol") == ["holt_winters("]
    assert await completed(viewer, "up unl") == ["unless"]
    assert await completed(viewer, "airflow_pool_open_slots{") == ['deployment="', 'pool="']
    assert await completed(viewer, 'up{job="') == ['job-0"', 'job-1"', 'job-2"']
    assert await completed(viewer, "sum by (po") == ["pool"]
    assert await completed(viewer, "up[5") == []


class Slow:
    """Answers the query `slow` never, and says when it was broken off."""

    def __init__(self, inner: Querier) -> None:
        self._inner = inner
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    async def instant(self, expr: str, at: object) -> QueryResult:
        if expr == "slow":
            self.begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.ended.set()
        return await self._inner.instant(expr, at)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


@dataclass
class Site:
    address: str
    page: Page
    slow: Slow
    complaints: list[str] = field(default_factory=list)

    @property
    def shared(self) -> dict[str, list[str]]:
        """What the address says."""
        return parse_qs(urlsplit(self.page.url).query)


@pytest.fixture
async def site(sqlite: Database) -> AsyncIterator[Site]:
    listener = bound("127.0.0.1", 0)
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    console = web.console(sqlite, FakeClock(), SAMPLES, auth=AuthSettings(mode="none"), server=ServerSettings(listen=address))
    slow = Slow(console.querier)
    serving = asyncio.create_task(serve(server(create_app(replace(console, querier=slow))), listener))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET, timeout=PATIENCE)
        context = await browser.new_context(viewport={"width": 390, "height": 800})
        context.set_default_timeout(PATIENCE)
        site = Site(f"http://{address}", await context.new_page(), slow)
        site.page.on("console", lambda message: site.complaints.append(message.text) if message.type == "error" else None)
        site.page.on("pageerror", lambda error: site.complaints.append(str(error)))
        yield site
        await browser.close()
    serving.cancel()
    await asyncio.wait([serving])


async def test_a_query_is_typed_completed_and_run_with_keys_alone(site: Site) -> None:
    page, field_ = site.page, site.page.locator("#query")
    await page.goto(f"{site.address}/explore")
    await expect(field_).to_be_focused()
    await page.keyboard.type("sum(airflow_po")
    await expect(page.get_by_role("option")).to_have_count(1)
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("option", selected=True)).to_contain_text("airflow_pool_open_slots")
    await page.keyboard.press("Enter")
    await expect(field_).to_have_value("sum(airflow_pool_open_slots")
    await page.keyboard.type('{pool="')
    await expect(page.get_by_role("option", name="default")).to_be_visible()
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("option", selected=True)).to_contain_text("default")
    await page.keyboard.press("Tab")
    await expect(field_).to_have_value('sum(airflow_pool_open_slots{pool="default"')
    await page.keyboard.type("})")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Enter")
    await expect(page.locator("#answer td.value")).to_have_text("7")
    assert site.shared == {"query": ['sum(airflow_pool_open_slots{pool="default"})']}
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    assert site.complaints == []


async def test_a_link_shows_the_same_and_back_shows_what_was_before(site: Site) -> None:
    page = site.page
    await page.goto(f"{site.address}/explore?query=up&tab=chart&range=3h&step=1m")
    await expect(page.locator(".chart .main-svg").first).to_be_attached()
    await expect(page.locator(".legend li")).to_have_text([f'up{{job="job-{n}"}}' for n in range(3)])
    await page.get_by_label("Table").check()
    await expect(page.locator("#answer tbody tr")).to_have_count(3)
    assert site.shared == {"query": ["up"], "range": ["3h"], "step": ["1m"]}
    await page.go_back()
    await expect(page.locator(".chart .main-svg").first).to_be_attached()
    await expect(page.get_by_label("Chart")).to_be_checked()
    await expect(page.get_by_label("Step")).to_have_value("1m")
    await page.get_by_text("Recent queries").click()
    await expect(page.locator("#recent li")).to_have_text(["up"])
    assert site.complaints == []


async def test_a_new_question_breaks_off_the_one_that_runs(site: Site) -> None:
    page = site.page
    await page.goto(f"{site.address}/explore")
    await page.fill("#query", "slow")
    await page.keyboard.press("Enter")
    await asyncio.wait_for(site.slow.begun.wait(), 60)
    assert await page.locator("#answer").get_attribute("aria-busy") == "true"
    await page.fill("#query", "1 + 1")
    await page.keyboard.press("Enter")
    await expect(page.locator("#answer .number")).to_have_text("2")
    await asyncio.wait_for(site.slow.ended.wait(), 60)
    assert await page.locator("#answer").get_attribute("aria-busy") == "false"


async def test_a_mistake_is_told_and_mended(site: Site) -> None:
    page = site.page
    await page.goto(f"{site.address}/explore")
    await page.fill("#query", "sum(rate(up))")
    await page.keyboard.press("Enter")
    await expect(page.locator("#mistake mark")).to_have_text("up")
    await page.fill("#query", "hostile")
    await page.keyboard.press("Enter")
    await expect(page.locator("#answer tbody th")).to_contain_text("<img src=x onerror=")
    assert site.complaints == []
