"""Receivers as people write them."""

from typing import Any

import pytest
from pydantic import ValidationError

from opsconsole.notify.settings import Receiver, integrations, problems, split_smarthost

EMAIL: dict[str, Any] = {"to": "a@example.com", "from": "b@example.com", "smarthost": "mail.test"}


def receiver(**more: Any) -> Receiver:
    return Receiver.model_validate({"name": "r", **more})


def test_each_kind_may_be_one_or_several() -> None:
    made = receiver(
        slack=[{"webhook_url": "https://hooks.test/a"}, {"token": "xoxb-123456", "channel": "#a"}],
        email=EMAIL,
        apprise=["json://a", "json://b"],
    )
    assert [one.name for one in made.integrations()] == ["slack", "slack[1]", "email", "apprise[0]", "apprise[1]"]


def test_send_resolved_is_known_to_alerting() -> None:
    assert [one.send_resolved for one in integrations([receiver(email=EMAIL, send_resolved=False)])["r"]] == [False]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"slack": {"token": "xoxb-1"}}, "token needs channel"),
        ({"slack": {"channel": "#a"}}, "token and channel, or webhook_url"),
        ({"slack": {"webhook_url": "ftp://x"}}, "http"),
        ({"webhook": {"url": "nowhere"}}, "http"),
        ({"email": {**EMAIL, "to": "nobody"}}, "not an e-mail address"),
        ({"email": {**EMAIL, "to": []}}, "at least 1"),
        ({"email": {**EMAIL, "from": "a@b\r\nBcc: c@d"}}, "not an e-mail address"),
        ({"email": {**EMAIL, "smarthost": "mail:99999"}}, "not host:port"),
        ({"email": {**EMAIL, "username": "u"}}, "go together"),
        ({"apprise": "slack"}, "Apprise addresses"),
        ({"pagerduty": {}}, "Extra inputs"),
    ],
)
def test_mistakes_are_told(more: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        receiver(**more)


def test_a_bare_off_in_yaml_means_off() -> None:
    assert receiver(email={**EMAIL, "starttls": False}).email[0].starttls == "off"


def test_secrets_do_not_show() -> None:
    made = receiver(
        apprise=["json://user:hunter2@x"],
        webhook={"url": "http://u:hunter2@x"},
        email={**EMAIL, "username": "u", "password": "hunter2"},
    )
    assert "hunter2" not in repr(made)


def test_fallbacks_must_exist_and_not_go_in_circles() -> None:
    def named(name: str, fallback: str | None) -> Receiver:
        return Receiver(name=name, fallback=fallback)

    assert problems([named("a", "b"), named("b", None)]) == []
    assert problems([named("a", "x")]) == [((0, "fallback"), "receiver 'x' is not defined")]
    assert [place for place, _ in problems([named("a", "b"), named("b", "a")])] == [(0, "fallback"), (1, "fallback")]
    assert problems([named("a", None), named("a", None)]) == [((1, "name"), "receiver 'a' is defined twice")]
    assert [place for place, _ in problems([named("a", "b"), named("b", "c"), named("c", "c")])] == [(2, "fallback")]


@pytest.mark.parametrize(
    ("text", "host", "port"), [("mail", "mail", 25), ("mail:587", "mail", 587), ("[::1]:25", "::1", 25), ("[::1]", "::1", 25)]
)
def test_smarthosts(text: str, host: str, port: int) -> None:
    assert split_smarthost(text) == (host, port)
