"""`/api/v1/incidents`: incidents as JSON, and what people do about them."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from opsconsole.alerts.handling import MOST_NAME, MOST_TEXT, HandlingError
from opsconsole.alerts.incidents import IncidentOver, Incidents, UnknownIncident
from opsconsole.db import incident_events, overview
from opsconsole.db.overview import IncidentRow
from opsconsole.settings import Duration
from opsconsole.web.console import Console
from opsconsole.web.errors import NotFound
from opsconsole.web.forms import LARGEST, body
from opsconsole.web.gate import Gate
from opsconsole.web.identity import Role

API = "/api/v1/incidents"
_LARGEST_ID = 2**63 - 1
"""More, no database takes."""
_MOST_ALERTS, _MOST_EVENTS, _MOST_DELIVERIES = 500, 500, 200
Id = Annotated[int, Path(ge=0, le=_LARGEST_ID)]
Before = Annotated[int | None, Query(ge=0, le=_LARGEST_ID)]
Limit = Annotated[int, Query(ge=1, le=500)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Nothing(_Body):
    """No more needs to be said."""


class Assignment(_Body):
    """An empty `assignee` is nobody."""

    assignee: str = Field(max_length=MOST_NAME)


class Note(_Body):
    text: str = Field(min_length=1, max_length=MOST_TEXT)


class Snooze(_Body):
    """Until a time (RFC 3339), or for so long, such as `2h`."""

    until: AwareDatetime | None = None
    for_: Duration | None = Field(default=None, alias="for")

    @model_validator(mode="after")
    def _one(self) -> "Snooze":
        if (self.until is None) == (self.for_ is None):
            raise ValueError("give `until` or `for`")
        return self

    def end(self, now: datetime) -> datetime:
        return self.until if self.until is not None else now + (self.for_ or timedelta(0))


Act = Callable[[Incidents, int, Any, str, datetime], Awaitable[object]]
_VERBS: Mapping[str, tuple[type[_Body], str, Act]] = {
    "acknowledge": (Nothing, "Somebody has seen to it", lambda on, id, _, who, now: on.acknowledge(id, who, now, "api")),
    "unacknowledge": (Nothing, "Nobody has any more", lambda on, id, _, who, now: on.unacknowledge(id, who, now, "api")),
    "assign": (Assignment, "It is somebody's", lambda on, id, said, who, now: on.assign(id, said.assignee, who, now, "api")),
    "note": (Note, "Write into its diary", lambda on, id, said, who, now: on.note(id, said.text, who, now, "api")),
    "resolve": (Nothing, "It is over, whatever its alerts say", lambda on, id, _, who, now: on.resolve(id, who, now, "api")),
    "snooze": (Snooze, "Tell nothing for a while", lambda on, id, said, who, now: on.snooze(id, said.end(now), who, now, "api")),
    "unsnooze": (Nothing, "Tell again", lambda on, id, _, who, now: on.unsnooze(id, who, now, "api")),
}


class _Refused(Exception):
    """With the status to answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def build(console: Console, gate: Gate) -> APIRouter:
    """Reading for viewers, acting for operators. No other site can send JSON, so that acting needs no token."""
    router = APIRouter()
    reads, acts = [Depends(gate.reads())], [Depends(gate.reads(Role.OPERATOR))]

    @router.get(API, dependencies=reads, summary="Incidents: open ones the worst first, closed ones the newest first")
    async def listed(state: Literal["open", "closed"] = "open", limit: Limit = 100, before: Before = None) -> Response:
        async with console.db.read() as session:
            if state == "open":
                rows = await overview.open_incidents(session, limit)
            else:
                rows = await overview.closed_incidents(session, limit, before)
        return JSONResponse({"incidents": [_written(row) for row in rows]})

    @router.get(f"{API}/{{incident_id}}", dependencies=reads, summary="One, with its alerts, diary and messages")
    async def one(incident_id: Id) -> Response:
        return JSONResponse(await _whole(console, incident_id))

    for verb, (form, summary, act) in _VERBS.items():
        router.add_api_route(
            f"{API}/{{incident_id}}/{verb}",
            _acting(console, form, act),
            methods=["POST"],
            dependencies=acts,
            summary=summary,
            openapi_extra=_described(form),
        )
    return router


def _acting(console: Console, form: type[_Body], act: Act) -> Callable[[Request, int], Awaitable[Response]]:
    async def endpoint(request: Request, incident_id: Id) -> Response:
        try:
            said = await _said(request, form)
            if console.incidents is None:
                raise _Refused(409, "this console keeps no incidents")
            await act(console.incidents, incident_id, said, request.state.identity.name, console.clock.now())
        except UnknownIncident:
            raise NotFound(f"there is no incident {incident_id}") from None
        except IncidentOver:
            return JSONResponse({"error": f"incident {incident_id} is closed"}, 409)
        except HandlingError as error:
            return JSONResponse({"error": str(error)}, 422)
        except _Refused as error:
            return JSONResponse({"error": str(error)}, error.status)
        return JSONResponse(await _whole(console, incident_id))

    return endpoint


async def _said(request: Request, form: type[_Body]) -> _Body:
    """The request's body; none at all is an empty one."""
    sent = await body(request, LARGEST)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent and kind != "application/json":
        raise _Refused(415, "send application/json")
    try:
        return form.model_validate(json.loads(sent) if sent.strip() else {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise _Refused(422, f"{place}: {first['msg']}" if place else first["msg"]) from None
    except (ValueError, RecursionError):
        raise _Refused(400, "this is not JSON") from None


async def _whole(console: Console, incident_id: int) -> dict[str, Any]:
    async with console.db.read() as session:
        row = await overview.incident(session, incident_id)
        if row is None:
            raise NotFound(f"there is no incident {incident_id}")
        alerts = await overview.alerts_of(session, incident_id, _MOST_ALERTS)
        events = await incident_events.of(session, incident_id, _MOST_EVENTS)
        deliveries = await overview.deliveries_of(session, incident_id, _MOST_DELIVERIES)
    return {
        **_written(row),
        "alerts": [_json(asdict(alert)) for alert in alerts],
        "events": [_json(asdict(event)) for event in events],
        "deliveries": [_json(asdict(delivery)) for delivery in deliveries],
    }


def _written(row: IncidentRow) -> dict[str, Any]:
    written: dict[str, Any] = _json(asdict(row))
    counted = {name: written.pop(name) for name in ("sent", "owed", "failed")}
    firing, alerts = written.pop("firing"), written.pop("alerts")
    return {
        **written,
        "state": "open" if row.closed_at is None else "closed",
        "counts": {"firing": firing, "alerts": alerts, **counted},
    }


def _json(value: Any) -> Any:
    """Times as RFC 3339."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {key: _json(inner) for key, inner in value.items()}
    return [_json(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _described(form: type[_Body]) -> dict[str, Any]:
    """The request's body, for the OpenAPI document."""
    schema = form.model_json_schema()
    return {"requestBody": {"required": bool(schema.get("properties")), "content": {"application/json": {"schema": schema}}}}
