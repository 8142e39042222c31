"""Finding out what answers at a URL."""

import httpx
import pytest

from opsconsole.airflow import connect
from opsconsole.airflow.settings import Airflow as Settings
from opsconsole.model import CollectError
from tests.support.airflow_api import URL, CannedAirflow, html, ok
from tests.support.clock import NOON, FakeClock


async def _connect(handler: object, url: str = URL) -> object:
    http = httpx.AsyncClient(transport=httpx.MockTransport(handler))  # type: ignore[arg-type]
    return await connect(Settings(url=url), http, FakeClock())


async def test_a_path_prefix_is_kept() -> None:
    server = CannedAirflow(3)
    await server.connected()
    assert server.asked == ["GET /prefix/api/v2/version"]


async def test_a_url_without_its_prefix_is_told_to_lack_one() -> None:
    with pytest.raises(CollectError, match=r"http://airflow\.test is no Airflow API.*path prefix") as caught:
        await _connect(CannedAirflow(3), "http://airflow.test")
    assert not caught.value.retryable


async def test_a_site_that_answers_html_to_everything_is_no_airflow() -> None:
    with pytest.raises(CollectError, match="is no Airflow API"):
        await _connect(lambda request: html())


async def test_a_2x_whose_unknown_pages_are_html_is_found() -> None:
    server = CannedAirflow(2)
    server.answers["/api/v2/version"] = html(404)
    assert (await server.connected()).generation == 2


async def test_a_server_in_trouble_is_not_taken_for_another_generation() -> None:
    with pytest.raises(CollectError, match="503") as caught:
        await _connect(lambda request: httpx.Response(503, text="starting"))
    assert caught.value.retryable


async def test_a_refused_connection_is_one_line() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("All connection attempts failed")

    with pytest.raises(CollectError, match=r"GET /api/v2/version: All connection attempts failed$"):
        await _connect(refuse)


async def test_the_skew_of_airflows_clock_is_measured_and_its_times_are_told_by_ours() -> None:
    body = {
        "metadatabase": {"status": "healthy"},
        "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": "2026-03-01T13:00:00+00:00"},
    }
    an_hour_ahead = ok(body, Date="Sun, 01 Mar 2026 13:00:00 GMT")
    airflow = await CannedAirflow(3, {"/monitor/health": an_hour_ahead}).connected(FakeClock(NOON))
    health = await airflow.health()
    assert airflow.skew is not None
    assert airflow.skew.total_seconds() == pytest.approx(3600, abs=1)
    heartbeat = health.components[0].heartbeat_at
    assert heartbeat is not None
    assert abs((heartbeat - NOON).total_seconds()) <= 1


async def test_a_window_is_asked_for_by_airflows_clock_with_an_offset() -> None:
    late = ok({"dag_runs": [], "total_entries": 0}, Date="Sun, 01 Mar 2026 11:00:00 GMT")
    server = CannedAirflow(3, {"/dags/~/dagRuns": late})
    airflow = await server.connected(FakeClock(NOON))
    await airflow.runs_changed((NOON, None), 100)
    await airflow.runs_changed((NOON, None), 100)
    assert server.requests[-1].url.params["updated_at_gte"].startswith("2026-03-01T11:00:00")
    assert "%2B00%3A00" in str(server.requests[-1].url)
