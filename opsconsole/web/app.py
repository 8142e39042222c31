"""The web application: every page, every API, and the guard in front of them. It starts no loops."""

from fastapi import Depends, FastAPI

from opsconsole.web.api import alertmanager, events, operations, pings, probes, prometheus, remote_write
from opsconsole.web.api import incidents as incidents_api
from opsconsole.web.armour import Armour
from opsconsole.web.assets import Assets
from opsconsole.web.console import Console
from opsconsole.web.gate import Gate
from opsconsole.web.pages import dashboards, explore, heartbeats, incidents, login, overview, rules, runbooks, slas
from opsconsole.web.refusals import Refusals
from opsconsole.web.signing_in import Logins
from opsconsole.web.templating import Show

PAGES = (overview, incidents, heartbeats, slas, dashboards, explore, rules, runbooks)
"""Modules with `build(console, show)`; a new page is a module and its place here."""


def create_app(console: Console, logins: Logins | None = None) -> FastAPI:
    """The ASGI application. Behind a proxy it answers with and without the prefix of `public_url`."""
    assets = Assets()
    show, gate = Show(console, assets), Gate(console)
    refusals = Refusals(show, console.server.prefix)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    signed_in = [Depends(gate.needs())]
    for page in PAGES:
        app.include_router(page.build(console, show), dependencies=signed_in)
    app.include_router(events.build(console), dependencies=signed_in)
    app.include_router(login.build(console, show, gate, logins or Logins(console.db, console.clock)))
    app.include_router(probes.build(console, gate))
    app.include_router(operations.build(console, gate))
    app.include_router(incidents_api.build(console, gate))
    app.router.routes.extend(remote_write.routes(console, gate))
    app.include_router(prometheus.build(console, gate))
    app.router.routes.extend(alertmanager.routes(console, gate))
    app.router.routes.extend(pings.routes(console.writer, console.clock, console.ping_key))
    app.add_route("/static/{digest}/{name:path}", assets.serve, methods=["GET", "HEAD"])
    refusals.install(app)
    app.add_middleware(Armour, prefix=console.server.prefix, https=console.server.is_https, broken=refusals.broken)
    return app
