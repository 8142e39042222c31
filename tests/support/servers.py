"""Real servers on loopback that answer badly, or well."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

TLS = Path(__file__).parents[1] / "data" / "tls"
"""A self-signed certificate for 127.0.0.1, valid until 2126."""

Talk = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(talk: Talk, *, tls: bool = False) -> AsyncIterator[int]:
    """The port of a server that reads a request's head, has `talk` answer it, and closes the connection."""

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(await reader.readuntil(b"\r\n\r\n"), writer)
            await writer.drain()
        writer.close()

    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    server = await asyncio.start_server(met, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def answering(body: bytes, status: str = "200 OK", kind: str = "application/json") -> Talk:
    async def talk(request: bytes, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)

    return talk


async def silent(request: bytes, writer: asyncio.StreamWriter) -> None:
    """Takes the request and never answers."""
    await asyncio.sleep(3600)


async def dripping(request: bytes, writer: asyncio.StreamWriter) -> None:
    """Answers a byte at a time, so that no wait between two bytes is ever long."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def endless(request: bytes, writer: asyncio.StreamWriter) -> None:
    """Answers 50 MB and more."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    for _ in range(1000):
        writer.write(b" " * 65536)
        await writer.drain()
