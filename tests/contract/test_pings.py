"""The ping API against both databases, and over a real socket."""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.types import Message, Receive, Scope, Send

from opsconsole.db import Database, GroupWriter, checks
from opsconsole.db.checks import Check, Ping
from opsconsole.heartbeats.keeping import configure
from opsconsole.heartbeats.settings import Settings
from opsconsole.loops import Loops
from opsconsole.telemetry import Telemetry
from opsconsole.web.api.pings import BODY_LIMIT, routes
from tests.support.clock import NOON, FakeClock
from tests.support.databases import opened

KEY = "ping-key-of-the-tests"
RID = "11111111-1111-4111-8111-111111111111"


@dataclass
class Far:
    """A console's ping endpoints as a sender sees them."""

    db: Database
    clock: FakeClock
    app: Starlette
    http: httpx.AsyncClient
    writer: GroupWriter
    uuid: str = ""

    async def check(self) -> Check:
        async with self.db.read() as session:
            return (await checks.all_checks(session))[0]

    async def pings(self) -> list[Ping]:
        """Oldest first."""
        async with self.db.read() as session:
            return (await checks.recent_pings(session, 1, 2000))[::-1]


@asynccontextmanager
async def console(db: Database, most_waiting: int = 20_000, *, writes: bool = True) -> AsyncIterator[Far]:
    clock, writer = FakeClock(), GroupWriter(db, most_waiting)
    settings = Settings.model_validate({"ping_key": KEY, "checks": [{"slug": "canary", "period": "5m", "grace": "2m"}]})
    async with db.begin() as session:
        await configure(session, settings, NOON)
    app = Starlette(routes=routes(writer, clock, SecretStr(KEY)))
    loop = Loops(clock, Telemetry()).consume(writer.queue, writer.commit, name="writer") if writes else asyncio.sleep(3600)
    task = asyncio.create_task(loop)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as http:
        far = Far(db, clock, app, http, writer)
        far.uuid = (await far.check()).uuid
        yield far
    task.cancel()


@pytest.fixture
async def far(db: Database) -> AsyncIterator[Far]:
    async with console(db) as ready:
        yield ready


async def test_both_forms_of_address_reach_the_check(far: Far) -> None:
    for path in (f"/ping/{far.uuid}", f"/ping/{far.uuid}/", f"/ping/{KEY}/canary"):
        answer = await far.http.get(path)
        assert (answer.status_code, answer.text) == (200, "OK")
    assert answer.headers["ping-body-limit"] == "100000"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert [ping.number for ping in await far.pings()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("suffix", "kind", "status"),
    [
        ("", "success", None),
        ("/start", "start", None),
        ("/fail", "fail", None),
        ("/log", "log", None),
        ("/0", "success", 0),
        ("/1", "fail", 1),
        ("/255", "fail", 255),
    ],
)
async def test_what_an_address_ends_with_is_what_it_says(far: Far, suffix: str, kind: str, status: int | None) -> None:
    await far.http.post(f"/ping/{KEY}/canary{suffix}")
    await far.http.post(f"/ping/{far.uuid}{suffix}")
    assert [(ping.kind, ping.exit_status) for ping in await far.pings()] == [(kind, status)] * 2


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_any_method_is_a_ping(far: Far, method: str) -> None:
    assert (await far.http.request(method, f"/ping/{KEY}/canary")).status_code == 200
    assert [ping.method for ping in await far.pings()] == [method]


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        (f"/ping/{uuid.UUID(int=7)}", 404, "not found"),
        (f"/ping/{KEY}/unheard-of", 404, "not found"),
        ("/ping/a-wrong-key/canary", 404, "not found"),
        (f"/ping/{KEY}/canary/finish", 404, "not found"),
        (f"/ping/{KEY}", 404, "not found"),
        ("/ping/", 404, "not found"),
        (f"/ping/{KEY}/canary/256", 400, "invalid url format"),
        (f"/ping/{KEY}/canary/99999999999999999999", 400, "invalid url format"),
        (f"/ping/{KEY}/unheard-of/256", 404, "not found"),
        (f"/ping/{KEY}/canary?rid=7", 400, "invalid uuid format"),
        (f"/ping/{KEY}/canary?rid=", 400, "invalid uuid format"),
    ],
)
async def test_what_is_no_ping_is_refused_and_leaves_no_trace(far: Far, path: str, status: int, text: str) -> None:
    answer = await far.http.get(path)
    assert (answer.status_code, answer.text) == (status, text)
    assert await far.pings() == []


async def test_without_a_ping_key_only_uuids_open(db: Database) -> None:
    async with console(db) as far:
        app = Starlette(routes=routes(GroupWriter(db), far.clock, None))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as http:
            assert (await http.get(f"/ping/{KEY}/canary")).status_code == 404


async def test_parallel_pings_are_numbered_without_gaps(far: Far) -> None:
    answers = await asyncio.gather(*(far.http.get(f"/ping/{KEY}/canary") for _ in range(150)))
    assert {answer.status_code for answer in answers} == {200}
    assert [ping.number for ping in await far.pings()] == list(range(1, 151))


