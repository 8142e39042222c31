"""`/incidents`: what is wrong and what was; `/incidents/{id}`: one, with its facts, timeline and messages."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from opsconsole.dashboards.figures import figure, window
from opsconsole.dashboards.model import Panel, PanelQuery, Thresholds
from opsconsole.db import overview
from opsconsole.db.overview import AlertRow, DeliveryRow, IncidentRow
from opsconsole.model import Labels, QueryError, QueryResult, Status
from opsconsole.notify.message import failing_history
from opsconsole.web import runbooks
from opsconsole.web.console import Console
from opsconsole.web.errors import NotFound
from opsconsole.web.linking import chart_between
from opsconsole.web.runbooks import Runbook
from opsconsole.web.signal import Signal, signals
from opsconsole.web.templating import Frame, Show
from opsconsole.web.timeline import Event, timeline
from opsconsole.web.verdict import Sentence
from opsconsole.web.words import count, duration, of_severity

_PAGE = 50
_LARGEST_ID = 2**63 - 1
"""More, no database takes."""
Id = Annotated[int, Path(ge=0, le=_LARGEST_ID)]
Before = Annotated[int | None, Query(ge=0, le=_LARGEST_ID)]
_OUTWARD = ("http://", "https://")
_AROUND = timedelta(minutes=30)
_TIMESTAMPS = (1e9, 5e9)
"""Between these, a value is seconds since 1970: sizes in bytes are compared as ratios."""
_LONGEST_SHOWN = 120
"""Characters of an expression among the facts."""
_MOST_ALERTS, _MOST_EVENTS, _MOST_DELIVERIES = 100, 200, 100
_HIDDEN_FACTS = frozenset({"alertname", "severity"})
_FACT_NAMES = {"dag_id": "Dag", "task_id": "Task", "run_id": "Run", "sla": "SLA", "slug": "Heartbeat", "map_index": "Map index"}
_TOLD = (("try", "Try"), ("run_type", "Run type"), ("logical_date", "Logical date"), ("duration", "Duration"), ("owner", "Owner"))


@dataclass(frozen=True)
class IncidentsContext:
    verdict: Sentence
    open: Sequence[IncidentRow]
    open_count: int
    closed: Sequence[IncidentRow]
    older: int | None


@dataclass(frozen=True, slots=True)
class Fact:
    name: str
    text: str
    link: str = ""
    is_ours: bool = False


@dataclass(frozen=True)
class IncidentContext:
    """`explore` has for each alert's scope the path to its rule's expression, where it is of a rule."""

    incident: IncidentRow
    leading: AlertRow | None
    alerts: Sequence[AlertRow]
    facts: Sequence[Fact]
    events: Sequence[Event]
    deliveries: Sequence[DeliveryRow]
    runbook: Runbook | None
    has_chart: bool
    explore: Mapping[str, str]


async def incidents_context(console: Console, now: datetime, before: int | None) -> IncidentsContext:
    async with console.db.read() as session:
        opened = await overview.open_incidents(session, 200)
        open_count = await overview.count_open_incidents(session)
        closed = await overview.closed_incidents(session, _PAGE + 1, before)
    older = closed[_PAGE - 1].id if len(closed) > _PAGE else None
    return IncidentsContext(_sentence(opened, open_count, now), opened, open_count, closed[:_PAGE], older)


def _sentence(opened: Sequence[IncidentRow], open_count: int, now: datetime) -> Sentence:
    if not opened:
        return Sentence(Status.OK, "No open incident")
    worst = opened[0]
    details = (f"worst: {worst.title}, open for {duration(now - worst.opened_at)}",)
    return Sentence(of_severity(worst.severity), count(open_count, "open incident"), details)


async def incident_context(console: Console, incident: IncidentRow, now: datetime) -> IncidentContext:
    async with console.db.read() as session:
        alerts = await overview.alerts_of(session, incident.id, _MOST_ALERTS)
        transitions = await overview.transitions_of(session, incident.id, _MOST_EVENTS)
        deliveries = await overview.deliveries_of(session, incident.id, _MOST_DELIVERIES)
    leading = alerts[0] if alerts else None
    rules = {scope: console.alerting_rule(scope) for scope in {alert.scope for alert in alerts}}
    runbook_url = leading.annotations.get("runbook_url", "") if leading else ""
    return IncidentContext(
        incident,
        leading,
        alerts,
        facts(incident, leading, console, now),
        timeline(incident, alerts, transitions, deliveries),
        deliveries,
        runbooks.find(console.runbooks, runbooks.name_in(runbook_url)),
        leading is not None and rules[leading.scope] is not None,
        {scope: explored(rule.expr, incident, now) for scope, rule in rules.items() if rule},
    )


def facts(incident: IncidentRow, leading: AlertRow | None, console: Console, now: datetime) -> list[Fact]:
    """What a reader needs to act, in a fixed order; what is not known is left out."""
    lasted = f", lasted {duration(incident.lasted(now))}" if incident.closed_at else ""  # while it is open, the page counts
    found = [Fact("Since", f"{incident.opened_at:%d %b %H:%M:%S} UTC{lasted}")]
    if incident.acknowledged_at:
        found.append(Fact("Acknowledged", f"by {incident.acknowledged_by} at {incident.acknowledged_at:%H:%M:%S} UTC"))
    if leading is None:
        return found
    labels: Mapping[str, str] = leading.labels
    for name, value in labels.items():
        if name == "deployment" and console.deployment(value):
            found.append(Fact("Deployment", value, f"/deployments/{value}", is_ours=True))
        elif name not in _HIDDEN_FACTS:
            found.append(Fact(_FACT_NAMES.get(name, name.replace("_", " ").capitalize()), value))
    told = leading.annotations
    found += [Fact(title, told[name]) for name, title in _TOLD if told.get(name)]
    if history := failing_history(told, incident.closed_at or now):
        found.append(Fact("History", history))
    if leading.value is not None and leading.scope.startswith("rules/"):
        found.append(Fact("Value", _value(leading.value)))
    name = labels.get("alertname", "")
    found.append(Fact("Alert", name, f"/rules#{name}" if leading.scope.startswith("rules/") else "", is_ours=True))
    if rule := console.alerting_rule(leading.scope):
        found.append(Fact("Expression", _shortened(rule.expr), explored(rule.expr, incident, now), is_ours=True))
    links = (("log_url", "Task log"), ("run_url", "Run in Airflow"))
    found += [Fact(title, "open", told[name]) for name, title in links if told.get(name, "").startswith(_OUTWARD)]
    return found


def explored(expr: str, incident: IncidentRow, now: datetime) -> str:
    """The path to the expression on the explore page, around the incident."""
    start, end = _around(incident, now)
    return chart_between(expr, start, end if incident.closed_at else None, now)


def _around(incident: IncidentRow, now: datetime) -> tuple[datetime, datetime]:
    """From half an hour before it to now, or to a quarter of an hour after it."""
    end = min(now, incident.closed_at + _AROUND / 2) if incident.closed_at else now
    return incident.opened_at - _AROUND, end


def _shortened(expr: str) -> str:
    text = " ".join(expr.split())
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _value(value: float) -> str:
    """A rule's value; what can only be a point in time is shown as one."""
    if _TIMESTAMPS[0] <= value < _TIMESTAMPS[1]:
        return f"{datetime.fromtimestamp(value, UTC):%d %b %H:%M:%S} UTC"
    return f"{round(value, 3):g}"


