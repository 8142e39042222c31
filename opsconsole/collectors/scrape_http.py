"""Fetching a page of metrics: what is asked for, and the bounds on what comes."""

import asyncio
import zlib
from http import HTTPStatus
from typing import NamedTuple

import httpx

from opsconsole.collectors.formats.exposition import OPENMETRICS, TEXT, Grammar
from opsconsole.collectors.scrape_settings import ScrapeSettings
from opsconsole.model import CollectError
from opsconsole.secrets import redacted

ACCEPT = (
    "application/openmetrics-text;version=1.0.0;q=0.9,application/openmetrics-text;version=0.0.1;q=0.8,"
    "text/plain;version=1.0.0;q=0.7,text/plain;version=0.0.4;q=0.6,*/*;q=0.1"
)
_PROTOBUF = "application/vnd.google.protobuf"


class Fetched(NamedTuple):
    body: bytes
    grammar: Grammar


async def fetch(http: httpx.AsyncClient, settings: ScrapeSettings) -> Fetched:
    """The page as it is now. Raises CollectError."""
    headers = {
        "Accept": ACCEPT,
        "Accept-Encoding": "gzip",
        "X-Prometheus-Scrape-Timeout-Seconds": f"{settings.timeout.total_seconds():g}",
        **settings.auth.sent,
    }
    try:
        async with (
            asyncio.timeout(settings.timeout.total_seconds()),
            http.stream("GET", settings.url, headers=headers, timeout=settings.timeout.total_seconds()) as response,
        ):
            return Fetched(await _body(response, settings.body_size_limit), _grammar(response))
    except (TimeoutError, httpx.TimeoutException) as error:
        raise CollectError(f"no whole page within {settings.timeout.total_seconds():g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, zlib.error, UnicodeError) as error:
        said = redacted(" ".join(str(error).split()))[:200] or type(error).__name__
        raise CollectError(f"the page cannot be had: {said}") from error


async def _body(response: httpx.Response, limit: int) -> bytes:
    if response.status_code != HTTPStatus.OK:
        leads = " (a redirect: give the address that it leads to)" if response.is_redirect else ""
        raise CollectError(f"the server answered {response.status_code} {response.reason_phrase}{leads}")
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise CollectError(f"the page is encoded as {encoding[:40]}, which was not asked for", retryable=False)
    unpacking = zlib.decompressobj(31) if encoding == "gzip" else None
    pieces, size = [], 0
    async for piece in response.aiter_raw():
        unpacked = unpacking.decompress(piece, limit + 1 - size) if unpacking else piece
        pieces.append(unpacked)
        size += len(unpacked)
        if size > limit:
            raise CollectError(f"the page is larger than body_size_limit, {limit:,} bytes", retryable=False)
    if unpacking and not unpacking.eof:
        raise CollectError("the page breaks off")
    return b"".join(pieces)


def _grammar(response: httpx.Response) -> Grammar:
    """OpenMetrics where the server says so, else the text format, whatever it says."""
    kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == _PROTOBUF:
        raise CollectError("the page is protobuf, which was not asked for", retryable=False)
    return OPENMETRICS if kind == "application/openmetrics-text" else TEXT
