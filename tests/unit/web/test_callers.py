import ipaddress

import pytest
from starlette.requests import Request

from opsconsole.web.callers import bucket, caller

TRUSTED = [ipaddress.ip_network("127.0.0.1"), ipaddress.ip_network("10.0.0.0/8")]


def request(peer: str, *forwarded: str) -> Request:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return Request({"type": "http", "client": (peer, 40_000), "headers": headers})


@pytest.mark.parametrize(
    ("peer", "forwarded", "who"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # a stranger may say what he likes
        ("127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["192.0.2.66, 198.51.100.1"], "198.51.100.1"),  # what he said stands left of what the proxy saw
        ("127.0.0.1", ["192.0.2.66", "198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["192.0.2.66, 198.51.100.1, 10.1.1.1"], "198.51.100.1"),
        ("::ffff:127.0.0.1", ["198.51.100.1:4711"], "198.51.100.1:4711"),
        ("127.0.0.1", ["unknown"], "127.0.0.1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", [], "127.0.0.1"),
    ],
)
def test_only_trusted_proxies_say_whose_request_it_is(peer: str, forwarded: list[str], who: str) -> None:
    assert caller(request(peer, *forwarded), TRUSTED) == who


def test_nobody_is_trusted_unless_it_is_said() -> None:
    assert caller(request("127.0.0.1", "198.51.100.1"), ()) == "127.0.0.1"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("198.51.100.1", "198.51.100.1:4711", True),
        ("198.51.100.1", "198.51.100.2", False),
        ("2001:db8::1", "[2001:db8::ffff:1]:4711", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:198.51.100.1", "198.51.100.1", True),
        ("", "", True),
    ],
)
def test_attempts_are_counted_by_who_can_change_the_address(one: str, other: str, same: bool) -> None:
    assert (bucket(one) == bucket(other)) is same