async def signal_figure(console: Console, expr: str, labels: Labels, incident: IncidentRow, now: datetime) -> dict[str, object]:
    """The rule's signal of this very alert around the incident, from half an hour before it."""
    start, end = _around(incident, now)
    span = window(end, end - start)
    empty = figure(Panel("signal", ()), [], span)
    for signal in signals(expr, console.recorded()):
        result = await console.querier.range(signal.expr, span.start, span.end, span.step)
        rows = [row for row in result.rows if _is_about(row.labels, labels)]
        if rows:
            panel = Panel("signal", (PanelQuery(signal.expr),), thresholds=_limit(signal))
            return figure(panel, [QueryResult("matrix", rows=rows)], span) | {"caption": signal.expr}
    return empty


def _is_about(series: Labels, alert: Labels) -> bool:
    return all(alert.get(name) == value for name, value in series.items() if name != "__name__" and name in alert)


def _limit(signal: Signal) -> Thresholds:
    if signal.limit is None:
        return Thresholds()
    return Thresholds(signal.limit, -math.inf) if signal.lower_is_worse else Thresholds(critical=signal.limit)


def build(console: Console, show: Show) -> APIRouter:
    router = APIRouter()

    @router.get("/incidents")
    async def incidents_page(request: Request, before: Before = None) -> Response:
        now = console.clock.now()
        context = await incidents_context(console, now, before)
        frame = Frame("Incidents", context.verdict.status, live=before is None, incidents=context.open_count)
        return await show.page(request, "incidents", frame, context, now)

    @router.get("/incidents/{incident_id}")
    async def incident_page(request: Request, incident_id: Id) -> Response:
        now = console.clock.now()
        async with console.db.read() as session:
            incident = await overview.incident(session, incident_id)
        if incident is None:
            raise NotFound(f"there is no incident {incident_id}")
        context = await incident_context(console, incident, now)
        status = Status.OK if incident.closed_at else of_severity(incident.severity)
        frame = Frame(incident.title, status, live=True, tags=(incident.severity,), charts=context.has_chart, marked=True)
        return await show.page(request, "incident", frame, context, now)

    @router.get("/incidents/{incident_id}/figure")
    async def incident_figure(incident_id: Id) -> Response:
        now = console.clock.now()
        async with console.db.read() as session:
            incident = await overview.incident(session, incident_id)
            alerts = await overview.alerts_of(session, incident_id, 1)
        rule = console.alerting_rule(alerts[0].scope) if alerts else None
        if incident is None or rule is None:
            raise NotFound(f"incident {incident_id} has no chart")
        try:
            made = await signal_figure(console, rule.expr, Labels(alerts[0].labels), incident, now)
            if "caption" in made:
                made["explore"] = show.url(explored(str(made["caption"]), incident, now))
            return JSONResponse(made)
        except QueryError as error:
            return JSONResponse({"problem": str(error)}, 422)

    return router
