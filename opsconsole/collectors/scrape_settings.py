"""What is scraped beside a deployment: one entry of `deployments[].scrape`."""

import base64
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from opsconsole.airflow.settings import Tls
from opsconsole.secrets import remember
from opsconsole.settings import Duration, Secret, Settings, Size

_SHORTEST = timedelta(seconds=1)
_PORTS = {"http": 80, "https": 443}


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("a scrape's url is like http://127.0.0.1:9102/metrics")
    if parts.username or parts.password:
        raise ValueError("keep the login out of the url: give auth.username and auth.password")
    _ = parts.port  # raises ValueError where it is no number
    return value if parts.path else parts._replace(path="/metrics").geturl()


class ScrapeAuth(Settings):
    """One of: username and password, a bearer token, headers."""

    username: str | None = None
    password: Secret | None = None
    token: Secret | None = None
    headers: dict[str, Secret] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "ScrapeAuth":
        if (self.username is None) != (self.password is None):
            raise ValueError("give username and password together")
        if sum(way is not None for way in (self.username, self.token, self.headers)) > 1:
            raise ValueError("give one of username and password, token, headers")
        for value in (self.headers or {}).values():
            remember(value.get_secret_value())
        return self

    @property
    def sent(self) -> dict[str, str]:
        """The headers to send."""
        if self.username is not None and self.password is not None:
            login = f"{self.username}:{self.password.get_secret_value()}".encode()
            return {"Authorization": f"Basic {base64.b64encode(login).decode()}"}
        if self.token is not None:
            return {"Authorization": f"Bearer {self.token.get_secret_value()}"}
        return {name: value.get_secret_value() for name, value in (self.headers or {}).items()}


class ScrapeSettings(Settings):
    """A page of metrics. Names and meanings are Prometheus' own; `interval` is the deployment's where none is given.

    `sample_limit` 0 is no limit; a page with more samples, or with more bytes than `body_size_limit`, is not used.
    """

    job: str = Field(min_length=1, max_length=200)
    url: Annotated[str, AfterValidator(_url)]
    auth: ScrapeAuth = ScrapeAuth()
    tls: Tls = Tls()
    interval: Duration | None = None
    timeout: Duration = timedelta(seconds=10)
    honor_labels: bool = False
    honor_timestamps: bool = True
    sample_limit: int = Field(default=0, ge=0)
    body_size_limit: Size = Field(default=64 * 2**20, gt=0)

    @model_validator(mode="after")
    def _long_enough(self) -> "ScrapeSettings":
        if self.interval is not None and self.interval < _SHORTEST:
            raise ValueError("interval must be 1s or more")
        if self.timeout < timedelta(milliseconds=1):
            raise ValueError("timeout must be 1ms or more")
        return self

    @property
    def instance(self) -> str:
        """The address with its port, as Prometheus names a target."""
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{host}:{parts.port or _PORTS[parts.scheme]}"

    @property
    def encrypted(self) -> bool:
        return urlsplit(self.url).scheme == "https"
