"""Running an ASGI app beside everything else in the process."""

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from opsconsole.model import OpsConsoleError
from opsconsole.web.protocol import BoundedProtocol


class Server(uvicorn.Server):
    """uvicorn without its signal handlers, which the service owns, or it would end before the last flush; told when to end,
    so that it need not look ten times a second.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    def end(self) -> None:
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # which tells the Date header the time
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._ending.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bound(host: str, port: int) -> socket.socket:
    """A TCP socket bound to the address, before anything else is started. Raises OpsConsoleError where it cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with_reuse = socket.socket(family, socket.SOCK_STREAM)
        with_reuse.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with_reuse.bind(address)
    except (OSError, UnicodeError) as error:  # a name that no name can be
        why = getattr(error, "strerror", None) or error
        raise OpsConsoleError(f"cannot listen on {host}:{port}: {why}; choose another with --listen or server.listen") from error
    return with_reuse


def allow_connections() -> None:
    """As many open files as the system lets this process have: 1,024 are soon spent on a fleet and its viewers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def server(app: Any) -> Server:
    return Server(
        uvicorn.Config(
            app,
            loop="none",
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=3,
        )
    )


async def serve(server: Server, listener: socket.socket) -> None:
    """Serve until cancelled, then let requests under way finish for a moment.

    The listener itself stays open, so that another server can go on where this one ended; uvicorn closes what it is given.
    """
    serving = asyncio.create_task(server.serve(sockets=[listener.dup()]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.end()
        with suppress(Exception):
            await serving
        raise
