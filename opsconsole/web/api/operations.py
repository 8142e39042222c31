"""`/-/reload`: read the configuration again."""

from fastapi import APIRouter, Depends
from starlette.responses import PlainTextResponse, Response

from opsconsole.secrets import redacted
from opsconsole.web.console import Console
from opsconsole.web.gate import Gate
from opsconsole.web.identity import Role


def build(console: Console, gate: Gate) -> APIRouter:
    router = APIRouter(dependencies=[Depends(gate.needs(Role.ADMIN))])

    @router.post("/-/reload")
    async def reload() -> Response:
        if console.reload is None:
            return PlainTextResponse("this console was started without a configuration that can be read again\n", 409)
        problems = console.reload()
        if problems:
            return PlainTextResponse(redacted("\n".join([*problems, "the running configuration stays"])) + "\n", 422)
        return PlainTextResponse("reloading\n", 202)

    return router
