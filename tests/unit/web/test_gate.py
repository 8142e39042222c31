from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from opsconsole.web.gate import safe_target
from opsconsole.web.identity import Role
from opsconsole.web.passwords import Passwords, digest, new_password
from opsconsole.web.settings import AuthSettings, ServerSettings, refusal
from opsconsole.web.throttle import Throttle
from tests.support.clock import NOON


@pytest.mark.parametrize("target", ["/rules", "/incidents/1?x=1", "/dashboards/a#b"])
def test_our_own_paths_are_good_targets(target: str) -> None:
    assert safe_target(target) == target


@pytest.mark.parametrize(
    "target", [None, "", "rules", "//x", "/\\x", "https://x", "javascript:x", "/a\r\nSet-Cookie: x", "\\\\x"]
)
def test_everything_else_leads_to_the_overview(target: str | None) -> None:
    assert safe_target(target) == "/"


def test_roles_cover_those_below_them() -> None:
    assert Role.ADMIN.covers(Role.VIEWER)
    assert Role.OPERATOR.covers(Role.OPERATOR)
    assert not Role.VIEWER.covers(Role.OPERATOR)


async def test_passwords_fit_only_themselves() -> None:
    passwords = Passwords(memory_kib=64)
    stored = await passwords.hash("secret")
    assert await passwords.fits(stored, "secret")
    assert not await passwords.fits(stored, "Secret")
    assert not await passwords.fits(None, "secret")
    assert not await passwords.fits("not a hash", "secret")


def test_new_passwords_are_typed_easily_and_differ() -> None:
    assert new_password() != new_password()
    assert len(new_password()) == 19
    assert len(digest("x")) == 64


def test_a_throttle_lets_go_after_its_window_and_forgets_on_success() -> None:
    throttle = Throttle(2, timedelta(minutes=5))
    for seconds in (0, 60):
        throttle.attempted("a", NOON + timedelta(seconds=seconds))
    assert throttle.wait("a", NOON + timedelta(seconds=60)) == timedelta(minutes=4)
    assert throttle.wait("b", NOON) == timedelta(0)
    assert throttle.wait("a", NOON + timedelta(minutes=5)) == timedelta(0)
    throttle.forget("a")
    assert throttle.wait("a", NOON + timedelta(seconds=60)) == timedelta(0)


def test_an_attempt_that_was_right_counts_no_more() -> None:
    throttle = Throttle(2, timedelta(minutes=5))
    for _ in range(3):
        throttle.attempted("a", NOON)
        throttle.forgiven("a")
    throttle.attempted("a", NOON)
    assert throttle.wait("a", NOON) == timedelta(0)
    throttle.forgiven("b")


def test_a_clock_that_was_set_back_locks_nobody_out() -> None:
    throttle = Throttle(1, timedelta(minutes=5))
    throttle.attempted("a", NOON)
    assert throttle.wait("a", NOON - timedelta(days=1)) == timedelta(0)


def test_a_throttle_keeps_a_bounded_number_of_names() -> None:
    throttle = Throttle(1, timedelta(minutes=5))
    for number in range(10_001):
        throttle.attempted(str(number), NOON)
    assert throttle.wait("0", NOON) == timedelta(0)
    assert throttle.wait("10000", NOON) > timedelta(0)


@pytest.mark.parametrize(
    ("given", "address", "prefix"),
    [
        ({}, "http://127.0.0.1:8600", ""),
        ({"listen": "0.0.0.0:80"}, "http://127.0.0.1:80", ""),
        ({"listen": "[::1]:9"}, "http://[::1]:9", ""),
        ({"public_url": "https://x.example/ops/"}, "https://x.example/ops", "/ops"),
        ({"public_url": "HTTPS://X.example/Ops"}, "https://x.example/Ops", "/Ops"),
    ],
)
def test_the_public_address(given: dict[str, str], address: str, prefix: str) -> None:
    server = ServerSettings(**given)
    assert (server.address, server.prefix) == (address, prefix)


@pytest.mark.parametrize(
    "given",
    [
        {"listen": "8600"},
        {"listen": "a:99999"},
        {"public_url": "ftp://x"},
        {"public_url": "/ops"},
        {"public_url": "http://[x"},
        {"public_url": "http://x:99999"},
        {"trusted_proxies": ["nginx"]},
    ],
)
def test_addresses_that_are_none_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ServerSettings(**given)


def test_no_login_goes_with_loopback_only() -> None:
    opened = AuthSettings(mode="none")
    assert refusal(ServerSettings(), opened) == ""
    assert refusal(ServerSettings(listen="[::1]:1"), opened) == ""
    assert "loopback" in refusal(ServerSettings(listen="0.0.0.0:8600"), opened)
    assert refusal(ServerSettings(listen="0.0.0.0:8600"), AuthSettings()) == ""


@pytest.mark.parametrize(
    "keys",
    [
        [{"name": "a", "key": "short"}],
        [{"name": "a", "key": "long-enough"}, {"name": "a", "key": "another-one"}],
        [{"name": "a", "key": "long-enough"}, {"name": "b", "key": "long-enough"}],
        [{"name": "a", "key": "long-enough", "role": "god"}],
    ],
)
def test_api_keys_that_cannot_be_told_apart_or_guessed_are_refused(keys: list[dict[str, str]]) -> None:
    with pytest.raises(ValidationError):
        AuthSettings.model_validate({"api_keys": keys})


def test_modes_of_later_are_refused_now() -> None:
    with pytest.raises(ValidationError):
        AuthSettings.model_validate({"mode": "oidc"})
