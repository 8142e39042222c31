"""What a browser, htmx or a script is told when it does not get what it asked for."""

import logging

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from opsconsole.web.errors import NotFound
from opsconsole.web.gate import LoginNeeded, Refused, safe_target
from opsconsole.web.templating import Show, own_path

log = logging.getLogger(__name__)

_TITLES = {
    400: "That request makes no sense",
    403: "Not allowed",
    404: "Not found",
    405: "Not allowed here",
    408: "That took too long",
    413: "That is too much",
    500: "Something broke",
    503: "The database does not answer",
}


_PROMETHEUS = {404: "404 page not found\n", 405: "Method Not Allowed\n"}
"""What its clients are told where there is nothing: they look at what a Prometheus of their version would have."""


def _nowhere(path: str) -> str:
    """Whoever gives a client the bare address as Prometheus' lands below `/api/v1/`."""
    return "there is no such page" + ("; Prometheus' HTTP API is below /prometheus" if path.startswith("/api/v1/") else "")


class Refusals:
    """Error pages for people, one line of JSON or text for scripts."""

    def __init__(self, show: Show, prefix: str) -> None:
        self._show, self._prefix = show, prefix

    def install(self, app: FastAPI) -> None:
        app.add_exception_handler(LoginNeeded, self.login_needed)
        app.add_exception_handler(Refused, self.refused)
        app.add_exception_handler(NotFound, self.not_found)
        app.add_exception_handler(HTTPException, self.http)
        app.add_exception_handler(RequestValidationError, self.invalid)
        for kind in (OperationalError, InterfaceError, PoolTimeoutError):
            app.add_exception_handler(kind, self.without_database)

    async def login_needed(self, request: Request, error: Exception) -> Response:
        """A page leads to the login and back; htmx is told to load the login whole; a script gets 401."""
        if request.headers.get("hx-request") == "true":
            return Response(status_code=401, headers={"HX-Refresh": "true"})
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            target = safe_target(own_path(request, self._prefix))
            return self._show.redirect("/login", next="" if target == "/" else target)
        return JSONResponse({"error": "log in, or show an API key"}, 401, {"WWW-Authenticate": "Bearer"})

    async def refused(self, request: Request, error: Exception) -> Response:
        return self._said(request, 403, str(error))

    async def not_found(self, request: Request, error: Exception) -> Response:
        return self._said(request, 404, str(error))

    async def http(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if own_path(request, self._prefix).startswith("/prometheus/") and status in _PROMETHEUS:
            return PlainTextResponse(_PROMETHEUS[status], status, getattr(error, "headers", None))
        said = _nowhere(own_path(request, self._prefix)) if status == 404 else str(getattr(error, "detail", ""))
        return self._said(request, status, said)

    async def invalid(self, request: Request, error: Exception) -> Response:
        return self._said(request, 404, "there is no such page")

    async def without_database(self, request: Request, error: Exception) -> Response:
        """It is away, locked or full: known from the log and from `/readyz`, and no reason for a traceback at each request."""
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        log.warning("a request could not be answered for want of the database", extra={"error": reason})
        answer = self._said(request, 503, "the database does not answer; what is shown may be had again in a moment")
        answer.headers["Retry-After"] = "5"
        return answer

    async def broken(self, request: Request, error_id: str) -> Response:
        return self._said(request, 500, f"the console's log has the details under {error_id}")

    def _said(self, request: Request, status: int, text: str) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return self._show.bare("error.html", status, title=_TITLES.get(status, "Error"), text=text, status=status)
        return JSONResponse({"error": text}, status)
