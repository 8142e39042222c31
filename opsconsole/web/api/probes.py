"""For machines that ask whether all is well: `/livez`, `/readyz`, `/metrics`, `/health/{deployment}`."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from fastapi import APIRouter
from prometheus_client.exposition import choose_encoder
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from opsconsole.model import ComponentStatus, Status
from opsconsole.web import collecting
from opsconsole.web.console import Console, SelfCheck
from opsconsole.web.fleet import readings, troubles
from opsconsole.web.gate import Gate
from opsconsole.web.status import Watched, statuses
from opsconsole.web.words import NAMES, age

log = logging.getLogger(__name__)
_DEADLINE = 5


def build(console: Console, gate: Gate) -> APIRouter:
    router = APIRouter()

    def may_ask(request: Request, key: str = "") -> bool:
        known = gate.key_identity(key) if key else None
        return gate.is_local(request) or known is not None or gate.shown_key_fits(request)

    @router.api_route("/livez", methods=["GET", "HEAD"])
    async def livez(request: Request) -> Response:
        return await answer([check for check in console.checks if check.vital], request, console.clock.now(), gate)

    @router.api_route("/readyz", methods=["GET", "HEAD"])
    async def readyz(request: Request) -> Response:
        return await answer(console.checks, request, console.clock.now(), gate)

    @router.api_route("/metrics", methods=["GET", "HEAD"])
    async def metrics(request: Request) -> Response:
        if not may_ask(request):
            return _refused()
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(console.telemetry.registry), headers={"Content-Type": media_type})

    @router.api_route("/health/{name}", methods=["GET", "HEAD"])
    async def health(request: Request, name: str, key: str = "") -> Response:
        if not may_ask(request, key):
            return _refused()
        deployment, now = console.deployment(name), console.clock.now()
        if deployment is None:
            return PlainTextResponse(f"no deployment is called {name!r}\n", 404)
        found = await readings(console, now)
        async with console.db.read() as session:
            firing = await troubles(session)
        stand = statuses(Watched(name, deployment.interval, deployment.expected), found, firing, now)
        wrong = [status for status in stand.values() if status.status is not Status.OK]
        lines = [_line(status, now) for status in wrong]
        if lines and (error := collecting.health_error(console.standings(name))):
            lines.append(f"cannot be read: {error}")
        if not stand:
            lines = ["unknown: nothing is known yet"]
        return PlainTextResponse("\n".join(lines or ["ok"]) + "\n", 503 if lines else 200)

    return router


def _line(status: ComponentStatus, now: datetime) -> str:
    data = f"data {age(status.as_of, now)} old" if status.as_of else "no data yet"
    return f"{NAMES[status.component]}: {status.status} ({', '.join(part for part in (status.detail, data) if part)})"


async def answer(checks: Sequence[SelfCheck], request: Request, now: datetime, gate: Gate) -> Response:
    """Whether all hold; with `?verbose` which do not. Why, is not for strangers: it names labels, and what the database said."""
    problems = await asyncio.gather(*(_problem(check, now) for check in checks))
    bad = any(problems)
    if "verbose" not in request.query_params:
        return PlainTextResponse("not ok\n" if bad else "ok\n", 503 if bad else 200)
    if bad and not await _may_know(request, gate):
        problems = [problem and "failed" for problem in problems]
    lines = [
        f"[{'-' if problem else '+'}] {check.name} {problem or 'ok'}" for check, problem in zip(checks, problems, strict=True)
    ]
    return PlainTextResponse("\n".join([*lines, "not ok" if bad else "ok"]) + "\n", 503 if bad else 200)


async def _may_know(request: Request, gate: Gate) -> bool:
    """Whether it comes from here, or from somebody with a key or a session."""
    if gate.is_local(request):
        return True
    with suppress(SQLAlchemyError, OSError):  # sessions cannot be looked up, which is what the checks tell
        async with asyncio.timeout(_DEADLINE):
            return await gate.identify(request) is not None
    return False


async def _problem(check: SelfCheck, now: datetime) -> str:
    try:
        return await asyncio.wait_for(check.problem(now), _DEADLINE)
    except TimeoutError:
        return f"no answer within {_DEADLINE} s"
    except Exception:
        log.exception("a self-check failed", extra={"check": check.name})
        return "the check itself failed; see the log"


def _refused() -> Response:
    return PlainTextResponse(
        "this needs an API key, or to be asked from the console's own machine\n", 401, {"WWW-Authenticate": "Bearer"}
    )
