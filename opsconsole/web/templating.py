"""Rendering: one template a page, wrapped in the frame for a browser and bare for htmx."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from opsconsole import __version__
from opsconsole.db import overview
from opsconsole.model import Status
from opsconsole.web import words
from opsconsole.web.assets import Assets
from opsconsole.web.console import Console
from opsconsole.web.together import Together

_TEMPLATES = Path(__file__).parent / "templates"
_SHAPES = {Status.OK: "● ", Status.DEGRADED: "▲ ", Status.DOWN: "■ ", Status.UNKNOWN: "◇ "}
NAVIGATION = (
    ("/", "Overview"),
    ("/incidents", "Incidents"),
    ("/slas", "SLAs"),
    ("/heartbeats", "Heartbeats"),
    ("/dashboards", "Dashboards"),
    ("/explore", "Explore"),
    ("/rules", "Rules"),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a page: its name and state, whether it refreshes itself, and the nav's count of incidents.

    The state's shape always stands in the browser's tab; `marked` puts it before the heading too. `script` is a file of the
    page's own.
    """

    title: str
    status: Status | None = None
    live: bool = False
    incidents: int | None = None
    tags: Sequence[str] = field(default_factory=tuple)
    charts: bool = False
    marked: bool = False
    script: str = ""
    refresh: str = "sse:change throttle:1s, sse:tick"

    @property
    def shape(self) -> str:
        return _SHAPES.get(self.status, "") if self.status else ""


@dataclass(frozen=True, slots=True)
class _Made:
    """A page's content, which is the same for everybody."""

    frame: Frame
    content: Markup
    now: datetime


class Show:
    """Turns a template and a context into an answer."""

    def __init__(self, console: Console, assets: Assets) -> None:
        self._console = console
        self._prefix = console.server.prefix
        self._together = Together[_Made]()
        self._env = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.globals |= {
            "url": self.url,
            "static": lambda name: self._prefix + assets.address(name),
            "plotly_style": lambda: assets.plotly_style,
            "navigation": NAVIGATION,
            "version": __version__,
            "component_name": lambda name: words.NAMES.get(name, name),
            "severity_status": words.of_severity,
        }
        self._env.filters |= {
            "duration": words.duration,
            "age": words.age,
            "clock": words.clock,
            "iso": lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "count": words.count,
            "segment": segment,
        }

    def url(self, path: str, **query: Any) -> str:
        """An address of our own below the prefix; empty values are left out."""
        given = {name: str(value) for name, value in query.items() if value not in (None, "")}
        return self._prefix + path + (f"?{urlencode(given)}" if given else "")

    def render(self, template: str, **context: Any) -> str:
        return self._env.get_template(template).render(**context)

    async def page(self, request: Request, template: str, frame: Frame, context: Any, now: datetime) -> Response:
        """The page; where htmx asks for its content only, that."""
        return self._framed(request, await self._made(template, frame, context, now))

    async def shared(self, request: Request, template: str, make: Callable[[datetime], Awaitable[tuple[Frame, Any]]]) -> Response:
        """The same for a page that every viewer's browser asks for at the same moment: when something has changed."""

        async def work() -> _Made:
            now = self._console.clock.now()
            return await self._made(template, *await make(now), now)

        return self._framed(request, await self._together.do((template, own_path(request, self._prefix)), work))

    async def _made(self, template: str, frame: Frame, context: Any, now: datetime) -> "_Made":
        if frame.incidents is None:
            async with self._console.db.read() as session:
                frame = replace(frame, incidents=await overview.count_open_incidents(session))
        content = self.render(f"pages/{template}.html", page=context, now=now, frame=frame)
        return _Made(frame, Markup(content), now)  # noqa: S704

    def _framed(self, request: Request, made: "_Made") -> Response:
        """With what is this viewer's own."""
        values = {"content": made.content, "now": made.now, "frame": made.frame}
        if request.headers.get("hx-request") == "true":
            return HTMLResponse(self.render("fresh.html", **values), headers={"Vary": "HX-Request"})
        identity, here = getattr(request.state, "identity", None), own_path(request, self._prefix)
        whole = self.render("frame.html", here=here, identity=identity, **values)
        return HTMLResponse(whole, headers={"Vary": "HX-Request"})

    def bare(self, template: str, status_code: int = 200, **context: Any) -> Response:
        return HTMLResponse(self.render(template, **context), status_code)

    def redirect(self, path: str, **query: Any) -> RedirectResponse:
        return RedirectResponse(self.url(path, **query), 303)


def own_path(request: Request, prefix: str) -> str:
    """The request's path and query below the prefix, whether or not a proxy took that off."""
    path: str = request.scope["path"]
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        path = path[len(prefix) :]
    return (path or "/") + (f"?{request.url.query}" if request.url.query else "")


def segment(text: str) -> str:
    """`text` as one segment of a path."""
    return quote(text, safe="")
