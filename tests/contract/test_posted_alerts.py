"""Alerts that others post, in both databases: kept before the answer, told like any other, ended when nobody says them again."""

import asyncio
from datetime import timedelta
from typing import Any

from opsconsole.alerts.posted import Post
from opsconsole.db import Database
from opsconsole.db.alerts import alerts, transitions
from opsconsole.db.outbox import from_payload
from opsconsole.model import AlertState, Labels
from opsconsole.notify.webhook import payload
from tests.support.alerting import SCHEDULER, Bench, bench, finding
from tests.support.clock import NOON

HOOK: dict[str, Any] = {"name": "hook", "webhook": {"url": "http://127.0.0.1:9/never"}}
STRICT: dict[str, Any] = {"resolve_wait": None, "route": {"group_wait": "3s", "group_interval": "10s", "group_by": ["alertname"]}}
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
DISK = {"alertname": "DiskFull", "instance": "a"}


def told(row: Any) -> tuple[str, list[str], list[str]]:
    notice = from_payload(row.payload)
    return notice.occasion, *([alert.labels["instance"] for alert in some] for some in (notice.firing, notice.resolved))


async def story(b: Bench) -> list[tuple[str, list[str], list[str]]]:
    return [told(row) for row in await b.rows()]


async def test_a_posted_alert_is_told_and_ends_where_it_is_not_posted_again(db: Database) -> None:
    async with bench(db, HOOK, **STRICT) as b:
        await b.post(Post(DISK, {"summary": "full"}))
        await b.dispatch(4)
        assert await story(b) == [("opened", ["a"], [])]
        await b.dispatch(290)
        await b.post(Post(DISK, {"summary": "full"}))
        await b.dispatch(290)
        assert len(await b.rows()) == 1
        await b.dispatch(20)
        assert await story(b) == [("opened", ["a"], []), ("resolved", [], ["a"])]
        (row,) = await b.rows(alerts)
        assert (row.state, row.resolved_at) == ("resolved", NOON + 294 * SECOND + 5 * MINUTE)
        assert b.keeper.alerts() == []


async def test_its_sender_ends_it_at_the_time_it_gives(db: Database) -> None:
    async with bench(db, HOOK, **STRICT) as b:
        await b.post(Post(DISK, starts_at=NOON - MINUTE, ends_at=NOON + MINUTE, generator_url="http://prometheus/graph"))
        await b.dispatch(5)
        await b.post(Post(DISK, starts_at=NOON - MINUTE, ends_at=NOON + 4 * SECOND))
        await b.dispatch(10)
        opened, resolved = (payload(from_payload(row.payload), "http://console")["alerts"][0] for row in await b.rows())
        assert (opened["startsAt"], opened["generatorURL"]) == ("2026-03-01T11:59:00Z", "http://prometheus/graph")
        assert opened["endsAt"] == "0001-01-01T00:00:00Z"
        assert (resolved["startsAt"], resolved["endsAt"]) == ("2026-03-01T11:59:00Z", "2026-03-01T12:00:04Z")


async def test_one_that_has_lasted_group_wait_goes_at_once_also_where_only_its_second_post_says_so(db: Database) -> None:
    async with bench(db, HOOK, route={"group_wait": "30s", "group_by": ["alertname"]}) as b:
        await b.post(Post(DISK, starts_at=NOON - MINUTE))
        await b.post(Post({"alertname": "Other", "instance": "b"}, starts_at=NOON - 20 * SECOND))
        await b.dispatch(1)
        assert await story(b) == [("opened", ["a"], [])]
        await b.dispatch(11)
        await b.post(Post({"alertname": "Other", "instance": "b"}, starts_at=NOON - 20 * SECOND))
        await b.dispatch(1)
        assert await story(b) == [("opened", ["a"], []), ("opened", ["b"], [])]


async def test_one_posted_as_over_is_told_only_beside_one_that_fires(db: Database) -> None:
    async with bench(db, HOOK, **STRICT) as b:
        over = {"starts_at": NOON - MINUTE, "ends_at": NOON}
        await b.post(Post({"alertname": "Alone", "instance": "c"}, **over))
        await b.post(Post(DISK), Post({**DISK, "instance": "b"}, **over))
        await b.dispatch(15)
        assert await story(b) == [("opened", ["a"], ["b"])]
        assert {row.state for row in await b.rows(alerts)} == {"firing", "resolved"}


