"""`/dashboards` and one of them: numbers and tables in the page itself, charts fetched by the page's script."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from opsconsole.dashboards import variables
from opsconsole.dashboards.figures import Item, figure, items, window
from opsconsole.dashboards.model import Dashboard, Panel
from opsconsole.dashboards.variables import bind
from opsconsole.model import QueryError, QueryResult
from opsconsole.web.console import Console
from opsconsole.web.errors import NotFound
from opsconsole.web.linking import Ask, chart_of
from opsconsole.web.templating import Frame, Show, segment

RANGES = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "3h": timedelta(hours=3),
    "12h": timedelta(hours=12),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
_USUAL = "3h"
_BEGUN = 'min(min_over_time(timestamp(opsconsole_collector_up{deployment="$deployment"})[3h:5m]))'
_STATSD_RECEIVED = 'last_over_time(airflow_statsd_last_received_timestamp_seconds{deployment="$deployment"}[1d])'
_REFRESH = "sse:tick throttle:30s"
"""Seldom: a panel may ask for a month."""


@dataclass(frozen=True, slots=True)
class Need:
    """What an empty panel lacks, and where that is explained."""

    text: str
    link: str


_STATSD = Need("needs StatsD, which this deployment does not send", "/docs/runbooks/statsd-silent")


@dataclass(frozen=True, slots=True)
class PanelView:
    """A panel to draw: `figure` is where its chart is fetched from, `items` what it shows of the present, `asks` explore it."""

    panel: Panel
    asks: Sequence[Ask] = ()
    figure: str = ""
    items: Sequence[Item] = ()
    problem: str = ""
    needs: Need | None = None


@dataclass(frozen=True)
class DashboardContext:
    dashboard: Dashboard
    deployments: Sequence[str]
    deployment: str
    ranges: Sequence[str]
    range: str
    panels: Sequence[PanelView]
    others: Sequence[Dashboard]


async def dashboard_context(
    console: Console, dashboard: Dashboard, deployment: str, span: str, now: datetime
) -> DashboardContext:
    views = await asyncio.gather(
        *(_view(console, dashboard, index, deployment, span, now) for index in range(len(dashboard.panels)))
    )
    return DashboardContext(
        dashboard, [each.name for each in console.deployments], deployment, list(RANGES), span, views, console.dashboards
    )


async def _view(console: Console, dashboard: Dashboard, index: int, deployment: str, span: str, now: datetime) -> PanelView:
    panel = dashboard.panels[index]
    bound = _variables(deployment, RANGES[span], now)
    asks = _asks(panel, bound, span)
    if panel.show in ("line", "bar"):
        figure = f"/dashboards/{segment(dashboard.slug)}/panels/{index}?deployment={segment(deployment)}&range={span}"
        return PanelView(panel, asks, figure)
    try:
        queries = (console.querier.instant(bind(query.expr, bound), now) for query in panel.queries)
        found = items(panel, await asyncio.gather(*queries))
        return PanelView(panel, asks, items=found, needs=None if found else await _lacking(console, panel, deployment, now))
    except QueryError as error:
        return PanelView(panel, asks, problem=str(error))


def _variables(deployment: str, length: timedelta, now: datetime) -> dict[str, str]:
    return variables.values(deployment, length, window(now, length).step)


def _asks(panel: Panel, bound: Mapping[str, str], span: str) -> list[Ask]:
    """A link for each query; several bear their legends, or numbers where those are labels."""
    exprs = [bind(query.expr, bound) for query in panel.queries]
    plain = [query.legend if "{{" not in query.legend else "" for query in panel.queries]
    names = ["Explore"] if len(exprs) == 1 else [name or f"query {index}" for index, name in enumerate(plain, 1)]
    return [Ask(name, expr, chart_of(expr, span)) for name, expr in zip(names, exprs, strict=True)]


async def _lacking(console: Console, panel: Panel, deployment: str, now: datetime) -> Need | None:
    """What an empty panel waits for in vain: nothing of its only source has come from the deployment for a day."""
    if panel.needs != "statsd":
        return None
    received = await console.querier.instant(bind(_STATSD_RECEIVED, {"deployment": deployment}), now)
    return None if received.points else _STATSD


async def _fitting(console: Console, deployment: str, now: datetime) -> str:
    """The usual range, or a shorter one while the deployment is watched for less: a line at the right edge tells nothing."""
    try:
        found = await console.querier.instant(bind(_BEGUN, {"deployment": deployment}), now)
    except QueryError:
        return _USUAL
    watched = timedelta(seconds=now.timestamp() - found.points[0].value) if found.points else timedelta()
    return next((name for name, length in RANGES.items() if watched <= length), _USUAL)


async def _ranges(
    console: Console, show: Show, panel: Panel, deployment: str, length: timedelta, now: datetime
) -> dict[str, object]:
    span, bound = window(now, length), _variables(deployment, length, now)
    results: list[QueryResult] = await asyncio.gather(
        *(console.querier.range(bind(query.expr, bound), span.start, span.end, span.step) for query in panel.queries)
    )
    made = figure(panel, results, span)
    if not made["data"] and (need := await _lacking(console, panel, deployment, now)):
        made["needs"] = {"text": need.text, "link": show.url(need.link)}
    return made


def build(console: Console, show: Show) -> APIRouter:
    router = APIRouter()

    def found(slug: str) -> Dashboard:
        for dashboard in console.dashboards:
            if dashboard.slug == slug:
                return dashboard
        raise NotFound(f"no dashboard is called {slug!r}")

    def chosen(deployment: str) -> str:
        if deployment and console.deployment(deployment) is None and deployment != "unassigned":
            raise NotFound(f"no deployment is called {deployment!r}")
        return deployment or (console.deployments[0].name if console.deployments else "")

    @router.get("/dashboards")
    async def dashboards_page(request: Request, deployment: str = "") -> Response:
        context = (console.dashboards, chosen(deployment))
        return await show.page(request, "dashboards", Frame("Dashboards"), context, console.clock.now())

    @router.get("/dashboards/{slug}")
    async def dashboard_page(request: Request, slug: str, deployment: str = "", range: str = "") -> Response:
        now, dashboard, name = console.clock.now(), found(slug), chosen(deployment)
        span = range if range in RANGES else await _fitting(console, name, now)
        context = await dashboard_context(console, dashboard, name, span, now)
        frame = Frame(context.dashboard.title, live=True, charts=True, refresh=_REFRESH)
        return await show.page(request, "dashboard", frame, context, now)

    @router.get("/dashboards/{slug}/panels/{index}")
    async def panel_figure(slug: str, index: int, deployment: str = "", range: str = _USUAL) -> Response:
        dashboard = found(slug)
        if not 0 <= index < len(dashboard.panels):
            raise NotFound(f"dashboard {slug!r} has no panel {index}")
        length = RANGES.get(range, RANGES[_USUAL])
        try:
            panel, now = dashboard.panels[index], console.clock.now()
            return JSONResponse(await _ranges(console, show, panel, chosen(deployment), length, now))
        except QueryError as error:
            return JSONResponse({"problem": str(error)}, 422)

    return router
