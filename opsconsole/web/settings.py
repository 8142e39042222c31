"""Where the console listens, and who may use it."""

import ipaddress
import re
from typing import Literal, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, field_validator, model_validator

from opsconsole.settings import Secret, Settings
from opsconsole.web.identity import Role

_LISTEN = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.%\w]+)\]|(?P<host>[^:\[\]\s]*)):(?P<port>\d{1,5})")


class ServerSettings(Settings):
    """`public_url` is how people reach the console; it may have a path prefix. Without it, it is the listen address."""

    listen: str = "127.0.0.1:8600"
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        match = _LISTEN.fullmatch(value)
        if match is None or int(match["port"]) > 65535:
            raise ValueError(f"{value!r} is not HOST:PORT, like 127.0.0.1:8600 or [::1]:8600")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            try:
                ipaddress.ip_network(one, strict=False)
            except ValueError as error:
                raise ValueError(f"{one!r} is not an address or a network like 127.0.0.1 or 10.0.0.0/8") from error
        return value

    @field_validator("public_url")
    @classmethod
    def _http_address(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        rest = parts.query or parts.fragment or parts.username
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or rest:
            raise ValueError(f"{value!r} is not an address like https://ops.example.com or https://example.com/ops")
        return urlunsplit(parts._replace(netloc=parts.netloc.lower())).rstrip("/")  # and the scheme, which urlsplit has lowered

    @property
    def proxies(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """Whose `X-Forwarded-For` is believed."""
        return tuple(ipaddress.ip_network(one, strict=False) for one in self.trusted_proxies)

    @property
    def host(self) -> str:
        match = _LISTEN.fullmatch(self.listen)
        return (match["six"] or match["host"] or "0.0.0.0") if match else ""  # noqa: S104

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def address(self) -> str:
        """The address for links in messages: `public_url`, else made from the listen address; no slash at its end."""
        if self.public_url:
            return self.public_url
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"

    @property
    def prefix(self) -> str:
        """The path prefix of `public_url`, like `/ops`, or nothing."""
        return urlsplit(self.address).path

    @property
    def is_https(self) -> bool:
        return self.address.startswith("https:")

    @property
    def on_loopback(self) -> bool:
        return is_loopback(self.host)


class ApiKey(Settings):
    name: str = Field(min_length=1)
    key: Secret
    role: Role = Role.VIEWER

    @field_validator("key")
    @classmethod
    def _not_guessable(cls, value: Secret) -> Secret:
        if len(value.get_secret_value()) < 8:
            raise ValueError("an API key has at least 8 characters")
        return value


class AuthSettings(Settings):
    """`none` lets everyone who reaches the console do everything; it goes with a loopback listen address only."""

    mode: Literal["password", "none"] = "password"
    api_keys: tuple[ApiKey, ...] = ()

    @model_validator(mode="after")
    def _names_and_keys_are_distinct(self) -> Self:
        for what, values in (
            ("name", [key.name for key in self.api_keys]),
            ("key", [key.key.get_secret_value() for key in self.api_keys]),
        ):
            if len(set(values)) < len(values):
                raise ValueError(f"two API keys have the same {what}")
        return self


def refusal(server: ServerSettings, auth: AuthSettings) -> str:
    """Why these two do not go together, or nothing."""
    if auth.mode == "none" and not server.on_loopback:
        return f"auth.mode none is for a loopback listen address only, and server.listen is {server.listen}"
    return ""


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
