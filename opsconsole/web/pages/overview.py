"""`/`: the fleet at a glance, and `/deployments/{name}`: one of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from opsconsole.db import checks, overview
from opsconsole.db.overview import AlertRow, IncidentRow
from opsconsole.model import ComponentStatus, Status
from opsconsole.web import beats, collecting, fleet, promises, verdict
from opsconsole.web.beats import HeartbeatLine
from opsconsole.web.collecting import CollectorLine
from opsconsole.web.console import Console, Deployment
from opsconsole.web.errors import NotFound
from opsconsole.web.fleet import FleetRow
from opsconsole.web.promises import SlaLine
from opsconsole.web.templating import Frame, Show
from opsconsole.web.verdict import Sentence

_MOST_INCIDENTS, _MOST_FAILURES, _MOST_LINES = 12, 10, 8


@dataclass(frozen=True)
class OverviewContext:
    verdict: Sentence
    headings: Sequence[tuple[str, str]]
    rows: Sequence[FleetRow]
    incidents: Sequence[IncidentRow]
    open_count: int
    heartbeats: Sequence[HeartbeatLine]
    heartbeat_count: int
    failures: Sequence[AlertRow]
    slas: Sequence[SlaLine]
    sla_count: int
    problem: str


@dataclass(frozen=True)
class DeploymentContext:
    verdict: Sentence
    deployment: Deployment
    row: FleetRow
    components: Sequence[ComponentStatus]
    collectors: Sequence[CollectorLine]
    incidents: Sequence[IncidentRow]
    recent: Sequence[IncidentRow]
    heartbeats: Sequence[HeartbeatLine]
    failures: Sequence[AlertRow]
    slas: Sequence[SlaLine]
    dashboards: Sequence[tuple[str, str]]
    problem: str

    @property
    def fails_to_collect(self) -> bool:
        return any(line.status is not Status.OK for line in self.collectors)


async def overview_context(console: Console, now: datetime) -> OverviewContext:
    found = await fleet.readings(console, now)
    async with console.db.read() as session:
        firing = await fleet.troubles(session)
        incidents = await overview.open_incidents(session, _MOST_INCIDENTS)
        open_count = await overview.count_open_incidents(session)
        heartbeats = await beats.read(session, now, await checks.last_away(session))
        failures = await overview.newest_alerts(session, "failures/", _MOST_FAILURES)
    slas = promises.ordered(await console.promised(now))
    rows = fleet.rows(console.deployments, found, firing, heartbeats, slas, now)
    return OverviewContext(
        verdict.fleet(rows, incidents, open_count, now),
        list(zip(fleet.COLUMNS, fleet.HEADINGS, strict=True)),
        rows,
        incidents,
        open_count,
        heartbeats[:_MOST_LINES],
        len(heartbeats),
        failures,
        [line for line in slas if line.status is not Status.OK][:_MOST_LINES],
        len(slas),
        found.problem,
    )


async def deployment_context(console: Console, deployment: Deployment, now: datetime) -> DeploymentContext:
    found = await fleet.readings(console, now)
    async with console.db.read() as session:
        firing = await fleet.troubles(session)
        incidents = await overview.open_incidents(session, _MOST_INCIDENTS, deployment.name)
        recent = await overview.closed_incidents(session, 5, deployment=deployment.name)
        heartbeats = await beats.read(session, now, await checks.last_away(session))
        failures = await overview.newest_alerts(session, "failures/", _MOST_FAILURES, deployment.name)
    slas = promises.ordered(one for one in await console.promised(now) if one.deployment == deployment.name)
    [row] = fleet.rows([deployment], found, firing, heartbeats, slas, now)
    return DeploymentContext(
        verdict.fleet([row], incidents, len(incidents), now),
        deployment,
        row,
        sorted(row.statuses.values(), key=lambda stand: fleet.COLUMNS.index(stand.component)),
        collecting.lines(console.standings(deployment.name), found, deployment.interval, now),
        incidents,
        recent,
        [line for line in heartbeats if line.check.deployment == deployment.name],
        failures,
        slas,
        [(dashboard.slug, dashboard.title) for dashboard in console.dashboards],
        found.problem,
    )


def build(console: Console, show: Show) -> APIRouter:
    router = APIRouter()

    async def whole_fleet(now: datetime) -> tuple[Frame, OverviewContext]:
        context = await overview_context(console, now)
        status = context.verdict.status if context.rows else None
        return Frame("Overview", status, live=True, incidents=context.open_count), context

    @router.get("/")
    async def fleet_page(request: Request) -> Response:
        return await show.shared(request, "overview", whole_fleet)

    @router.get("/deployments/{name}")
    async def deployment_page(request: Request, name: str) -> Response:
        deployment = console.deployment(name)
        if deployment is None:
            raise NotFound(f"no deployment is called {name!r}")

        async def one(now: datetime) -> tuple[Frame, DeploymentContext]:
            context = await deployment_context(console, deployment, now)
            return Frame(name, context.verdict.status, live=True, marked=True), context

        return await show.shared(request, "deployment", one)

    return router
