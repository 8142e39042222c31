"""One request to the cluster: deadlines, a bound on the answer's size, and a reason a person can act on."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from opsconsole import __version__
from opsconsole.cluster.settings import Settings
from opsconsole.model import OpsConsoleError
from opsconsole.secrets import redacted

_CONNECT = 5.0
"""Seconds to connect."""
MOST_BYTES = 256 * 2**20
"""Of an answer, unpacked."""

Form = Sequence[tuple[str, str]]


class AwayError(Exception):
    """No answer came, or a broken one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`retry_after` is the header of that name."""

    status: int
    content: bytes
    retry_after: str = ""

    @property
    def text(self) -> str:
        """The beginning of it in a line, without secrets."""
        return redacted(" ".join(self.content[:2000].decode(errors="replace").split()))[:200]


def open_http(settings: Settings) -> httpx.AsyncClient:
    """A client for the cluster; the environment's proxies apply. Raises OpsConsoleError for an unusable CA file."""
    return httpx.AsyncClient(
        verify=_trust(settings),
        timeout=httpx.Timeout(settings.timeout.total_seconds(), connect=_CONNECT),
        limits=httpx.Limits(max_connections=32, keepalive_expiry=30),
        headers={"User-Agent": f"opsconsole/{__version__}"}
        | {name: value.get_secret_value() for name, value in settings.headers.items()},
    )


def _trust(settings: Settings) -> ssl.SSLContext | bool:
    if not any(url.startswith("https:") for url in (settings.base, settings.write_to)) or not settings.tls.verify:
        return False
    if settings.tls.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(settings.tls.ca_file))
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or "no certificates in it"
        raise OpsConsoleError(f"storage.metrics.tls.ca_file: {settings.tls.ca_file} cannot be used: {reason}") from error


class Transport:
    """Sends requests and reads whole answers. Raises AwayError."""

    def __init__(self, http: httpx.AsyncClient, settings: Settings, most: int = MOST_BYTES) -> None:
        self._http, self._within, self._most = http, settings.timeout.total_seconds(), most

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        return await self._sent(self._http.build_request("POST", url, content=content, headers=dict(headers)))

    async def ask(self, url: str, form: Form, *, method: str = "POST") -> Answer:
        """A question of the query API: a form in the body, or in the address where the method is GET."""
        headers = {"Accept": "application/json"}
        if method == "GET":
            return await self._sent(self._http.build_request("GET", url, params=list(form), headers=headers))
        fields: dict[str, list[str]] = {}
        for name, value in form:
            fields.setdefault(name, []).append(value)
        return await self._sent(self._http.build_request("POST", url, data=fields, headers=headers))

    async def _sent(self, request: httpx.Request) -> Answer:
        try:
            async with asyncio.timeout(self._within):
                response = await self._http.send(request, stream=True)
                try:
                    content = bytearray()
                    async for piece in response.aiter_bytes():
                        content += piece
                        if len(content) > self._most:
                            raise AwayError(f"the answer is larger than {self._most // 2**20} MiB")
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise AwayError(f"no whole answer within {self._within:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise AwayError(_reason(error)) from error
        return Answer(response.status_code, bytes(content), response.headers.get("Retry-After", ""))


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {_CONNECT:g} s"
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    text = redacted(" ".join(str(error).split()))[:200] or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"its certificate is not trusted: give tls.ca_file ({text})"
    return text
