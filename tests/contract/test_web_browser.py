"""Pages in a real browser: live without a reload, honest when they are not, and nothing against the policy."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from opsconsole.db import Database
from opsconsole.web.app import create_app
from opsconsole.web.changes import Changes
from opsconsole.web.serving import bound, serve, server
from opsconsole.web.settings import AuthSettings, ServerSettings
from tests.support import scene, web
from tests.support.browser import PATIENCE, QUIET
from tests.support.clock import NOON, FakeClock
from tests.support.databases import opened

expect.set_options(timeout=PATIENCE)


@dataclass
class Site:
    """The console on a port of this machine, and a browser's window on it."""

    db: Database
    address: str
    changes: Changes
    context: BrowserContext
    serving: asyncio.Task[None]
    complaints: list[str] = field(default_factory=list)

    async def open(self, path: str) -> Page:
        page = await self.context.new_page()
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(self.address + path)
        return page

    async def stop(self) -> None:
        self.changes.close()
        self.serving.cancel()
        await asyncio.wait([self.serving])


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    listener = bound("127.0.0.1", 0)
    port = _port(listener)
    changes, settings = Changes(), ServerSettings(listen=f"127.0.0.1:{port}")
    async with opened(f"sqlite:///{tmp_path / 'pages.db'}") as db, async_playwright() as playwright:
        await scene.play(db, NOON)
        console = web.console(
            db,
            FakeClock(),
            list(scene.samples(NOON)),
            auth=AuthSettings(mode="none"),
            server=settings,
            changes=changes,
            standings=lambda name: scene.standings(NOON) if name == "staging" else (),
        )
        serving = asyncio.create_task(serve(server(create_app(console)), listener))
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET, timeout=PATIENCE)
        context = await browser.new_context(viewport={"width": 390, "height": 800})
        context.set_default_timeout(PATIENCE)
        site = Site(db, f"http://127.0.0.1:{port}", changes, context, serving)
        yield site
        await browser.close()
        await site.stop()


def _port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


async def test_every_page_keeps_the_policy_and_fits_a_phone(site: Site) -> None:
    for path in (
        "/",
        "/deployments/prod-eu",
        "/deployments/staging",
        "/incidents/1",
        "/heartbeats",
        "/slas",
        "/rules",
        "/dashboards/scheduler?deployment=prod-eu",
        "/explore?query=airflow_component_up&tab=chart",
    ):
        page = await site.open(path)
        if any(part in path for part in ("incidents/", "dashboards/", "explore")):
            await expect(page.locator(".chart .main-svg").first).to_be_attached()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390, path
        await page.close()
    assert site.complaints == []


async def test_a_legend_stands_below_its_chart_and_stays_when_the_page_refreshes(site: Site) -> None:
    page = await site.open("/dashboards/scheduler?deployment=prod-eu")
    await expect(page.locator("#panel-0 .legend li")).to_have_text(["dag_processor", "scheduler", "triggerer"])
    await expect(page.locator("#panel-0 .chart .main-svg").first).to_be_attached()
    lowest = (
        "Math.max(...[...document.querySelectorAll('#panel-0 .chart text')].map(text => text.getBoundingClientRect().bottom))"
    )
    assert await page.evaluate(f"document.querySelector('#panel-0 .legend').getBoundingClientRect().top >= {lowest}")
    await page.evaluate("window.legend = document.querySelector('#panel-0 .legend')")
    settled = "document.body.addEventListener('htmx:afterSettle', done, {once: true})"
    await page.evaluate(f"new Promise(done => {{ {settled}; htmx.trigger('#page', 'resume') }})")
    assert await page.evaluate("window.legend.isConnected && document.querySelectorAll('#panel-0 .legend').length === 1")
    assert site.complaints == []


async def test_what_changes_appears_without_a_reload(site: Site) -> None:
    page = await site.open("/")
    await expect(page.locator("#live")).to_have_text("live")
    noted = "sent => asked.push(sent.detail.requestConfig.triggeringEvent?.type)"
    await page.evaluate(f"window.asked = []; document.body.addEventListener('htmx:beforeRequest', {noted})")
    row = await scene.alert(site.db, "rules/x", {"alertname": "New", "severity": "high"}, "firing", NOON)
    await scene.incident(site.db, "a new incident", "high", NOON, [row])
    site.changes.publish("alerts")
    await expect(page.get_by_text("a new incident")).to_be_visible()
    await expect(page.locator("#open-count")).to_have_text("5")
    await page.wait_for_function("window.asked.includes('sse:change')")  # because it was told, not by looking now and then


async def test_a_page_that_lost_its_console_says_so(site: Site) -> None:
    page = await site.open("/")
    await expect(page.locator("#live")).to_have_text("live")
    await site.stop()
    await expect(page.locator("#live")).to_contain_text("not live since")
