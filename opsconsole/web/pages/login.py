"""`/login` and `/logout`."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from opsconsole.web.callers import bucket, caller
from opsconsole.web.console import Console
from opsconsole.web.forms import fields
from opsconsole.web.gate import COOKIE, LIFETIME, Gate, Refused, safe_target
from opsconsole.web.signing_in import Logins
from opsconsole.web.templating import Show
from opsconsole.web.words import duration

_LONGEST_NAME = 200


def build(console: Console, show: Show, gate: Gate, logins: Logins) -> APIRouter:
    """`/login` is open to everybody; `/logout` is guarded here, since the router is not."""
    router, proxies = APIRouter(), console.server.proxies

    def form(problem: str, target: str, name: str = "", status_code: int = 200) -> Response:
        return show.bare("login.html", status_code, problem=problem, target=target, name=name)

    @router.get("/login")
    async def login_page(request: Request, next: str = "/") -> Response:
        target = safe_target(next)
        if await gate.identify(request) is not None:
            return show.redirect(target)
        return form("", target)

    @router.post("/login")
    async def login(request: Request) -> Response:
        if not gate.same_origin(request):
            raise Refused("this login was sent from another site")
        sent = await fields(request)
        name, password = sent.get("name", "")[:_LONGEST_NAME], sent.get("password", "")
        target = safe_target(sent.get("next", "/"))
        outcome = await logins.login(name, password, bucket(caller(request, proxies)))
        if outcome.wait:
            answer = form(f"Too many attempts. Try again in {duration(outcome.wait)}.", target, name, 429)
            answer.headers["Retry-After"] = str(int(outcome.wait.total_seconds()) + 1)
            return answer
        if outcome.problem:
            return form("Wrong name or password.", target, name, 401)
        response = show.redirect(target)
        response.set_cookie(
            COOKIE,
            outcome.token,
            max_age=int(LIFETIME.total_seconds()),
            path=console.server.prefix or "/",
            secure=console.server.is_https,
            httponly=True,
            samesite="lax",
        )
        return response

    @router.post("/logout")
    async def logout(request: Request) -> Response:
        await gate.needs()(request)
        if token := request.cookies.get(COOKIE):
            await logins.logout(token)
        response = show.redirect("/login")
        response.delete_cookie(COOKIE, path=console.server.prefix or "/")
        return response

    return router
