"""Whose request it is, seen through the proxies that are trusted to tell."""

import ipaddress
from collections.abc import Sequence

from starlette.requests import Request

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def caller(request: Request, trusted: Sequence[Network]) -> str:
    """The address of the nearest machine on the way here that is not a trusted proxy.

    Each proxy adds its peer at the right of `X-Forwarded-For`; what stands further left was said by who knows whom.
    """
    peer = request.client.host if request.client else ""
    told = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    for hop in reversed(told):
        if not _is_in(peer, trusted) or _address(hop.strip()) is None:
            break
        peer = hop.strip()
    return peer


def bucket(address: str) -> str:
    """What counts as one caller where attempts are counted: of IPv6 a customer has a whole /64."""
    known = _address(address)
    if isinstance(known, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((known, 64), strict=False))
    return str(known or address)


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    known = _address(address)
    return known is not None and any(known in network for network in networks)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """With the port that some proxies write, and an IPv4 address in IPv6's clothes as itself."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        known = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (known.ipv4_mapped or known) if isinstance(known, ipaddress.IPv6Address) else known
