"""What a viewer may send to Prometheus' API without harm: parameters that are no numbers, and too much of everything."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import pytest

from opsconsole.model import Labels, Matcher, Sample
from opsconsole.web.console import NoSeries
from opsconsole.web.settings import AuthSettings
from tests.support import web
from tests.support.clock import NOON, FakeClock
from tests.support.databases import opened

API = "/prometheus/api/v1"
KEY = {"X-Api-Key": "a-key-for-grafana"}
AUTH = AuthSettings.model_validate({"api_keys": [{"name": "grafana", "key": KEY["X-Api-Key"], "role": "viewer"}]})
SAMPLES = [Sample.of("up", 1.0, NOON, {"job": "api"})]
HUGE = "9" * 5000
BEYOND = "0x1p99999"


@pytest.fixture
async def grafana(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(f"sqlite:///{tmp_path / 'api.db'}") as db:
        app = web.application(web.console(db, FakeClock(), SAMPLES, auth=AUTH))
        async with web.client(app) as client:
            client.headers.update(KEY)
            yield client


@pytest.mark.parametrize(
    "number", [HUGE, BEYOND, "1e400", "1__0", "\u0661", "", " 1", "0x", "nan(1)", "0001-01-01T00:00:00+25:00"]
)
async def test_what_is_no_number_is_refused_wherever_it_stands(grafana: httpx.AsyncClient, number: str) -> None:
    query = {"query": "up", "start": "0", "end": "1", "step": "1"}
    for path, given in (
        ("query_range", query | {"start": number}),
        ("query_range", query | {"end": number}),
        ("query_range", query | {"step": number}),
    ):
        answer = await grafana.get(f"{API}/{path}", params=given)
        assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data"), (path, answer.text[:200])
    if number:
        for path, name in (("query", "time"), ("query", "timeout"), ("labels", "start"), ("labels", "end"), ("labels", "limit")):
            answer = await grafana.get(f"{API}/{path}", params={"query": "up", name: number})
            assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data"), (path, name, answer.text[:200])


@pytest.mark.parametrize("name", ["U___110000_", "U___ffffff_", "U___d800_", "U___0_", "U__", "%00", "a%ffb"])
async def test_a_label_name_that_escapes_no_character_is_nobodys(grafana: httpx.AsyncClient, name: str) -> None:
    answer = await grafana.get(f"{API}/label/{name}/values")
    assert (answer.status_code, answer.json()["data"]) == (200, [])


async def test_an_escaped_label_name_is_read(grafana: httpx.AsyncClient) -> None:
    answer = await grafana.get(f"{API}/label/U__j_6f_b/values")
    assert answer.json()["data"] == ["api"]


class Counting(NoSeries):
    """Finds nothing, and counts how often it is asked."""

    asked = 0

    async def labels(
        self, matchers: Sequence[Matcher] = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[Labels]:
        self.asked += 1
        return []


async def test_others_have_their_turn_between_many_selectors(tmp_path: Path) -> None:
    """And who goes away is no longer looked for."""
    reader, many = Counting(), [("match[]", f'up{{job="{n}"}}') for n in range(200)]
    async with opened(f"sqlite:///{tmp_path / 'api.db'}") as db:
        app = web.application(web.console(db, FakeClock(), auth=AUTH, reader=reader))
        async with web.client(app) as client:
            client.headers.update(KEY)
            looking = asyncio.create_task(client.get(f"{API}/series", params=httpx.QueryParams(many)))
            while not reader.asked:
                await asyncio.sleep(0)
            assert reader.asked < len(many)
            looking.cancel()
            await asyncio.wait([looking])
    assert reader.asked < len(many)


async def test_the_same_selector_is_looked_up_once(tmp_path: Path) -> None:
    reader = Counting()
    async with opened(f"sqlite:///{tmp_path / 'api.db'}") as db:
        app = web.application(web.console(db, FakeClock(), auth=AUTH, reader=reader))
        async with web.client(app) as client:
            answer = await client.get(f"{API}/series", params=httpx.QueryParams([("match[]", "up")] * 500), headers=KEY)
    assert (answer.json()["data"], reader.asked) == ([], 1)
