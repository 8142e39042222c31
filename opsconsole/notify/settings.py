"""`alerting.receivers`: who is told, by which ways."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator, model_validator

from opsconsole.model import Integration
from opsconsole.notify.rate import Rate
from opsconsole.notify.retry import ESCALATE_AFTER
from opsconsole.secrets import remember
from opsconsole.settings import Duration, Secret, Settings

_STARTTLS = {False: "off", True: "required"}
"""YAML reads a bare `off` as false."""


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http:// or https:// address")
    return url


def _secret_web_address(url: SecretStr) -> SecretStr:
    _web_address(url.get_secret_value())
    return url


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, dict | str) else value


WebAddress = Annotated[str, AfterValidator(_web_address)]
SecretAddress = Annotated[Secret, AfterValidator(_secret_web_address)]


class Slack(Settings):
    """A bot (token and channel), which edits its messages, or an incoming webhook, which cannot."""

    token: Secret | None = None
    channel: str = ""
    signing_secret: Secret | None = None
    api_url: WebAddress = "https://slack.com/api/"
    webhook_url: SecretAddress | None = None
    send_resolved: bool | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "Slack":
        if (self.token is None) == (self.webhook_url is None):
            raise ValueError("give token and channel, or webhook_url")
        if self.token is not None and not self.channel:
            raise ValueError("token needs channel: the name or id of the channel to post to")
        if self.webhook_url is not None and self.channel:
            raise ValueError("a webhook_url has its channel already: leave channel out")
        return self


class Email(Settings):
    to: Annotated[list[str], BeforeValidator(_as_list, json_schema_input_type=str | list[str])] = Field(min_length=1)
    from_: str = Field(alias="from")
    smarthost: str
    starttls: Literal["auto", "required", "off"] = "auto"
    username: str | None = None
    password: Secret | None = None
    send_resolved: bool | None = None

    @field_validator("starttls", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return _STARTTLS[value] if isinstance(value, bool) else value

    @field_validator("to", "from_")
    @classmethod
    def _addresses(cls, value: Any) -> Any:
        for address in value if isinstance(value, list) else [value]:
            if "@" not in address.strip("@") or any(letter in address for letter in "\r\n"):
                raise ValueError(f"{address!r} is not an e-mail address")
        return value

    @field_validator("smarthost")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        split_smarthost(value)
        return value

    @model_validator(mode="after")
    def _login(self) -> "Email":
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        return self


class Webhook(Settings):
    """Gets Alertmanager's webhook payload, version 4, with so many alerts at most (0: all).

    `authorization` is the value of that header.
    """

    url: SecretAddress
    authorization: Secret | None = None
    max_alerts: int = Field(default=0, ge=0)
    send_resolved: bool | None = None


class RateLimit(Settings):
    """So many messages at once, and as many again in each `per`, by each way of the receiver."""

    messages: int = Field(ge=1, le=100_000)
    per: Duration

    @field_validator("per")
    @classmethod
    def _some_time(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0):
            raise ValueError("must be longer than nothing")
        return value


RATES = {
    Slack: Rate(5, timedelta(seconds=5)),  # a message a second and channel, short bursts allowed (Slack, "Rate limits")
    Email: Rate(20, timedelta(minutes=1)),
    Webhook: None,
    SecretStr: Rate(20, timedelta(minutes=1)),
}
"""How fast each kind is told where nothing is set. Webhooks are programs: they take all, and miss nothing."""


def _off(value: Any) -> Any:
    """YAML reads a bare `off` as false."""
    return "off" if value is False else value


class Receiver(Settings):
    name: str = Field(min_length=1)
    slack: Annotated[list[Slack], BeforeValidator(_as_list, json_schema_input_type=Slack | list[Slack])] = Field(
        default_factory=list
    )
    email: Annotated[list[Email], BeforeValidator(_as_list, json_schema_input_type=Email | list[Email])] = Field(
        default_factory=list
    )
    webhook: Annotated[list[Webhook], BeforeValidator(_as_list, json_schema_input_type=Webhook | list[Webhook])] = Field(
        default_factory=list
    )
    apprise: Annotated[list[Secret], BeforeValidator(_as_list, json_schema_input_type=Secret | list[Secret])] = Field(
        default_factory=list
    )
    send_resolved: bool = True
    send_handling: bool | None = None
    fallback: str | None = None
    fallback_after: int = Field(default=ESCALATE_AFTER, ge=1, le=100)
    rate_limit: Annotated[RateLimit | Literal["off"] | None, BeforeValidator(_off)] = None

    @field_validator("apprise")
    @classmethod
    def _remembered(cls, urls: list[SecretStr]) -> list[SecretStr]:
        for url in urls:
            if "://" not in url.get_secret_value():
                raise ValueError("must be Apprise addresses, such as pagerduty://…")
            remember(url.get_secret_value())
        return urls

    def ways(self) -> Iterator[tuple[str, Slack | Email | Webhook | SecretStr]]:
        """Each integration's name with its settings; the first of a kind has no number, except Apprise's."""
        kinds: tuple[tuple[str, Sequence[Slack | Email | Webhook]], ...] = (
            ("slack", self.slack),
            ("email", self.email),
            ("webhook", self.webhook),
        )
        for kind, several in kinds:
            for index, one in enumerate(several):
                yield (f"{kind}[{index}]" if index else kind), one
        for index, url in enumerate(self.apprise):
            yield f"apprise[{index}]", url

    def rate(self, way: Slack | Email | Webhook | SecretStr) -> Rate | None:
        """How fast one of its ways may be told; None is as fast as can be."""
        if self.rate_limit == "off":
            return None
        return Rate(self.rate_limit.messages, self.rate_limit.per) if self.rate_limit else RATES[type(way)]

    def integrations(self) -> tuple[Integration, ...]:
        return tuple(Integration(name, self.tells_ends(way), self._hears_handling(way)) for name, way in self.ways())

    def tells_ends(self, way: Slack | Email | Webhook | SecretStr) -> bool:
        """As the way says itself, or else the receiver."""
        own = None if isinstance(way, SecretStr) else way.send_resolved
        return self.send_resolved if own is None else own

    def _hears_handling(self, way: Slack | Email | Webhook | SecretStr) -> bool:
        """Unless it is said, only who can edit its message hears what people do."""
        return isinstance(way, Slack) and way.token is not None if self.send_handling is None else self.send_handling


def integrations(receivers: Iterable[Receiver]) -> dict[str, tuple[Integration, ...]]:
    """What alerting needs to know of the receivers."""
    return {receiver.name: receiver.integrations() for receiver in receivers}


def problems(receivers: list[Receiver]) -> list[tuple[tuple[str | int, ...], str]]:
    """What is wrong between receivers, each with its place: names given twice, fallbacks unknown or going in a circle."""
    names = [receiver.name for receiver in receivers]
    fallbacks = {receiver.name: receiver.fallback for receiver in receivers}
    found: list[tuple[tuple[str | int, ...], str]] = []
    for index, receiver in enumerate(receivers):
        if receiver.name in names[:index]:
            found.append(((index, "name"), f"receiver {receiver.name!r} is defined twice"))
        if receiver.fallback is not None and receiver.fallback not in fallbacks:
            found.append(((index, "fallback"), f"receiver {receiver.fallback!r} is not defined"))
        elif _circles(receiver.name, fallbacks):
            found.append(((index, "fallback"), f"the fallbacks of {receiver.name!r} lead back to it"))
    return found


def _circles(name: str, fallbacks: dict[str, str | None]) -> bool:
    following, steps = fallbacks.get(name), 0
    while following is not None and steps <= len(fallbacks):
        if following == name:
            return True
        following, steps = fallbacks.get(following), steps + 1
    return False


def split_smarthost(smarthost: str) -> tuple[str, int]:
    """`host:port`; port 25 where none is given. Raises ValueError."""
    host, colon, port = smarthost.rpartition(":")
    if not colon or smarthost.endswith("]"):
        host, port = smarthost, "25"
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{smarthost!r} is not host:port")
    return host.strip("[]"), int(port)
