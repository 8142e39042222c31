"""Scraping as a Prometheus scrapes: labels, what is gone, what fails, and what is refused."""

import gzip
import subprocess
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from opsconsole.clock import millis
from opsconsole.collectors.formats.exposition import TEXT, labels
from opsconsole.collectors.formats.page import read
from opsconsole.collectors.scrape import Scrape
from opsconsole.collectors.settings import Deployment
from opsconsole.db import Database
from opsconsole.model import STALE_NAN_BITS, Matcher, MatchOp
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.metadata import Description, Metadata
from opsconsole.tsdb.settings import Settings
from opsconsole.tsdb.store import Store
from tests.support.clock import NOON, FakeClock
from tests.support.prometheus import AVAILABLE

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TARGET = {"job": "node", "instance": "10.0.0.1:9100", "deployment": "prod"}


def response(text: str | bytes = "", status: int = 200, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    """An answer, made anew each time, with its header's names in Python's spelling."""
    body, named = text.encode() if isinstance(text, str) else text, {k.replace("_", "-"): v for k, v in headers.items()}
    return lambda _: httpx.Response(status, stream=httpx.ByteStream(body), headers=named)


Page = str | Exception | Callable[[httpx.Request], httpx.Response]


class World:
    """A deployment with one scrape, and the far end that answers it."""

    def __init__(self, db: Database, **settings: Any) -> None:
        self.clock, self.metadata, self.asked = FakeClock(), Metadata(), list[httpx.Request]()
        self.store = Store(db, self.clock, Telemetry(), Settings(max_series_per_deployment=settings.pop("most", 0)))
        self._page: Page = ""
        page = {"job": "node", "url": "http://10.0.0.1:9100", **settings}
        self.deployment = Deployment.model_validate({"name": "prod", "url": "http://airflow.test", "scrape": [page]})
        [scrape] = self.deployment.scrape
        self.scrape = Scrape(self.deployment, scrape, self.store, self.metadata, self.clock, lambda _: self._http())

    def _http(self) -> httpx.AsyncClient:
        async def answer(request: httpx.Request) -> httpx.Response:
            self.asked.append(request)
            if isinstance(self._page, Exception):
                raise self._page
            page = self._page(request) if callable(self._page) else self._page
            if isinstance(page, httpx.Response):
                return page
            return httpx.Response(200, stream=httpx.ByteStream(page.encode() if isinstance(page, str) else page))

        return httpx.AsyncClient(transport=httpx.MockTransport(answer))

    async def see(self, page: Page) -> str:
        """The next scrape finds this; the error, if it failed."""
        self._page = page
        self.clock.tick(15)
        await self.scrape.step(self.clock.now())
        return self.scrape.standing.error

    async def values(self, name: str) -> dict[str, list[float | str]]:
        """Each series' values without the labels of the target; `gone` is a staleness marker."""
        found = await self.store.select([Matcher("__name__", MatchOp.EQUAL, name)], 0, 2**62)
        return {
            repr(one.labels.without("__name__", *TARGET)): [
                "gone" if bits == STALE_NAN_BITS else value
                for value, bits in zip(one.values.tolist(), one.values.view("<u8").tolist(), strict=True)
            ]
            for one in found
        }


@pytest.fixture
async def world(db: Database) -> World:
    made = World(db)
    await made.store.open()
    return made


async def opened(db: Database, **settings: Any) -> World:
    made = World(db, **settings)
    await made.store.open()
    return made


async def test_samples_are_stored_with_the_targets_labels_at_the_time_of_the_scrape(world: World) -> None:
    assert await world.see('# TYPE a counter\n# HELP a How many.\na{b="c"} 1\nd 2.5\n') == ""
    [one] = await world.store.select([Matcher("__name__", MatchOp.EQUAL, "a")], 0, 2**62)
    assert dict(one.labels) == {"__name__": "a", "b": "c", **TARGET}
    assert (one.timestamps.tolist(), one.values.tolist()) == ([millis(NOON + timedelta(seconds=15))], [1.0])
    assert world.metadata.of("a") == [Description("counter", "How many.")]
    assert await world.values("d") == {"{}": [2.5]}


async def test_every_scrape_tells_of_itself(world: World) -> None:
    await world.see("a 1\nb 1\n")
    await world.see("a 1\nc 1\nd 1\n")
    await world.see("a 1\nc 2\nd 3\n")
    await world.see(response(status=500))
    assert await world.values("up") == {"{}": [1, 1, 1, 0]}
    assert await world.values("scrape_samples_scraped") == {"{}": [2, 3, 3, 0]}
    assert await world.values("scrape_samples_post_metric_relabeling") == {"{}": [2, 3, 3, 0]}
    assert await world.values("scrape_series_added") == {"{}": [2, 2, 0, 0]}
    assert len((await world.values("scrape_duration_seconds"))["{}"]) == 4
    assert await world.values("opsconsole_collector_up") == {'{collector="scrape/node/10.0.0.1:9100"}': [1, 1, 1, 0]}


async def test_what_is_gone_from_the_page_ends_and_what_returns_goes_on(world: World) -> None:
    for page in ("a 1\nb 1\n", "a 2\n", "a 3\nb 3\n"):
        await world.see(page)
    assert await world.values("a") == {"{}": [1, 2, 3]}
    assert await world.values("b") == {"{}": [1, "gone", 3]}


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), response(status=404), "a 1\nb x\n", "<html>"])
async def test_all_ends_with_a_failed_scrape_once(world: World, failure: Page) -> None:
    for page in ("a 1\nb 1\n", failure, failure, "a 4\n"):
        await world.see(page)
    assert await world.values("a") == {"{}": [1, "gone", 4]}
    assert await world.values("b") == {"{}": [1, "gone"]}
    assert await world.values("up") == {"{}": [1, 0, 0, 1]}


