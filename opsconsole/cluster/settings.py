"""How a Prometheus-compatible cluster is reached."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from opsconsole import settings
from opsconsole.secrets import remember
from opsconsole.settings import Duration, Secret, Size

_API = "/api/v1/"


def _url(value: str) -> str:
    """The address without a slash at its end. Raises ValueError where it cannot be one."""
    parts = urlsplit(value.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address of a cluster is like http://host:9090 or https://host/prefix")
    if parts.username or parts.password:
        raise ValueError("keep the login out of the address: give headers.Authorization")
    if parts.query or parts.fragment:
        raise ValueError("an address of a cluster ends with its path: leave out what follows ? or #")
    _ = parts.port  # raises ValueError where it is no number
    return value.strip().rstrip("/")


def _base(value: str) -> str:
    url = _url(value)
    if _API in f"{urlsplit(url).path}/":
        raise ValueError(f"query_url is what stands before {_API}query")
    return url


def _header(name: str) -> str:
    if not name or not all(character.isalnum() or character in "!#$%&'*+-.^_`|~" for character in name) or not name.isascii():
        raise ValueError(f"{name!r} cannot be the name of a header")
    return name


class Tls(settings.Settings):
    ca_file: Path | None = None
    verify: bool = True


class Settings(settings.Settings):
    """`query_url` is what stands before `/api/v1/query`; without `write_url` samples go to `/api/v1/write` below it.

    `timeout`: how long an answer may take. `queue_size` and `queue_age`: what may wait while the cluster takes nothing, in
    bytes of the database and by age; beyond it the oldest is dropped and counted.
    """

    query_url: Annotated[str, AfterValidator(_base)] | None = None
    write_url: Annotated[str, AfterValidator(_url)] | None = None
    headers: dict[Annotated[str, AfterValidator(_header)], Secret] = Field(default_factory=dict)
    tls: Tls = Tls()
    timeout: Duration = Field(default=timedelta(seconds=30), ge=timedelta(seconds=1))
    queue_size: Size = Field(default=2**30, ge=2**20)
    queue_age: Duration = Field(default=timedelta(days=7), ge=timedelta(minutes=1))

    @model_validator(mode="after")
    def _masked(self) -> "Settings":
        for value in self.headers.values():
            text = value.get_secret_value()
            if not text.isprintable() or not text.isascii():
                raise ValueError("headers: a value may hold printable ASCII only")
            remember(text)
        return self

    @property
    def base(self) -> str:
        return self.query_url or ""

    @property
    def write_to(self) -> str:
        return self.write_url or f"{self.base}{_API}write"
