"""One request to one Airflow: deadlines, a bound on the answer's size, and an error a person can act on."""

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from opsconsole import __version__
from opsconsole.airflow.errors import NotAirflow, Unreachable
from opsconsole.airflow.settings import Tls
from opsconsole.clock import Clock
from opsconsole.model import CollectError
from opsconsole.secrets import redacted

Parameters = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds to connect, between two pieces of an answer and for the whole of it; bytes of an answer; requests at once."""

    connect: float = 5.0
    read: float = 10.0
    total: float = 20.0
    size: int = 16 * 2**20
    at_once: int = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is parsed JSON, or None where the answer is none; `seconds` from sending to the last byte."""

    status: int
    body: Any
    is_json: bool
    seconds: float
    date: datetime | None
    sent_at: datetime
    received_at: datetime
    location: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    parameters: Parameters = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    urgent: bool = False  # not held up by the deployment's other requests

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Secured(Protocol):
    """Whether an address is asked by TLS, and whom to trust then."""

    @property
    def encrypted(self) -> bool: ...

    @property
    def tls(self) -> Tls: ...


def open_http(settings: Secured, limits: Limits | None = None) -> httpx.AsyncClient:
    """A client of its own for one deployment; the environment's proxies apply. Raises CollectError for an unusable CA file."""
    limits = limits or Limits()
    return httpx.AsyncClient(
        verify=_trust(settings),
        timeout=httpx.Timeout(limits.read, connect=limits.connect),
        limits=httpx.Limits(max_connections=limits.at_once + 2, keepalive_expiry=30),
        headers={"User-Agent": f"opsconsole/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"},
    )


def _trust(settings: Secured) -> ssl.SSLContext | bool:
    if not settings.encrypted or not settings.tls.verify:
        return False
    if settings.tls.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(settings.tls.ca_file))
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or "no certificates in it"
        raise CollectError(f"tls.ca_file: {settings.tls.ca_file} cannot be used: {reason}", retryable=False) from error


class Transport:
    """Sends requests to the Airflow at `base`, a few at once; `base` may have a path prefix."""

    def __init__(self, base: str, http: httpx.AsyncClient, clock: Clock, limits: Limits | None = None) -> None:
        self.base, self._http, self._clock, self._limits = base, http, clock, limits or Limits()
        self._gate = asyncio.Semaphore(self._limits.at_once)

    async def send(self, request: Request) -> Answer:
        """The answer, whatever its status; a connection that dropped before an answer to a GET is tried once more."""
        async with nullcontext() if request.urgent else self._gate:
            try:
                return await self._once(request)
            except Unreachable as error:
                if not error.dropped or request.method != "GET":
                    raise
            return await self._once(request)

    async def _once(self, request: Request) -> Answer:
        sent_at, began = self._clock.now(), self._clock.monotonic()
        try:
            async with asyncio.timeout(self._limits.total):
                response, content = await self._exchange(request)
        except TimeoutError as error:
            raise Unreachable(f"{request}: no whole answer within {self._limits.total:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise _unreachable(request, error, self._limits) from error
        is_json = _is_json(response)
        return Answer(
            status=response.status_code,
            body=_parsed(content, request, response) if is_json else None,
            is_json=is_json,
            seconds=self._clock.monotonic() - began,
            date=_date(response.headers.get("date", "")),
            sent_at=sent_at,
            received_at=self._clock.now(),
            location=response.headers.get("location", ""),
        )

    async def _exchange(self, request: Request) -> tuple[httpx.Response, bytes]:
        async with self._http.stream(
            request.method,
            self.base + request.path,
            params=list(request.parameters) or None,
            headers=dict(request.headers),
            json=request.json,
        ) as response:
            content = bytearray()
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > self._limits.size:
                    size = f"{self._limits.size / 2**20:g} MiB"
                    raise CollectError(f"{request}: refused, the answer is larger than {size}", retryable=False)
            return response, bytes(content)


def _is_json(response: httpx.Response) -> bool:
    kind: str = response.headers.get("content-type", "").split(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _parsed(content: bytes, request: Request, response: httpx.Response) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        if response.is_error:
            return None
        raise NotAirflow(f"{request}: the answer says it is JSON and is not") from error


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _unreachable(request: Request, error: Exception, limits: Limits) -> Unreachable:
    if isinstance(error, httpx.ConnectTimeout):
        return Unreachable(f"{request}: no connection within {limits.connect:g} s")
    if isinstance(error, httpx.TimeoutException):
        return Unreachable(f"{request}: no answer for {limits.read:g} s")
    text = redacted(" ".join(str(error).split()))[:200] or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return Unreachable(f"{request}: its certificate is not trusted: give tls.ca_file ({text})", retryable=False)
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
        return Unreachable(f"{request}: the connection broke: {text}", dropped=True)
    return Unreachable(f"{request}: {text}", retryable=isinstance(error, httpx.TransportError))


def shown(location: str) -> str:
    """An address without its query, which may carry what is nobody's business."""
    parts = urlsplit(location)
    return redacted(f"{parts.scheme}://{parts.netloc}{parts.path}" if parts.netloc else parts.path)[:200]
