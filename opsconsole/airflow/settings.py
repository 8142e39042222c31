"""How one Airflow is reached."""

import shlex
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, model_validator

from opsconsole.secrets import remember
from opsconsole.settings import Secret, Settings


def _base_url(value: str) -> str:
    """The address without a slash at its end. Raises ValueError where it cannot be Airflow's."""
    parts = urlsplit(value.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an Airflow URL is like http://host:8080 or https://host/prefix")
    if parts.username or parts.password:
        raise ValueError("keep the login out of the URL: give auth.username and auth.password")
    if parts.query or parts.fragment:
        raise ValueError("an Airflow URL ends with its path: leave out what follows ? or #")
    _ = parts.port  # raises ValueError where it is no number
    return value.strip().rstrip("/")


def _command(value: str) -> str:
    if not shlex.split(value):
        raise ValueError("a token command cannot be empty")
    return value


BaseUrl = Annotated[str, AfterValidator(_base_url)]


class Auth(Settings):
    """One of: username and password, a token, headers, or a command that prints a token."""

    username: str | None = None
    password: Secret | None = None
    token: Secret | None = None
    headers: dict[str, Secret] | None = None
    token_command: Annotated[str, AfterValidator(_command)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "Auth":
        if (self.username is None) != (self.password is None):
            raise ValueError("give username and password together")
        ways = (self.username, self.token, self.headers, self.token_command)
        if sum(way is not None for way in ways) > 1:
            raise ValueError("give one of username and password, token, headers, token_command")
        for value in (self.headers or {}).values():
            remember(value.get_secret_value())
        return self


class Tls(Settings):
    ca_file: Path | None = None
    verify: bool = True


class Airflow(Settings):
    """Where an Airflow is and how to log in."""

    url: BaseUrl
    auth: Auth = Auth()
    tls: Tls = Tls()

    @property
    def encrypted(self) -> bool:
        """Whether anything is asked by https, so that authorities to trust are needed."""
        return urlsplit(self.url).scheme == "https"
