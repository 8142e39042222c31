"""`/slas`: every promise, and how it stands today."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from opsconsole.model import Status
from opsconsole.web import promises
from opsconsole.web.console import Console
from opsconsole.web.promises import SlaLine
from opsconsole.web.templating import Frame, Show
from opsconsole.web.verdict import Sentence
from opsconsole.web.words import count

_MOST_LINES = 1000


@dataclass(frozen=True)
class SlasContext:
    verdict: Sentence
    lines: Sequence[SlaLine]
    count: int


async def slas_context(console: Console, now: datetime) -> SlasContext:
    lines = promises.ordered(await console.promised(now))
    return SlasContext(sentence(lines), lines[:_MOST_LINES], len(lines))


def sentence(lines: Sequence[SlaLine]) -> Sentence:
    missed = [line for line in lines if line.status is Status.DOWN]
    risk = [line for line in lines if line.status is Status.DEGRADED]
    if missed:
        named = tuple(f"{line.name}, {line.dag_id}" for line in missed[:3])
        return Sentence(Status.DOWN, f"{count(len(missed), 'SLA')} missed", named)
    if risk:
        return Sentence(Status.DEGRADED, f"{count(len(risk), 'SLA')} at risk", tuple(line.name for line in risk[:3]))
    if not lines:
        return Sentence(Status.UNKNOWN, "No SLA is set up")
    if all(line.status is Status.UNKNOWN for line in lines):
        return Sentence(Status.UNKNOWN, "Nothing to judge yet", ("no Dag run that an SLA speaks of has been seen",))
    return Sentence(Status.OK, "Every SLA is met")


def build(console: Console, show: Show) -> APIRouter:
    router = APIRouter()

    async def every(now: datetime) -> tuple[Frame, SlasContext]:
        context = await slas_context(console, now)
        return Frame("SLAs", context.verdict.status, live=True), context

    @router.get("/slas")
    async def slas_page(request: Request) -> Response:
        return await show.shared(request, "slas", every)

    return router
