"""Logging in, being refused, and answers that no Airflow gives."""

import asyncio
import base64
import json

import httpx
import pytest

from opsconsole.airflow import Limits
from opsconsole.airflow.errors import Refused
from opsconsole.model import CollectError
from tests.support.airflow_api import CannedAirflow, html, ok, recorded
from tests.support.clock import FakeClock

LOGIN = {"username": "ann", "password": "correct horse"}
POOLS = ok(recorded(3, "pools"))


class TokenServer(CannedAirflow):
    """Hands out tokens t1, t2 …; accepts those in `valid` and refuses others as a 3.x does."""

    def __init__(self, refuse_with: int = 403) -> None:
        super().__init__(3, {"/auth/token": self._login, "/pools": self._pools})
        self.logins, self.valid, self._refuse_with = 0, {"t1"}, refuse_with

    def _login(self, request: httpx.Request) -> httpx.Response:
        assert json.loads(request.content) == LOGIN
        self.logins += 1
        return httpx.Response(201, json={"access_token": f"t{self.logins}"})

    def _pools(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("authorization", "").removeprefix("Bearer ") in self.valid:
            return POOLS
        return httpx.Response(self._refuse_with, json={"detail": "Invalid JWT token"})


async def test_2x_gets_the_password_with_each_request() -> None:
    server = CannedAirflow(2, {"/pools": ok(recorded(2, "pools"))})
    airflow = await server.connected(auth=LOGIN)
    await airflow.pools()
    expected = base64.b64encode(b"ann:correct horse").decode()
    assert server.requests[-1].headers["authorization"] == f"Basic {expected}"


async def test_what_needs_no_login_is_asked_without_the_password() -> None:
    server = CannedAirflow(2)
    await server.connected(auth=LOGIN)
    assert all("authorization" not in request.headers for request in server.requests)


async def test_3x_is_logged_in_to_once() -> None:
    server = TokenServer()
    airflow = await server.connected(auth=LOGIN)
    await airflow.pools()
    await airflow.pools()
    assert server.logins == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_that_is_refused_is_renewed_once_for_all_who_wait(status: int) -> None:
    server = TokenServer(status)
    airflow = await server.connected(auth=LOGIN)
    await airflow.pools()
    server.valid = {"t2"}
    await asyncio.gather(*(airflow.pools() for _ in range(4)))
    assert server.logins == 2


async def test_a_renewed_token_that_is_refused_too_ends_in_an_error_and_not_in_a_loop() -> None:
    server = TokenServer()
    airflow = await server.connected(auth=LOGIN)
    server.valid = set()
    with pytest.raises(Refused, match=r"403.*check auth"):
        await airflow.pools()
    assert server.logins == 2


async def test_a_missing_permission_is_no_reason_to_log_in_again_and_again() -> None:
    server, clock = TokenServer(), FakeClock()
    server.answers["/jobs"] = httpx.Response(403, json={"detail": "Forbidden"})
    airflow = await server.connected(clock, auth=LOGIN)
    for _ in range(5):
        with pytest.raises(Refused):
            await airflow.jobs()
    assert server.logins == 1
    clock.tick(61)
    with pytest.raises(Refused):
        await airflow.jobs()
    assert server.logins == 2


async def test_a_wrong_password_says_so_and_is_not_tried_again_at_once() -> None:
    clock = FakeClock()
    server = CannedAirflow(3, {"/auth/token": httpx.Response(401, json={"detail": "Invalid credentials"})})
    airflow = await server.connected(clock, auth=LOGIN)
    for _ in range(3):
        with pytest.raises(CollectError, match=r"login refused: check auth\.username and auth\.password") as caught:
            await airflow.pools()
        assert not caught.value.retryable
    assert server.asked.count("POST /prefix/auth/token") == 1
    clock.tick(31)
    with pytest.raises(CollectError):
        await airflow.pools()
    assert server.asked.count("POST /prefix/auth/token") == 2


async def test_a_static_token_and_headers_go_with_everything() -> None:
    server = CannedAirflow(3, {"/pools": POOLS})
    airflow = await server.connected(auth={"headers": {"X-Gate": "open sesame"}})
    await airflow.pools()
    assert {request.headers["x-gate"] for request in server.requests} == {"open sesame"}


async def test_an_error_repeats_no_credential() -> None:
    def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(403, json={"detail": f"bad header {request.headers['authorization']} in https://u:p4ssw0rd@x/"})

    airflow = await CannedAirflow(3, {"/pools": echo}).connected(auth={"token": "s3cret-token-value"})
    with pytest.raises(CollectError) as caught:
        await airflow.pools()
    assert "s3cret" not in str(caught.value)
    assert "p4ssw0rd" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (html(), "no JSON"),
        (
            httpx.Response(302, headers={"location": "https://sso.test/login?state=abc"}),
            r"sends us on to https://sso\.test/login: ",
        ),
        (httpx.Response(200, content=b"{", headers={"content-type": "application/json"}), "says it is JSON and is not"),
        (httpx.Response(200, content=b"[" * 100_000, headers={"content-type": "application/json"}), "says it is JSON and is not"),
        (ok({"pools": [{"name": "x"}]}), "not what Airflow gives"),
        (ok([1, 2]), "not what Airflow gives"),
    ],
)
async def test_an_answer_that_is_none_says_what_is_wrong(answer: httpx.Response, complaint: str) -> None:
    airflow = await CannedAirflow(3, {"/pools": answer}).connected()
    with pytest.raises(CollectError, match=complaint) as caught:
        await airflow.pools()
    assert not caught.value.retryable
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("status", "retryable"), [(500, True), (503, True), (429, True), (404, False), (422, False)])
async def test_an_error_says_whether_trying_again_can_help(status: int, retryable: bool) -> None:
    airflow = await CannedAirflow(3, {"/pools": httpx.Response(status, text="oops")}).connected()
    with pytest.raises(CollectError) as caught:
        await airflow.pools()
    assert caught.value.retryable is retryable


