"""A page that changes, breaks and comes back, scraped by the console and by a real Prometheus: at each turn both see the same."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from opsconsole.clock import SystemClock
from opsconsole.collectors.scrape import Scrape
from opsconsole.collectors.scrape_settings import ScrapeSettings
from opsconsole.collectors.settings import Deployment
from opsconsole.db import Database
from opsconsole.promql import Engine
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.metadata import Metadata
from opsconsole.tsdb.settings import Settings
from opsconsole.tsdb.store import Store
from tests.support.airflow import eventually
from tests.support.prometheus import Written

OWN = ("scrape_duration_seconds", "scrape_series_added")
ALL = '{job="page"}'


class Page(BaseHTTPRequestHandler):
    """What `now` says: a page, or a status. `done` counts the answers that were sent to whom."""

    now: str | int = ""
    done: dict[str, int]

    def do_GET(self) -> None:
        now, cls = type(self).now, type(self)
        self.send_response(now if isinstance(now, int) else 200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(b"" if isinstance(now, int) else now.encode())
        agent = self.headers.get("User-Agent", "").split("/")[0]
        cls.done[agent] = cls.done.get(agent, 0) + 1

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def page() -> Iterator[tuple[type[Page], int]]:
    class Ours(Page):
        done: dict[str, int] = {}  # noqa: RUF012

    with ThreadingHTTPServer(("127.0.0.1", 0), Ours) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Ours, server.server_address[1]
        server.shutdown()
        thread.join()


def plain(labels: Mapping[str, str], value: float) -> tuple[str, float] | None:
    """Without who asked; what of a scrape tells how long it took, or what the one before had not, is nobody else's."""
    if labels["__name__"] in OWN:
        return None
    return json.dumps({name: of for name, of in labels.items() if name != "deployment"}, sort_keys=True), value


TURNS: list[str | int] = [
    'a 1\nb{x="1"} 1\nb{x="2"} 2\n',
    'a 2\nb{x="1"} 1\n',
    500,
    'a 3\nb{x="2"} 5\n',
    "this is no page\na 4\n",  # with the mistake further down, 2.42 forgets to end what stands before it
    404,
    'a 5\nb{x="1"} 1\nb{x="2"} 2\n',
    "",
    "c 1\n",
]


@pytest.mark.timeout(600)
async def test_what_is_there_and_what_is_stale_is_the_same_as_for_a_prometheus(
    db: Database, tmp_path: Path, page: tuple[type[Page], int]
) -> None:
    shown, port = page
    clock, store = SystemClock(), Store(db, SystemClock(), Telemetry(), Settings())
    await store.open()
    settings = ScrapeSettings.model_validate({"job": "page", "url": f"http://127.0.0.1:{port}/metrics"})
    deployment = Deployment.model_validate({"name": "prod", "url": "http://127.0.0.1:1"})
    scrape, engine = Scrape(deployment, settings, store, Metadata(), clock), Engine(store, clock)
    jobs = f"scrape_configs: [{{job_name: page, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
    with Written(tmp_path / "prometheus", "global: {scrape_interval: 1s}\n" + jobs) as prometheus:
        for turn in TURNS:
            shown.now = turn
            before = shown.done.get("Prometheus", 0)
            # The third from now on begins after the second was stored, and that one began after the page changed.
            await asyncio.to_thread(eventually, "it was scraped", lambda n=before: shown.done.get("Prometheus", 0) > n + 2)
            await scrape.step(clock.now())
            mine = [plain(point.labels, point.value) for point in (await engine.instant(ALL, clock.now())).points]
            theirs = [plain(one["metric"], float(one["value"][1])) for one in prometheus.instant(ALL)]
            assert set(mine) == set(theirs), turn
    await scrape.close()