async def test_a_scrape_that_is_never_run_again_ends_all_its_series(world: World) -> None:
    world.scrape.end(world.clock.now())
    await world.see("a 1\n")
    world.clock.tick(1)
    world.scrape.end(world.clock.now())
    assert await world.values("a") == {"{}": [1, "gone"]}
    assert await world.values("up") == {"{}": [1, "gone"]}
    found = await world.store.select([], 0, 2**62)
    assert {one.values[-1:].view("<u8")[0] for one in found} == {STALE_NAN_BITS}


async def test_a_broken_line_costs_the_whole_page_and_is_named(world: World) -> None:
    assert "line 2: 'x' is no value" in await world.see("a 1\nb x\n")
    assert await world.values("a") == {}
    assert "label name 'l' is not unique" in await world.see('a{l="1",l="2"} 1\n')


async def test_labels_of_ours_win_and_theirs_are_kept_aside(world: World) -> None:
    await world.see('a{job="theirs",exported_job="older",deployment="x",instance=""} 1\n')
    assert await world.values("a") == {'{exported_deployment="x", exported_exported_job="older", exported_job="theirs"}': [1]}


async def test_honoured_labels_win_but_for_the_deployment(db: Database) -> None:
    world = await opened(db, honor_labels=True)
    await world.see('a{job="theirs",deployment="x"} 1\n')
    [one] = await world.store.select([Matcher("__name__", MatchOp.EQUAL, "a")], 0, 2**62)
    assert dict(one.labels) == {"__name__": "a", **TARGET, "job": "theirs", "exported_deployment": "x"}


async def test_times_of_the_page_count_and_such_series_do_not_end(world: World) -> None:
    await world.see(f"a 1 {millis(NOON)}\nb 1\nfar 1 {millis(NOON) + 86_400_000}\n")
    await world.see("b 2\n")
    [one] = await world.store.select([Matcher("__name__", MatchOp.EQUAL, "a")], 0, 2**62)
    assert (one.timestamps.tolist(), one.values.tolist()) == ([millis(NOON)], [1.0])
    assert await world.values("far") == {}


async def test_times_of_the_page_may_be_overruled(db: Database) -> None:
    world = await opened(db, honor_timestamps=False)
    await world.see("a 1 1000\n")
    await world.see("b 1 1000\n")
    assert await world.values("a") == {"{}": [1, "gone"]}


async def test_openmetrics_is_asked_for_and_read_as_such(world: World) -> None:
    page = '# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total 5 # {t="x"} 1\na_seconds_created 1.5\n# EOF\n'
    assert await world.see(response(page, content_type=OPENMETRICS)) == ""
    assert "application/openmetrics-text;version=1.0.0" in world.asked[0].headers["accept"]
    assert world.asked[0].headers["x-prometheus-scrape-timeout-seconds"] == "10"
    assert str(world.asked[0].url) == "http://10.0.0.1:9100/metrics"
    assert world.metadata.of("a_seconds") == [Description("counter", "", "seconds")]
    cut = response(page.replace("# EOF\n", ""), content_type=OPENMETRICS)
    assert "does not end with # EOF" in await world.see(cut)