async def test_old_pings_go_and_their_numbers_stay(far: Far) -> None:
    await asyncio.gather(*(far.http.get(f"/ping/{KEY}/canary") for _ in range(1200)))
    assert [ping.number for ping in await far.pings()] == list(range(201, 1201))


async def test_runs_are_paired_by_their_id_even_when_they_overlap(far: Far) -> None:
    other = "22222222-2222-4222-8222-222222222222"
    await far.http.get(f"/ping/{KEY}/canary/start?rid={RID}")
    far.clock.tick(10)
    await far.http.get(f"/ping/{KEY}/canary/start?rid={other}")
    far.clock.tick(20)
    await far.http.get(f"/ping/{KEY}/canary?rid={RID.upper()}")
    await far.http.get(f"/ping/{KEY}/canary?rid={other}")
    took = [ping.duration.total_seconds() if ping.duration else None for ping in await far.pings()]
    assert took == [None, None, 30.0, 20.0]


async def test_a_body_is_kept_as_it_came_and_cut_at_the_limit(far: Far) -> None:
    for body in (b"rows=7", b"\x00\xff not text \x00", b"x" * (BODY_LIMIT + 50_000), b""):
        assert (await far.http.post(f"/ping/{KEY}/canary", content=body)).status_code == 200
    assert [ping.body for ping in await far.pings()] == [b"rows=7", b"\x00\xff not text \x00", b"x" * BODY_LIMIT, b""]


@pytest.mark.parametrize(
    ("forwarded", "remote"),
    [
        ("203.0.113.9, 10.0.0.1", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:db8::7", "2001:db8::7"),
        ("\tnon\xa0sense" + "y" * 500, "non\xa0sense" + "y" * 36),
    ],
)
async def test_the_sender_is_what_the_nearest_proxy_tells(far: Far, forwarded: str, remote: str) -> None:
    headers = {"X-Forwarded-For": forwarded.encode("latin-1"), "User-Agent": b"u" * 5000}
    assert (await far.http.get(f"/ping/{KEY}/canary", headers=headers)).status_code == 200
    assert [(ping.remote, len(ping.user_agent)) for ping in await far.pings()] == [(remote, 200)]


async def test_a_database_that_refuses_is_told_as_503(far: Far) -> None:
    async with far.db.begin() as session:
        await session.execute(sa.text("drop table pings"))
    answer = await far.http.get(f"/ping/{KEY}/canary")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert (await far.check()).pings == 0


async def test_a_full_disk_is_told_as_503(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path / 'full.db'}") as db, console(db) as far:
        async with db.begin() as session:
            pages = (await session.execute(sa.text("pragma page_count"))).scalar_one()
            await session.execute(sa.text(f"pragma max_page_count={pages}"))
        assert (await far.http.post(f"/ping/{KEY}/canary", content=b"x" * 90_000)).status_code == 503
        assert (await far.check()).pings == 0


async def test_a_full_queue_is_told_as_503_at_once(db: Database) -> None:
    async with console(db, most_waiting=1, writes=False) as far:
        waiting = asyncio.create_task(far.http.get(f"/ping/{KEY}/canary"))
        await until(far.writer.queue.full)
        answer = await far.http.get(f"/ping/{KEY}/canary")
        assert (answer.status_code, answer.text) == (503, "not stored, send it again")
        waiting.cancel()


async def test_no_answer_is_given_before_the_ping_is_on_disk(db: Database) -> None:
    async with console(db, writes=False) as far:
        asked = asyncio.create_task(far.http.get(f"/ping/{KEY}/canary"))
        await until(lambda: not far.writer.queue.empty())
        for _ in range(100):
            await asyncio.sleep(0)
        assert not asked.done()
        assert await far.pings() == []
        await far.writer.commit([far.writer.queue.get_nowait()])
        assert (await asked).status_code == 200
        assert len(await far.pings()) == 1


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not true():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    task = asyncio.create_task(server.serve([listening]))
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def test_over_a_real_socket_five_megabytes_and_head_are_pings(far: Far) -> None:
    async with (
        served(far.app) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=120) as http,
    ):
        assert (await http.post(f"/ping/{KEY}/canary", content=b"y" * 5_000_000)).text == "OK"
        assert (await http.head(f"/ping/{far.uuid}")).status_code == 200
    assert [(ping.method, len(ping.body)) for ping in await far.pings()] == [("POST", BODY_LIMIT), ("HEAD", 0)]


async def test_a_sender_that_dies_in_mid_body_has_pinged(far: Far) -> None:
    came = asyncio.Event()

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def noticed() -> Message:
            message = await receive()
            if message.get("body"):
                came.set()
            return message

        await far.app(scope, noticed, send)

    async with served(watched) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST /ping/{KEY}/canary/fail HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nTraceback".encode())
        await writer.drain()
        async with asyncio.timeout(120):
            await came.wait()
            writer.close()
            while not await far.pings():
                await asyncio.sleep(0.01)
    assert [(ping.kind, ping.body) for ping in await far.pings()] == [("fail", b"Traceback")]