async def test_an_answer_beyond_the_size_limit_is_refused() -> None:
    airflow = await CannedAirflow(3, {"/pools": ok({"pools": ["x" * 2_000_000]})}).connected(limits=Limits(size=2**20))
    with pytest.raises(CollectError, match="larger than 1 MiB"):
        await airflow.pools()


async def test_a_dropped_connection_is_tried_once_more() -> None:
    drops = iter([httpx.RemoteProtocolError("Server disconnected without sending a response."), None])

    def flaky(request: httpx.Request) -> httpx.Response:
        if error := next(drops):
            raise error
        return POOLS

    airflow = await CannedAirflow(3, {"/pools": flaky}).connected()
    assert len(await airflow.pools()) == 2


async def test_a_list_is_read_page_by_page() -> None:
    items = [{**recorded(3, "pools")["pools"][0], "name": f"pool{n}"} for n in range(250)]

    def paged(request: httpx.Request) -> httpx.Response:
        offset, limit = int(request.url.params["offset"]), int(request.url.params["limit"])
        return ok({"pools": items[offset : offset + limit], "total_entries": 250})

    server = CannedAirflow(3, {"/pools": paged})
    airflow = await server.connected()
    assert [pool.name for pool in await airflow.pools()] == [f"pool{n}" for n in range(250)]
    assert len([one for one in server.asked if "/pools" in one]) == 3


async def test_no_more_requests_than_allowed_run_at_once() -> None:
    running = most = 0

    async def slow(request: httpx.Request) -> httpx.Response:
        nonlocal running, most
        if request.url.path.endswith("/version"):
            return ok(recorded(3, "version"))
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running -= 1
        return POOLS

    from opsconsole.airflow import connect
    from opsconsole.airflow.settings import Airflow as Settings

    http = httpx.AsyncClient(transport=httpx.MockTransport(slow))
    airflow = await connect(Settings(url="http://airflow.test"), http, FakeClock(), Limits(at_once=3))
    await asyncio.gather(*(airflow.pools() for _ in range(12)))
    assert most == 3
