"""Healthchecks' ping API: `/ping/{uuid}` and `/ping/{ping_key}/{slug}`, each with `/start`, `/fail`, `/log`, `/{exit-status}`.

The address is the credential: no session, no CSRF token. Any method is a ping, HEAD too. Answers are Healthchecks' own
(healthchecks/healthchecks, `hc/api/views.py`), and a 200 is sent only after the ping is committed.
"""

import asyncio
import logging
import re
from dataclasses import dataclass
from hmac import compare_digest
from urllib.parse import parse_qs

import sqlalchemy as sa
from pydantic import SecretStr
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from opsconsole.clock import Clock
from opsconsole.db import GroupWriter, Session, checks
from opsconsole.db.checks import Check, Ping
from opsconsole.heartbeats.keeping import keep

log = logging.getLogger(__name__)

BODY_LIMIT = 100_000
_READ_AT_MOST = 64 * 1024 * 1024
_READ_SECONDS = 30.0
_COMMIT_SECONDS = 20.0
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ACTION = r"(?:/(?:(?P<action>start|fail|log)|(?P<status>[0-9]+)))?"
_BY_UUID = re.compile(rf"(?P<uuid>{_UUID})(?:/|{_ACTION})")
_BY_SLUG = re.compile(rf"(?P<key>[A-Za-z0-9_-]+)/(?P<slug>[A-Za-z0-9_-]+){_ACTION}")
_RID = re.compile(_UUID, re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\xff]")


@dataclass(frozen=True, slots=True)
class _Address:
    """Whom a ping is for, and what it says."""

    uuid: str | None
    key: str
    slug: str
    kind: str
    exit_status: int | None

    async def find(self, session: Session) -> Check | None:
        return await (checks.by_uuid(session, self.uuid) if self.uuid else checks.by_slug(session, self.slug))


class PingEndpoint:
    """The ASGI endpoint behind every ping address."""

    def __init__(self, writer: GroupWriter, clock: Clock, ping_key: SecretStr | None) -> None:
        self._writer, self._clock = writer, clock
        self._key = ping_key.get_secret_value().encode() if ping_key else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        address = _parsed(request.path_params["address"])
        if address is None or not self._opens(address):
            answer = _said("not found", 404)
        else:
            answer = await self._answer(request, address)
        answer.headers["Access-Control-Allow-Origin"] = "*"
        answer.headers["Cache-Control"] = "no-store"
        await answer(scope, receive, send)

    def _opens(self, address: _Address) -> bool:
        return address.uuid is not None or (self._key is not None and compare_digest(address.key.encode(), self._key))

    async def _answer(self, request: Request, address: _Address) -> Response:
        at = self._clock.now()
        rid = parse_qs(request.url.query, keep_blank_values=True).get("rid", [None])[-1]
        wrong = _mistake(address, rid)
        ping = Ping(
            at=at,
            kind=address.kind,
            method=request.method[:10],
            remote=_remote(request),
            user_agent=_printable(request.headers.get("user-agent", ""))[:200],
            exit_status=address.exit_status,
            rid=rid.lower() if rid else None,
            body=b"" if wrong else await _body(request),
        )
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                found = await self._writer.submit(lambda session: _kept(session, address, None if wrong else ping))
        except (asyncio.QueueFull, sa.exc.SQLAlchemyError, OSError) as error:
            log.warning("a ping could not be stored", extra={"why": type(error).__name__})
            return PlainTextResponse("not stored, send it again", 503, {"Retry-After": "5"})
        if not found:
            return _said("not found", 404)
        return _said(wrong, 400) if wrong else _said("OK", 200)


def routes(writer: GroupWriter, clock: Clock, ping_key: SecretStr | None) -> list[Route]:
    """The routes to add to the application, ahead of anything that asks for a session."""
    return [Route("/ping/{address:path}", PingEndpoint(writer, clock, ping_key), include_in_schema=False)]


async def _kept(session: Session, address: _Address, ping: Ping | None) -> bool:
    """Whether there is such a check; `ping`, where there is one, is recorded for it."""
    check = await address.find(session)
    if check is not None and ping is not None:
        await keep(session, check, ping)
    return check is not None


def _parsed(path: str) -> _Address | None:
    match = _BY_UUID.fullmatch(path) or _BY_SLUG.fullmatch(path)
    if match is None:
        return None
    parts = match.groupdict()
    status = int(parts["status"][:4]) if parts["status"] else None
    kind = parts["action"] or ("fail" if status else "success")
    return _Address(parts.get("uuid"), parts.get("key") or "", parts.get("slug") or "", kind, status)


def _mistake(address: _Address, rid: str | None) -> str | None:
    if address.exit_status is not None and address.exit_status > 255:
        return "invalid url format"
    return "invalid uuid format" if rid is not None and not _RID.fullmatch(rid) else None


async def _body(request: Request) -> bytes:
    """The body up to the limit; what is more is read and dropped, so that the sender hears the answer.

    A body that breaks off or drips for too long is kept as far as it came: the ping itself has arrived.
    """
    kept, read = bytearray(), 0
    try:
        async with asyncio.timeout(_READ_SECONDS):
            async for chunk in request.stream():
                kept += chunk[: BODY_LIMIT - len(kept)]
                read += len(chunk)
                if read > _READ_AT_MOST:
                    break
    except (TimeoutError, ClientDisconnect):
        log.info("the body of a ping broke off", extra={"bytes": read})
    return bytes(kept)


def _remote(request: Request) -> str:
    """The sender as the nearest proxy tells it; only shown, never trusted."""
    first = request.headers.get("x-forwarded-for", "").split(",")[0].strip()
    told = first or (request.client.host if request.client else "")
    if "." in told and told.count(":") == 1:
        told = told.split(":")[0]
    return _printable(told)[:45]


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("", text)


def _said(text: str, status: int) -> Response:
    headers = {"Ping-Body-Limit": str(BODY_LIMIT)} if status == 200 else None
    return PlainTextResponse(text, status, headers)
