"""`/docs/runbooks/{name}`: what to do, where the message and the incident page point to."""

from fastapi import APIRouter
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from opsconsole.web import runbooks
from opsconsole.web.console import Console
from opsconsole.web.errors import NotFound
from opsconsole.web.templating import Frame, Show


def build(console: Console, show: Show) -> APIRouter:
    router = APIRouter()

    @router.get("/docs/runbooks")
    async def runbooks_page(request: Request) -> Response:
        now = console.clock.now()
        return await show.page(request, "runbooks", Frame("Runbooks"), runbooks.every(console.runbooks), now)

    @router.get("/docs/runbooks/{name}")
    async def runbook_page(request: Request, name: str) -> Response:
        runbook = runbooks.find(console.runbooks, name)
        if runbook is None:
            raise NotFound(f"no runbook is called {name!r}")
        body: Markup = runbooks.rendered(runbook.body)
        return await show.page(request, "runbook", Frame(runbook.title), body, console.clock.now())

    return router
