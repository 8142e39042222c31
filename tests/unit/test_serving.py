"""Serving, on loopback: nothing else shows what uvicorn does with a socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from typing import Any

import httpx
import pytest

from opsconsole.model import OpsConsoleError
from opsconsole.web.protocol import LONGEST_HEAD, BoundedProtocol
from opsconsole.web.serving import bound, serve, server


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def test_one_server_goes_on_where_another_ended_and_who_asks_between_waits() -> None:
    with closing(bound("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            await answered(listener, http, url)
            early = asyncio.create_task(http.get(url))  # nobody serves now
            await answered(listener, http, url)
            assert (await early).text == "hello"


async def answered(listener: Any, http: httpx.AsyncClient, url: str) -> None:
    serving = asyncio.create_task(serve(server(hello), listener))
    while True:
        with suppress(httpx.ConnectError):  # not listening yet, the first time
            assert (await http.get(url)).text == "hello"
            break
        await asyncio.sleep(0)
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


def test_an_address_in_use_is_told_with_the_mend() -> None:
    with closing(bound("127.0.0.1", 0)) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(
            OpsConsoleError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*; choose another with --listen or server\.listen"
        ):
            bound("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no.such.invalid", "a" * 100, ".a.", "\0"])
def test_a_host_that_nobody_knows_is_told_with_the_mend(host: str) -> None:
    with pytest.raises(OpsConsoleError, match=r"cannot listen on .*:1: .*server\.listen"):
        bound(host, 1)


class Hasty(BoundedProtocol):
    patience = 0.2


class Patient(BoundedProtocol):
    patience = 3600.0


@asynccontextmanager
async def listening(app: Any, protocol: type[BoundedProtocol]) -> AsyncIterator[int]:
    """The port of a server with that protocol, once it answers."""
    with closing(bound("127.0.0.1", 0)) as listener:
        listener.listen()
        running = server(app)
        running.config.http, running.config.timeout_keep_alive = protocol, 1
        serving = asyncio.create_task(serve(running, listener))
        try:
            yield listener.getsockname()[1]
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving


async def until_it_ends(port: int, *sent: bytes) -> bytes:
    """What the server says to `sent` until it closes the connection."""
    async with asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(ConnectionError):
            for piece in sent:
                writer.write(piece)
                await writer.drain()
        said = b""
        with suppress(ConnectionError):
            while piece := await reader.read(65_536):
                said += piece
        writer.close()
        return said


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT",
    ],
    ids=["silent", "half a head", "an empty line after", "half a second head"],
)
async def test_a_connection_whose_request_does_not_come_is_closed(sent: bytes) -> None:
    async with listening(hello, Hasty) as port:
        await until_it_ends(port, sent)


async def test_a_request_that_came_whole_has_all_the_time_it_needs() -> None:
    begun, going_on = asyncio.Event(), asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await going_on.wait()
        await hello(scope, receive, send)

    async with asyncio.timeout(120), listening(slow, Hasty) as port:
        while not begun.is_set():  # on a busy machine even a whole head may come too late
            asked = asyncio.create_task(until_it_ends(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
            beginning = asyncio.create_task(begun.wait())
            await asyncio.wait([asked, beginning], return_when=asyncio.FIRST_COMPLETED)
            beginning.cancel()
        for _ in range(3):
            await until_it_ends(port, b"GET")  # cut off, three times as long as a head may take
        going_on.set()
        assert b"hello" in await asked


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: ", b"x" * 8192),
        (b"GET / HTTP/1.1\r\n", b"X-Many: x\r\n" * 512),
        (b"GET /", b"x" * 8192),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Trailer: x\r\n" * 512),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 8192),
    ],
    ids=["a header", "many headers", "an address", "trailers", "a chunk's extension"],
)
async def test_a_head_without_an_end_is_refused(begin: bytes, more: bytes) -> None:
    async with asyncio.timeout(120), listening(hello, Patient) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begin)
        with suppress(ConnectionError):
            while not writer.is_closing():  # for ever, where it is not refused
                writer.write(more)
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()


async def test_a_long_body_is_no_long_head() -> None:
    async def counted(scope: Any, receive: Any, send: Any) -> None:
        length = 0
        while (message := await receive())["more_body"]:
            length += len(message["body"])
        length += len(message["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(length).encode()})

    body = b"x" * (20 * LONGEST_HEAD)
    head = f"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with listening(counted, Patient) as port:
        assert str(len(body)).encode() in await until_it_ends(port, head, body)