async def test_posted_alerts_survive_a_restart_with_their_ends(db: Database) -> None:
    async with bench(db, HOOK, **STRICT) as b:
        await b.post(Post(DISK, {"summary": "full"}, ends_at=NOON + 2 * MINUTE, generator_url="http://prometheus/graph"))
        before = b.keeper.alerts()
        b.clock.tick(10)
        await b.post(Post({**DISK, "instance": "b"}))
        before = b.keeper.alerts()
        b.restarted()
        await b.open()
        assert sorted(b.keeper.alerts(), key=lambda alert: alert.labels.pairs) == before


async def test_a_post_that_only_moves_the_end_is_kept_over_a_restart_too(db: Database) -> None:
    async with bench(db, HOOK, **STRICT) as b:
        for seconds in (0, 60):
            b.clock.tick(seconds)
            await b.post(*(Post({**DISK, "instance": str(number)}) for number in range(3)))
        b.restarted()
        await b.open()
        assert [alert.ends_at for alert in b.keeper.alerts()] == [NOON + 6 * MINUTE] * 3
        assert len(await b.rows(transitions)) == 3


async def test_an_end_that_came_while_the_console_was_down_waits_for_its_sender(db: Database) -> None:
    async with bench(db, HOOK, **STRICT) as b:
        await b.post(Post(DISK))
        await b.dispatch(5)
        b.restarted()
        b.clock.tick(1000)
        await b.open()
        await b.dispatch(60)
        assert await story(b) == [("opened", ["a"], [])]
        await b.dispatch(250)
        assert await story(b) == [("opened", ["a"], []), ("resolved", [], ["a"])]


async def test_what_comes_back_is_a_new_episode(db: Database) -> None:
    async with bench(db, HOOK, **STRICT) as b:
        for _ in range(2):
            await b.post(Post(DISK))
            await b.dispatch(4)
            now = b.clock.now()
            await b.post(Post(DISK, starts_at=now - SECOND, ends_at=now))
            await b.post(Post(DISK, starts_at=now - SECOND, ends_at=now))
            await b.dispatch(11)
        assert [occasion for occasion, *_ in await story(b)] == ["opened", "resolved", "opened", "resolved"]
        assert len(await b.rows(alerts)) == 2


async def test_an_alert_of_the_consoles_own_is_not_taken_over_nor_the_other_way(db: Database) -> None:
    async with bench(db, HOOK, **STRICT) as b:
        await b.say(finding())
        await b.post(Post(dict(SCHEDULER), ends_at=b.clock.now()), Post(DISK))
        assert {alert.labels: alert.scope for alert in b.keeper.alerts()} == {
            SCHEDULER: "rules/scheduler",
            Labels(DISK): "posted",
        }
        await b.say(finding(), finding(Labels(DISK)))
        assert len(await b.rows(alerts)) == 2
        await b.keeper.forget_scopes({"posted"})
        assert [alert.scope for alert in b.keeper.alerts()] == ["posted"]


async def test_posts_that_come_at_the_same_time_are_all_kept(db: Database) -> None:
    async with bench(db, HOOK, **STRICT) as b:
        await asyncio.gather(*(b.post(Post({**DISK, "instance": f"{number % 70}"})) for number in range(100)))
        assert len(await b.rows(alerts)) == len(b.keeper.alerts()) == 70
        await asyncio.gather(*(b.post(*(Post({**DISK, "instance": f"{part}/{n}"}) for n in range(700))) for part in range(2)))
        assert len(await b.rows(alerts)) == len(b.keeper.alerts()) == 1470


async def test_a_post_whose_sender_went_away_may_be_kept_and_holds_nobody_up(db: Database) -> None:
    async with bench(db, HOOK, **STRICT) as b:
        gone = asyncio.create_task(b.post(Post(DISK)))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        await b.post(Post({**DISK, "instance": "b"}), Post(DISK))
        assert {alert.state for alert in b.keeper.alerts()} == {AlertState.FIRING}
        assert len(await b.rows(alerts)) == len(b.keeper.alerts()) == 2


async def test_whose_incident_it_is_is_the_deployment_that_was_posted_or_nobodys(db: Database) -> None:
    async with bench(db, HOOK, **STRICT) as b:
        await b.post(Post(DISK), Post({"alertname": "Late", "deployment": "prod"}))
        await b.dispatch(4)
        deployments = {incident.group_labels["alertname"]: incident.deployment for incident in await b.incidents()}
        assert deployments == {"DiskFull": "unassigned", "Late": "prod"}
