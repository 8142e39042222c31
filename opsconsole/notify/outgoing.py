"""Where notices may be posted: a name is resolved once, its addresses are looked at, and those very addresses are connected to.

The addresses of receivers are the administrator's own, so private networks are as good as others. But nobody is notified at a
link-local address, where clouds answer any machine with its credentials, however the name came to lead there.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable

import httpcore
import httpx

_METADATA = frozenset({ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")})
"""Amazon's over IPv6, and Alibaba's: clouds' metadata services that are not link-local."""

Resolve = Callable[[str, int], Awaitable[list[str]]]


def refused(address: str) -> bool:
    """Whether nothing may be posted there."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_link_local or ip.is_multicast or ip in _METADATA


async def resolved(host: str, port: int) -> list[str]:
    """The addresses of a name, in the order to try them. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Guarded(httpcore.AnyIOBackend):
    """Connects to no address that is refused."""

    def __init__(self, resolve: Resolve = resolved) -> None:
        self._resolve = resolve

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._resolve(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} was not resolved in time") from error
        except OSError as error:
            raise httpcore.ConnectError(f"{host}: {error}") from error
        allowed = [address for address in addresses if not refused(address)]
        if not allowed:
            raise httpcore.ConnectError(f"{host} leads to an address where nothing is posted: {', '.join(addresses)}")
        for address in allowed[:-1]:
            try:
                return await super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await super().connect_tcp(allowed[-1], port, timeout, local_address, socket_options)


def guarded(http: httpx.AsyncClient, resolve: Resolve = resolved) -> httpx.AsyncClient:
    """The client, which now posts to no address that is refused. Where the environment names a proxy, that one decides."""
    direct = http._transport
    if isinstance(direct, httpx.AsyncHTTPTransport):  # httpx has no way to give a backend and keep the environment's proxies
        direct._pool._network_backend = Guarded(resolve)
    return http
