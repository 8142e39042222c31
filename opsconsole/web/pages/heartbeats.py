"""`/heartbeats`: who should be saying that they are fine, and does not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from opsconsole.db import checks
from opsconsole.model import Status
from opsconsole.web import beats
from opsconsole.web.beats import HeartbeatLine
from opsconsole.web.console import Console
from opsconsole.web.templating import Frame, Show
from opsconsole.web.verdict import Sentence
from opsconsole.web.words import count


@dataclass(frozen=True)
class HeartbeatsContext:
    verdict: Sentence
    lines: Sequence[HeartbeatLine]
    address: str


async def heartbeats_context(console: Console, now: datetime) -> HeartbeatsContext:
    async with console.db.read() as session:
        lines = await beats.read(session, now, await checks.last_away(session))
    return HeartbeatsContext(sentence(lines), lines, console.server.address)


def sentence(lines: Sequence[HeartbeatLine]) -> Sentence:
    down = [line for line in lines if line.status is Status.DOWN]
    late = [line for line in lines if line.status is Status.DEGRADED]
    new = [line for line in lines if line.status is Status.UNKNOWN]
    named = tuple(f"{line.check.name}: {line.words}" for line in (*down, *late)[:3])
    if down:
        return Sentence(Status.DOWN, f"{count(len(down), 'heartbeat')} silent or failed", named)
    if late:
        return Sentence(Status.DEGRADED, f"{count(len(late), 'heartbeat')} late", named)
    if not lines:
        return Sentence(Status.UNKNOWN, "No heartbeat is set up")
    if len(new) == len(lines):
        return Sentence(Status.UNKNOWN, "No heartbeat has pinged yet")
    waiting = (f"{count(len(new), 'other')} never pinged or paused",) if new else ()
    beating = len(lines) - len(new)
    return Sentence(Status.OK, f"{count(beating, 'heartbeat')} on time" if beating > 1 else "The heartbeat is on time", waiting)


def build(console: Console, show: Show) -> APIRouter:
    router = APIRouter()

    async def every(now: datetime) -> tuple[Frame, HeartbeatsContext]:
        context = await heartbeats_context(console, now)
        return Frame("Heartbeats", context.verdict.status, live=True), context

    @router.get("/heartbeats")
    async def heartbeats_page(request: Request) -> Response:
        return await show.shared(request, "heartbeats", every)

    return router
