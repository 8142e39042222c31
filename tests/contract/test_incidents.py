"""What people do about incidents, in both databases: who hears of it, what is told no more, and what survives."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from opsconsole.alerts.incidents import IncidentOver, UnknownIncident
from opsconsole.db import Database, incident_events
from opsconsole.db.incidents import groups
from opsconsole.db.outbox import from_payload
from opsconsole.model import Handling, Happening, Labels
from tests.support.alerting import SCHEDULER, Bench, bench, finding

HOOK: dict[str, Any] = {"name": "hook", "webhook": {"url": "http://127.0.0.1:9/never"}}
BOT: dict[str, Any] = {
    "name": "bot",
    "slack": {"token": "xoxb-not-a-real-one", "channel": "#ops", "api_url": "http://127.0.0.1:9/"},
}
QUICK = {"group_wait": "1s", "group_interval": "10s", "repeat_interval": "60s"}
SECOND = SCHEDULER.merged({"hostname": "b"})
WORSE = SCHEDULER.merged({"severity": "critical", "hostname": "b"})
MILD = SCHEDULER.merged({"severity": "warning"})


async def opened(b: Bench, labels: Labels = SCHEDULER) -> int:
    await b.say(finding(labels))
    await b.dispatch(5)
    (incident,) = await b.incidents()
    return int(incident.id)


async def occasions(b: Bench) -> list[str]:
    return [row.occasion for row in await b.rows()]


async def diary(b: Bench, incident_id: int) -> list[tuple[str, str]]:
    async with b.db.read() as session:
        return [(event.kind, event.who) for event in await incident_events.of(session, incident_id, 100)]


async def reopened(b: Bench) -> None:
    b.restarted()
    await b.open()


async def test_slack_is_told_who_acknowledged_and_a_webhook_is_not(db: Database) -> None:
    route = {**QUICK, "routes": [{"receiver": "bot", "continue": True}, {"receiver": "hook"}]}
    async with bench(db, HOOK, BOT, route=route) as b:
        incident = await opened(b)
        now = b.clock.now()
        assert await b.handled.acknowledge(incident, "anna", now, "api") == Handling(now, "anna")
        rows = [(row.receiver, row.occasion) for row in await b.rows()]
        assert sorted(rows) == [("bot", "handled"), ("bot", "opened"), ("hook", "opened")]
        told = from_payload((await b.rows())[-1].payload)
        assert (told.handling, told.news) == (Handling(now, "anna"), "Acknowledged by anna.")
        assert [alert.labels for alert in told.firing] == [SCHEDULER]
        assert await diary(b, incident) == [("opened", ""), ("acknowledged", "anna")]


async def test_a_webhook_that_asks_for_it_is_told(db: Database) -> None:
    async with bench(db, {**HOOK, "send_handling": True}, route=QUICK) as b:
        incident = await opened(b)
        await b.handled.note(incident, "restarting it", "anna", b.clock.now())
        assert await occasions(b) == ["opened", "handled"]


async def test_of_many_who_acknowledge_at_once_one_has_it_and_it_is_told_once(db: Database) -> None:
    async with bench(db, BOT, route=QUICK) as b:
        incident, now = await opened(b), b.clock.now()
        answers = await asyncio.gather(*(b.handled.acknowledge(incident, f"p{index}", now) for index in range(8)))
        assert len(set(answers)) == 1
        assert await occasions(b) == ["opened", "handled"]
        assert [kind for kind, _ in await diary(b, incident)] == ["opened", "acknowledged"]


async def test_what_is_acknowledged_is_not_repeated_also_after_a_restart(db: Database) -> None:
    async with bench(db, HOOK, route=QUICK) as b:
        incident = await opened(b)
        await b.handled.acknowledge(incident, "anna", b.clock.now())
        await b.dispatch(100)
        await reopened(b)
        await b.dispatch(100)
        assert await occasions(b) == ["opened"]
        await b.handled.unacknowledge(incident, "anna", b.clock.now())
        await b.dispatch(15)
        assert await occasions(b) == ["opened", "repeated"]


async def test_another_alert_is_told_and_leaves_the_acknowledgement(db: Database) -> None:
    async with bench(db, HOOK, route=QUICK) as b:
        incident = await opened(b)
        await b.handled.acknowledge(incident, "anna", b.clock.now())
        await b.say(finding(), finding(SECOND))
        await b.dispatch(15)
        assert await occasions(b) == ["opened", "changed"]
        assert (await b.incidents())[0].acknowledged_by == "anna"


async def test_what_gets_worse_is_acknowledged_no_more(db: Database) -> None:
    async with bench(db, HOOK, route=QUICK) as b:
        incident = await opened(b, MILD)
        await b.handled.acknowledge(incident, "anna", b.clock.now())
        await b.say(finding(MILD), finding(WORSE))
        await b.dispatch(15)
        told = from_payload((await b.rows())[-1].payload)
        assert (told.occasion, told.handling.is_acknowledged) == ("changed", False)
        assert (await b.incidents())[0].acknowledged_at is None
        await b.dispatch(75)
        assert await occasions(b) == ["opened", "changed", "repeated"]
        assert ("unacknowledged", "") in await diary(b, incident)


async def test_the_recovery_says_who_had_it(db: Database) -> None:
    async with bench(db, HOOK, route=QUICK) as b:
        incident = await opened(b)
        await b.handled.acknowledge(incident, "anna", b.clock.now())
        await b.say()
        await b.dispatch(15)
        told = from_payload((await b.rows())[-1].payload)
        assert (told.occasion, told.handling.acknowledged_by) == ("resolved", "anna")
        assert [kind for kind, _ in await diary(b, incident)] == ["opened", "acknowledged", "closed"]


async def test_a_new_incident_of_the_same_name_is_nobodys(db: Database) -> None:
    async with bench(db, HOOK, route=QUICK) as b:
        await b.handled.acknowledge(await opened(b), "anna", b.clock.now())
        await b.say()
        await b.dispatch(15)
        await b.say(finding())
        await b.dispatch(5)
        assert [row.acknowledged_by for row in await b.incidents()] == ["anna", None]
        assert from_payload((await b.rows())[-1].payload).handling == Handling()


@pytest.mark.parametrize("restarts", [False, True])
async def test_what_is_snoozed_is_quiet_until_then_and_is_told_once_if_it_still_fires(db: Database, *, restarts: bool) -> None:
    async with bench(db, HOOK, route={**QUICK, "repeat_interval": "4h"}) as b:
        incident = await opened(b)
        await b.handled.snooze(incident, b.clock.now() + timedelta(seconds=33), "anna", b.clock.now())
        await b.say(finding(), finding(SECOND))
        await b.dispatch(31)
        assert await occasions(b) == ["opened"]
        if restarts:
            await reopened(b)
        await b.dispatch(2)
        assert len(await occasions(b)) == 2
        await b.dispatch(60)
        told = from_payload((await b.rows())[-1].payload)
        assert len(await occasions(b)) == 2
        assert {alert.labels for alert in told.firing} == {SCHEDULER, SECOND}


async def test_after_a_snooze_what_was_told_before_is_told_again(db: Database) -> None:
    async with bench(db, HOOK, route={**QUICK, "repeat_interval": "4h"}) as b:
        incident = await opened(b)
        await b.handled.snooze(incident, b.clock.now() + timedelta(seconds=33), "anna", b.clock.now())
        await b.dispatch(32)
        assert await occasions(b) == ["opened"]
        await b.dispatch(100)
        assert await occasions(b) == ["opened", "repeated"]


async def test_a_snooze_that_a_person_ends_tells_nothing_by_itself(db: Database) -> None:
    async with bench(db, HOOK, route={**QUICK, "repeat_interval": "4h"}) as b:
        incident = await opened(b)
        await b.handled.snooze(incident, b.clock.now() + timedelta(minutes=5), "anna", b.clock.now())
        await b.handled.unsnooze(incident, "anna", b.clock.now())
        await b.dispatch(400)
        assert await occasions(b) == ["opened"]


async def test_the_end_of_a_snoozed_incident_is_told(db: Database) -> None:
    async with bench(db, HOOK, route=QUICK) as b:
        incident = await opened(b)
        await b.handled.snooze(incident, b.clock.now() + timedelta(hours=5), "anna", b.clock.now())
        await b.say()
        await b.dispatch(15)
        assert await occasions(b) == ["opened", "resolved"]


@pytest.mark.parametrize("restarts", [False, True])
async def test_what_a_person_resolves_is_told_so_and_its_alerts_are_quiet_until_they_end(db: Database, *, restarts: bool) -> None:
    async with bench(db, HOOK, route=QUICK) as b:
        incident = await opened(b)
        await b.handled.resolve(incident, "anna", b.clock.now())
        await b.handled.resolve(incident, "ben", b.clock.now())
        told = from_payload((await b.rows())[-1].payload)
        assert (told.occasion, told.news, told.closed_at) == ("resolved", "Resolved by hand by anna.", b.clock.now())
        assert [alert.state for alert in told.resolved] == ["resolved"]
        if restarts:
            await reopened(b)
        for _ in range(10):
            await b.say(finding())
            await b.dispatch(10)
        assert await occasions(b) == ["opened", "resolved"]
        assert await b.rows(groups) == []
        (closed,) = await b.incidents()
        assert (closed.resolved_by, closed.closed_at is not None) == ("anna", True)
        assert [alert.state for alert in b.keeper.alerts()] == ["firing"]
        await b.say()
        await b.say(finding())
        await b.dispatch(5)
        assert await occasions(b) == ["opened", "resolved", "opened"]
        assert [kind for kind, _ in await diary(b, incident)] == ["opened", "resolved"]


async def test_another_alert_of_a_group_resolved_by_hand_is_another_incident(db: Database) -> None:
    async with bench(db, HOOK, route=QUICK) as b:
        await b.handled.resolve(await opened(b), "anna", b.clock.now())
        await b.say(finding(), finding(SECOND))
        await b.dispatch(5)
        told = from_payload((await b.rows())[-1].payload)
        assert (told.occasion, [alert.labels for alert in told.firing]) == ("opened", [SECOND])
        assert len(await b.incidents()) == 2


async def test_several_routes_share_what_people_do(db: Database) -> None:
    other = {"name": "other", "webhook": {"url": "http://127.0.0.1:9/other"}}
    route = {**QUICK, "routes": [{"receiver": "hook", "continue": True}, {"receiver": "other"}]}
    async with bench(db, HOOK, other, route=route) as b:
        incident = await opened(b)
        await b.handled.acknowledge(incident, "anna", b.clock.now())
        await b.dispatch(100)
        assert await occasions(b) == ["opened", "opened"]
        await b.handled.resolve(incident, "anna", b.clock.now())
        assert sorted((row.receiver, row.occasion) for row in (await b.rows())[2:]) == [
            ("hook", "resolved"),
            ("other", "resolved"),
        ]
        await b.dispatch(100)
        assert len(await b.rows()) == 4


async def test_a_closed_incident_takes_notes_and_nothing_else(db: Database) -> None:
    async with bench(db, HOOK, route=QUICK) as b:
        incident, now = await opened(b), b.clock.now()
        await b.handled.resolve(incident, "anna", now)
        await b.handled.note(incident, "the disk was full", "anna", now)
        with pytest.raises(IncidentOver):
            await b.handled.acknowledge(incident, "anna", now)
        with pytest.raises(UnknownIncident):
            await b.handled.note(incident + 1, "which?", "anna", now)
        assert [kind for kind, _ in await diary(b, incident)] == [Happening.OPENED, Happening.RESOLVED, Happening.NOTED]


async def test_what_was_not_sent_yet_is_told_with_what_people_did_since(db: Database) -> None:
    async with bench(db, BOT, route=QUICK) as b:
        incident = await opened(b)
        await b.handled.acknowledge(incident, "anna", b.clock.now())
        await b.handled.assign(incident, "ben", "anna", b.clock.now())
        await b.deliver()
        first, second, last = await b.rows()
        assert (first.state, second.state, last.occasion) == ("superseded", "superseded", "opened")
        told = from_payload(last.payload)
        assert (told.news, told.handling.assignee) == ("Acknowledged by anna. Assigned to ben by anna.", "ben")
