"""Serving, on loopback: nothing else shows what uvicorn does with a socket."""

import asyncio
from contextlib import closing, suppress
from typing import Any

import httpx
import pytest

from opsconsole.model import OpsConsoleError
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


def test_a_host_that_nobody_knows_is_told_with_the_mend() -> None:
    with pytest.raises(OpsConsoleError, match=r"cannot listen on no\.such\.invalid:1: .*server\.listen"):
        bound("no.such.invalid", 1)
