"""`/api/v1/incidents` over HTTP: who may do what, and what is answered; on both databases."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from opsconsole.db import Database
from opsconsole.web.settings import AuthSettings
from tests.support import web
from tests.support.alerting import Bench, bench, finding

HOOK: dict[str, Any] = {"name": "hook", "webhook": {"url": "http://127.0.0.1:9/never"}}
AUTH = AuthSettings.model_validate(
    {
        "api_keys": [
            {"name": "robot", "key": "an-operator-key", "role": "operator"},
            {"name": "eye", "key": "a-viewer-key", "role": "viewer"},
        ]
    }
)
OPERATOR = {"Authorization": "Bearer an-operator-key"}
VIEWER = {"X-Api-Key": "a-viewer-key"}
API = "/api/v1/incidents"


@asynccontextmanager
async def served(db: Database) -> AsyncIterator[tuple[Bench, httpx.AsyncClient, str]]:
    """A console with one open incident, somebody who asks, and the incident's path."""
    async with bench(db, HOOK, route={"group_wait": "1s"}) as b:
        await b.say(finding())
        await b.dispatch(5)
        (incident,) = await b.incidents()
        console = replace(web.console(db, b.clock, auth=AUTH), incidents=b.handled)
        async with web.client(web.application(console), peer="203.0.113.9") as asking:
            yield b, asking, f"{API}/{incident.id}"


async def test_incidents_are_listed_and_told_whole(db: Database) -> None:
    async with served(db) as (_, asking, path):
        (listed,) = (await asking.get(API, headers=VIEWER)).json()["incidents"]
        assert (listed["state"], listed["deployment"], listed["counts"]["firing"]) == ("open", "prod", 1)
        whole = (await asking.get(path, headers=VIEWER)).json()
        assert listed == {name: whole[name] for name in listed}
        assert [event["kind"] for event in whole["events"]] == ["opened"]
        assert [alert["state"] for alert in whole["alerts"]] == ["firing"]
        assert [delivery["occasion"] for delivery in whole["deliveries"]] == ["opened"]
        assert (await asking.get(API, params={"state": "closed"}, headers=VIEWER)).json() == {"incidents": []}


async def test_each_verb_does_what_it_says_in_the_name_of_who_asks(db: Database) -> None:
    async with served(db) as (_, asking, path):

        async def does(verb: str, body: object = None) -> dict[str, Any]:
            answer = await asking.post(f"{path}/{verb}", json=body or {}, headers=OPERATOR)
            assert answer.status_code == 200, answer.text
            told: dict[str, Any] = answer.json()
            return told

        assert (await does("acknowledge"))["acknowledged_by"] == "robot"
        assert (await does("unacknowledge"))["acknowledged_by"] is None
        assert (await does("assign", {"assignee": "ben"}))["assignee"] == "ben"
        assert (await does("note", {"text": "restarting"}))["events"][-1]["text"] == "restarting"
        assert (await does("snooze", {"for": "2h"}))["snoozed_until"] == "2026-03-01T14:00:05Z"
        assert (await does("snooze", {"until": "2026-03-01T17:00:00+01:00"}))["snoozed_until"] == "2026-03-01T16:00:00Z"
        assert (await does("unsnooze"))["snoozed_until"] is None
        closed = await does("resolve")
        assert (closed["state"], closed["resolved_by"]) == ("closed", "robot")
        assert {(event["who"], event["via"]) for event in closed["events"][1:]} == {("robot", "api")}


async def test_an_acknowledgement_needs_no_body(db: Database) -> None:
    async with served(db) as (_, asking, path):
        answer = await asking.post(f"{path}/acknowledge", headers=OPERATOR)
        assert (answer.status_code, answer.json()["acknowledged_by"]) == (200, "robot")


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 401), (VIEWER, 403), ({"X-Api-Key": "wrong"}, 401)], ids=["nobody", "a viewer", "a wrong key"]
)
async def test_only_operators_act(db: Database, headers: dict[str, str], status: int) -> None:
    async with served(db) as (b, asking, path):
        assert (await asking.post(f"{path}/acknowledge", headers=headers)).status_code == status
        assert (await b.incidents())[0].acknowledged_at is None


@pytest.mark.parametrize(
    ("verb", "body", "status"),
    [
        ("snooze", {}, 422),
        ("snooze", {"for": "2h", "until": "2026-03-01T16:00:00Z"}, 422),
        ("snooze", {"for": "-2h"}, 422),
        ("snooze", {"for": "9000d"}, 422),
        ("snooze", {"until": "2026-03-01T16:00:00"}, 422),
        ("snooze", {"until": "0001-01-01T00:00:00+23:59"}, 422),
        ("note", {"text": " "}, 422),
        ("note", {"text": "x" * 4001}, 422),
        ("note", {"text": 7}, 422),
        ("assign", {"asignee": "ben"}, 422),
        ("assign", [], 422),
    ],
)
async def test_a_body_that_makes_no_sense_is_told(db: Database, verb: str, body: object, status: int) -> None:
    async with served(db) as (_, asking, path):
        answer = await asking.post(f"{path}/{verb}", json=body, headers=OPERATOR)
        assert (answer.status_code, bool(answer.json()["error"])) == (status, True)
        assert len((await asking.get(path, headers=VIEWER)).json()["events"]) == 1


@pytest.mark.parametrize("sent", ["{", "\ud800".encode("utf-8", "surrogatepass"), b"[" * 9000, b"\xff"])
async def test_what_is_no_json_is_told(db: Database, sent: str | bytes) -> None:
    async with served(db) as (_, asking, path):
        json = {**OPERATOR, "Content-Type": "application/json"}
        assert (await asking.post(f"{path}/note", content=sent, headers=json)).status_code == 400
        form = {**OPERATOR, "Content-Type": "application/x-www-form-urlencoded"}
        assert (await asking.post(f"{path}/note", content=b"text=a", headers=form)).status_code == 415


async def test_an_incident_that_is_unknown_or_over_is_told(db: Database) -> None:
    async with served(db) as (_, asking, path):
        assert (await asking.get(f"{API}/999", headers=VIEWER)).status_code == 404
        assert (await asking.post(f"{API}/999/acknowledge", headers=OPERATOR)).status_code == 404
        assert (await asking.post(f"{path}/resolve", headers=OPERATOR)).status_code == 200
        assert (await asking.post(f"{path}/resolve", headers=OPERATOR)).status_code == 200
        assert (await asking.post(f"{path}/acknowledge", headers=OPERATOR)).status_code == 409
        assert (await asking.post(f"{path}/note", json={"text": "why"}, headers=OPERATOR)).status_code == 200


async def test_no_other_site_acts_in_a_persons_name(db: Database) -> None:
    await web.with_user(db)
    async with served(db) as (_, asking, path):
        await web.log_in(asking)
        elsewhere = {"Origin": "https://elsewhere.example"}
        assert (await asking.post(f"{path}/acknowledge", headers=elsewhere)).status_code == 403
        answer = await asking.post(f"{path}/acknowledge", headers={"Origin": web.ORIGIN})
        assert answer.json()["acknowledged_by"] == "admin"