async def test_one_page_is_read_by_the_grammar_that_it_names_each_time(world: World) -> None:
    await world.see(response("a 1 1\nb 1\n# EOF\n", content_type=OPENMETRICS))
    assert await world.see("b 1\n#free remark\n") == ""
    assert "line 2" in await world.see(response("b 1\n#free remark\n# EOF\n", content_type=OPENMETRICS))


async def test_a_compressed_page_is_read_and_one_that_unpacks_without_end_is_not(db: Database) -> None:
    world = await opened(db, body_size_limit="1MB")

    def compressed(body: bytes) -> Page:
        return response(body, content_encoding="gzip")

    assert await world.see(compressed(gzip.compress(b"a 1\n"))) == ""
    assert await world.values("a") == {"{}": [1]}
    assert "larger than body_size_limit, 1,000,000 bytes" in await world.see(compressed(gzip.compress(bytes(10**8))))
    assert "breaks off" in await world.see(compressed(gzip.compress(b"a 1\n" * 1000)[:-9]))
    assert "cannot be had" in await world.see(compressed(b"not gzip"))


async def test_limits_refuse_the_whole_page(db: Database) -> None:
    world = await opened(db, sample_limit=2, body_size_limit=1000)
    assert await world.see("a 1\nb 1\n") == ""
    assert "3 samples, more than sample_limit, 2" in await world.see("a 1\nb 1\nc 1\n")
    assert "larger than body_size_limit" in await world.see("# " + "x" * 1000 + "\n")
    assert await world.see("a 1\nb 1\n") == ""
    assert await world.values("a") == {"{}": [1, "gone", 1]}


async def test_series_beyond_the_deployments_limit_are_left_out_and_asked_for_again(db: Database) -> None:
    world = await opened(db, most=10)  # of which the scrape and the collector take eight for themselves
    page = "".join(f"m{n} 1\n" for n in range(12))
    assert await world.see(page) == ""
    assert await world.see(page) == ""
    kept = [name for name in (f"m{n}" for n in range(12)) if await world.values(name)]
    assert len(kept) == 10
    assert await world.values(kept[0]) == {"{}": [1, 1]}


async def test_a_redirect_and_what_was_not_asked_for_are_named(world: World) -> None:
    assert "302 Found (a redirect" in await world.see(response(status=302, location="http://x"))
    protobuf = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily"
    assert "protobuf" in await world.see(response(content_type=protobuf))
    assert "encoded as br" in await world.see(response(content_encoding="br"))


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        ({"username": "u", "password": "p"}, {"authorization": "Basic dTpw"}),
        ({"token": "t0ken-text"}, {"authorization": "Bearer t0ken-text"}),
        ({"headers": {"X-Scope": "tenant-one"}}, {"x-scope": "tenant-one"}),
    ],
)
async def test_a_login_is_sent(db: Database, auth: dict[str, Any], sent: dict[str, str]) -> None:
    world = await opened(db, auth=auth)
    await world.see("a 1\n")
    assert sent.items() <= dict(world.asked[0].headers).items()


@pytest.mark.skipif(not AVAILABLE, reason="promtool is not installed")
@pytest.mark.parametrize(
    "page",
    [
        "a 1\n",
        'a{b="c",} 1 1000\n',
        'a { b = "c" } +Inf\n',
        "a\t1\n",
        "a NaN\n",
        "# HELP a x\n# TYPE a gauge\na 1\n",
        'a{b="\\"\\\\\\n"} 1\n',
        "a\n",
        "a x\n",
        "a 1 x\n",
        "9 1\n",
        'a{b="c} 1\n',
        "a{b=c} 1\n",
        'a{b="c",b="d"} 1\n',
        "# TYPE a nonsense\na 1\n",
        'a{"b"="c" 1\n',
        'a{b="c",,} 1\n',
    ],
)
def test_promtool_and_we_agree_on_what_a_page_is(page: str) -> None:
    theirs = subprocess.run(["promtool", "check", "metrics"], input=page.encode(), capture_output=True, check=False)
    try:
        ours = [labels(key, TEXT) for key in read(page.encode(), TEXT, {}).keys]
    except ValueError:
        ours = []
    broken = theirs.returncode == 1 and b"error while linting" in theirs.stderr
    assert bool(ours) == (not broken), theirs.stderr.decode()
