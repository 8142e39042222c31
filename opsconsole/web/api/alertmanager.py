"""`/alertmanager`: Alertmanager's API v2, so that a Prometheus can send its alerts here and `amtool` works.

Status codes, bodies and words are those of Alertmanager 0.25, `api/v2/api.go`; `alertmanager_forms.py` reads and
`alertmanager_json.py` writes.
"""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from opsconsole.alerts.keeper import AlertKeeper
from opsconsole.alerts.silencing import Silences
from opsconsole.web.api import probes
from opsconsole.web.api.alertmanager_alerts import AlertsApi
from opsconsole.web.api.alertmanager_answer import check_accepted, rejected, said, words
from opsconsole.web.api.alertmanager_config import NOBODY, original
from opsconsole.web.api.alertmanager_forms import BadRequest, Rejected
from opsconsole.web.api.alertmanager_silences import SilencesApi
from opsconsole.web.api.go_time import written
from opsconsole.web.console import Console
from opsconsole.web.gate import Gate
from opsconsole.web.identity import Role

BASE = "/alertmanager"
API = f"{BASE}/api/v2"
_SPOKEN = "0.25.0"
"""The Alertmanager whose API this is; clients look at it to know what they may ask."""

Handler = Callable[[Request], Awaitable[Response]]
Methods = Mapping[str, Handler]


def routes(console: Console, gate: Gate) -> list[Route]:
    """The routes to add to the application; none where nobody keeps alerts."""
    if console.keeper is None or console.silences is None:
        return []
    table = _table(console, console.keeper, console.silences)
    endpoint = _endpoint(table, gate)
    every = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    return [
        Route(f"{API}/silence/{{silence_id}}", endpoint, methods=every, include_in_schema=False),
        Route(f"{API}/{{path:path}}", endpoint, methods=every, include_in_schema=False),
        Route(f"{BASE}/-/healthy", _probe(console, gate, vital=True), methods=["GET", "HEAD"], include_in_schema=False),
        Route(f"{BASE}/-/ready", _probe(console, gate, vital=False), methods=["GET", "HEAD"], include_in_schema=False),
        Route(f"{BASE}/", _to_incidents(console), methods=["GET"], include_in_schema=False),
    ]


def _table(console: Console, keeper: AlertKeeper, silences: Silences) -> dict[str, Methods]:
    """What is answered where; the keys are paths below `API`."""
    alerts, silencing = AlertsApi(console, keeper), SilencesApi(console.clock, silences)
    began = console.clock.now()

    async def receivers(request: Request) -> Response:
        names = [receiver.name for receiver in console.receivers]
        return said([{"name": name} for name in names or [NOBODY]])

    async def status(request: Request) -> Response:
        version = {"branch": "opsconsole", "buildDate": "", "buildUser": "", "goVersion": "", "revision": "", "version": _SPOKEN}
        return said(
            {
                "cluster": {"peers": [], "status": "disabled"},
                "config": {"original": original(console.alerting, console.receivers)},
                "uptime": written(began),
                "versionInfo": version,
            }
        )

    return {
        "alerts": {"GET": alerts.listed, "POST": alerts.posted},
        "alerts/groups": {"GET": alerts.grouped},
        "silences": {"GET": silencing.listed, "POST": silencing.posted},
        "silence/": {"DELETE": silencing.expired, "GET": silencing.one},
        "receivers": {"GET": receivers},
        "status": {"GET": status},
    }


def _endpoint(table: Mapping[str, Methods], gate: Gate) -> Handler:
    """No browser sends JSON or DELETE to another site without asking first, so what changes something needs no token."""
    reads, writes = gate.reads(Role.VIEWER), gate.reads(Role.OPERATOR)

    async def endpoint(request: Request) -> Response:
        await (reads if request.method in ("GET", "HEAD", "OPTIONS") else writes)(request)
        try:
            return await _found(table, request)(request)
        except Rejected as error:
            return rejected(error)
        except BadRequest as error:
            return words(400, str(error))

    return endpoint


def _found(table: Mapping[str, Methods], request: Request) -> Handler:
    """Raises Rejected."""
    silence = "silence_id" in request.path_params
    path = "silence/" if silence else request.path_params["path"].rstrip("/")
    if path not in table:
        raise Rejected(404, f"path /api/v2/{request.path_params['path']} was not found")
    methods = table[path]
    if request.method not in methods:
        raise Rejected(405, f"method {request.method} is not allowed, but [{','.join(methods)}] are", ",".join(methods))
    if request.method == "GET":
        check_accepted(request)
    return methods[request.method]


def _probe(console: Console, gate: Gate, *, vital: bool) -> Handler:
    async def probe(request: Request) -> Response:
        checks = [check for check in console.checks if check.vital or not vital]
        answer = await probes.answer(checks, request, console.clock.now(), gate)
        return PlainTextResponse("OK") if answer.status_code == 200 and not request.query_params else answer

    return probe


def _to_incidents(console: Console) -> Handler:
    """Where people go who open the address that Alertmanager's own page would have."""

    async def redirect(request: Request) -> Response:
        return RedirectResponse(f"{console.server.prefix}/incidents", 303)

    return redirect
