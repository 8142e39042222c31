"""Alerts in both databases: what is committed, when groups are told, what a restart remembers."""

from datetime import timedelta
from typing import Any

from opsconsole.db import Database
from opsconsole.db.alerts import alerts, transitions
from opsconsole.db.incidents import groups, incidents
from opsconsole.db.outbox import attempts, from_payload
from opsconsole.model import AlertState, Labels
from tests.support.alerting import SCHEDULER, bench, finding
from tests.support.clock import NOON

HOOK: dict[str, Any] = {"name": "hook", "webhook": {"url": "http://127.0.0.1:9/never"}}
TRIGGERER = SCHEDULER.merged({"alertname": "AirflowTriggererDown", "component": "triggerer"})
SECOND = SCHEDULER.merged({"hostname": "b"})


async def test_an_alert_is_told_after_group_wait_and_not_before(db: Database) -> None:
    async with bench(db, HOOK) as b:
        await b.say(finding())
        await b.dispatch(4)
        assert await b.rows() == []
        await b.dispatch(1)
        assert [row.occasion for row in await b.rows()] == ["opened"]


async def test_what_lasts_too_short_is_never_told_and_leaves_no_row(db: Database) -> None:
    async with bench(db, HOOK) as b:
        await b.say(finding(pending_for=timedelta(seconds=30)))
        assert [row.state for row in await b.rows(alerts)] == ["pending"]
        b.clock.tick(10)
        await b.say()
        assert await b.rows(alerts) == []


async def test_pending_time_survives_a_restart(db: Database) -> None:
    async with bench(db, HOOK) as b:
        await b.say(finding(pending_for=timedelta(seconds=30)))
        b.restarted()
        await b.open()
        b.clock.tick(30)
        await b.say(finding(pending_for=timedelta(seconds=30)))
        assert [(row.before, row.after) for row in await b.rows(transitions)] == [(None, "pending"), ("pending", "firing")]


async def test_a_scope_knows_what_waits_and_fires_of_its_own_after_a_restart_too(db: Database) -> None:
    async with bench(db, HOOK) as b:
        await b.say(finding(), finding(SECOND, pending_for=timedelta(seconds=30)))
        await b.say(finding(TRIGGERER), scope="rules/triggerer")
        for _ in range(2):
            assert b.keeper.states("rules/scheduler") == {SCHEDULER: AlertState.FIRING, SECOND: AlertState.PENDING}
            b.restarted()
            await b.open()
        await b.say()
        assert (b.keeper.states("rules/scheduler"), b.keeper.states("rules/none")) == ({}, {})


async def test_an_incident_opens_with_the_group_and_closes_with_its_last_alert(db: Database) -> None:
    async with bench(db, HOOK) as b:
        await b.say(finding())
        await b.dispatch()
        (incident,) = await b.incidents()
        assert (incident.title, incident.severity, incident.deployment) == ("prod · no scheduler heartbeat", "critical", "prod")
        assert incident.closed_at is None
        await b.say()
        ended = b.clock.now()
        await b.dispatch()
        (incident,) = await b.incidents()
        assert incident.closed_at == ended
        assert incident.open_key is None
        assert [row.occasion for row in await b.rows()] == ["opened", "resolved"]
        assert await b.rows(groups) == []


async def test_coming_back_is_a_new_episode_and_a_new_incident(db: Database) -> None:
    async with bench(db, HOOK) as b:
        for _ in range(2):
            await b.say(finding())
            await b.dispatch()
            await b.say()
            await b.dispatch()
        assert len(await b.incidents()) == 2
        assert [row.state for row in await b.rows(alerts)] == ["resolved", "resolved"]
        assert [row.occasion for row in await b.rows()] == ["opened", "resolved", "opened", "resolved"]


async def test_a_change_waits_for_group_interval_and_a_repeat_for_repeat_interval(db: Database) -> None:
    async with bench(db, HOOK, route={"group_interval": "1m", "repeat_interval": "5m"}) as b:
        await b.say(finding())
        await b.dispatch()
        await b.say(finding(), finding(SECOND))
        await b.dispatch(50)
        assert len(await b.rows()) == 1
        await b.dispatch(15)
        told = from_payload((await b.rows())[-1].payload)
        assert (told.occasion, len(told.firing)) == ("changed", 2)
        await b.dispatch(5 * 60 + 65)
        assert [row.occasion for row in await b.rows()] == ["opened", "changed", "repeated"]


async def test_without_resolve_wait_good_news_waits_for_group_interval_as_in_alertmanager(db: Database) -> None:
    async with bench(db, HOOK, resolve_wait=None) as b:
        await b.say(finding())
        await b.dispatch()
        await b.say()
        await b.dispatch(50)
        assert len(await b.rows()) == 1
        await b.dispatch(15)
        assert [row.occasion for row in await b.rows()] == ["opened", "resolved"]


async def test_an_alert_that_ends_within_group_wait_tells_nobody(db: Database) -> None:
    async with bench(db, HOOK) as b:
        await b.say(finding())
        await b.dispatch(2)
        await b.say()
        await b.dispatch(10)
        assert await b.rows() == []
        assert await b.incidents() == []


async def test_a_restart_before_the_first_telling_tells_at_once(db: Database) -> None:
    async with bench(db, HOOK) as b:
        await b.say(finding())
        b.clock.tick(30)
        b.restarted()
        await b.open()
        await b.dispatch(1)
        assert [row.occasion for row in await b.rows()] == ["opened"]


async def test_a_restart_in_mid_incident_repeats_nothing_and_resolves_the_same_incident(db: Database) -> None:
    async with bench(db, HOOK) as b:
        await b.say(finding())
        await b.dispatch()
        b.restarted()
        await b.open()
        await b.say(finding())
        await b.dispatch(90)
        assert [row.occasion for row in await b.rows()] == ["opened"]
        await b.say()
        b.restarted()
        await b.open()
        await b.dispatch(6)
        rows = await b.rows()
        assert [row.occasion for row in rows] == ["opened", "resolved"]
        assert len({row.incident_id for row in rows}) == 1
        (incident,) = await b.incidents()
        assert incident.closed_at is not None


async def test_a_removed_rule_ends_its_alerts_and_says_so(db: Database) -> None:
    async with bench(db, HOOK) as b:
        await b.say(finding(), scope="rules/old")
        await b.say(finding(TRIGGERER), scope="rules/kept")
        await b.dispatch()
        await b.keeper.forget_scopes({"rules/kept"})
        await b.dispatch()
        assert [row.reason for row in await b.rows(transitions)][-1] == "its rule or source was removed"
        assert sorted(row.state for row in await b.rows(alerts)) == ["firing", "resolved"]
        assert [row.occasion for row in await b.rows()] == ["opened", "opened", "resolved"]


async def test_another_scopes_silence_does_not_resolve(db: Database) -> None:
    async with bench(db, HOOK) as b:
        await b.say(finding(), scope="a")
        await b.say(scope="b")
        assert [row.state for row in await b.rows(alerts)] == ["firing"]


async def test_two_scopes_that_find_the_same_labels_are_one_alert(db: Database) -> None:
    async with bench(db, HOOK) as b:
        await b.say(finding(), scope="a")
        await b.say(finding(), scope="b")
        assert len(await b.rows(alerts)) == 1
        await b.say(scope="a")
        await b.say(finding(), scope="b")
        assert [row.state for row in await b.rows(alerts)] == ["resolved", "firing"]


async def test_two_dags_are_two_incidents_and_two_routes_of_one_group_are_one(db: Database) -> None:
    failed = Labels(alertname="AirflowTaskFailed", severity="high", deployment="prod")
    routes = {"routes": [{"receiver": "hook", "continue": True}, {"receiver": "other"}]}
    async with bench(db, HOOK, {**HOOK, "name": "other"}, route=routes) as b:
        await b.say(finding(failed.merged({"dag_id": "a"})), finding(failed.merged({"dag_id": "b"})))
        await b.dispatch()
        assert len(await b.incidents()) == 2
        assert sorted(row.receiver for row in await b.rows()) == ["hook", "hook", "other", "other"]
        await b.say()
        await b.dispatch()
        assert all(row.closed_at for row in await b.incidents())
        assert len(await b.rows()) == 8


async def test_an_inhibited_alert_is_told_once_its_cause_is_gone(db: Database) -> None:
    rule = {"source_matchers": ["component=scheduler"], "target_matchers": ["component=triggerer"], "equal": ["deployment"]}
    async with bench(db, HOOK, inhibit_rules=[rule]) as b:
        await b.say(finding(), finding(TRIGGERER))
        await b.dispatch()
        assert [row.payload["group_labels"]["alertname"] for row in await b.rows()] == ["AirflowSchedulerDown"]
        await b.say(finding(TRIGGERER))
        await b.dispatch(70)
        assert [row.payload["group_labels"]["alertname"] for row in await b.rows()][1:] == [
            "AirflowSchedulerDown",
            "AirflowTriggererDown",
        ]


async def test_a_told_alert_that_ends_while_inhibited_still_closes_its_incident(db: Database) -> None:
    rule = {"source_matchers": ["component=scheduler"], "target_matchers": ["component=triggerer"], "equal": ["deployment"]}
    async with bench(db, HOOK, inhibit_rules=[rule]) as b:
        await b.say(finding(TRIGGERER))
        await b.dispatch()
        await b.say(finding(), finding(TRIGGERER))
        await b.dispatch()
        await b.say(finding())
        await b.dispatch()
        told = [(row.payload["group_labels"]["alertname"], row.occasion) for row in await b.rows()]
        assert told[-1] == ("AirflowTriggererDown", "resolved")


async def test_who_wants_no_good_news_gets_none_and_the_incident_closes_all_the_same(db: Database) -> None:
    async with bench(db, {**HOOK, "send_resolved": False}) as b:
        await b.say(finding())
        await b.dispatch()
        await b.say()
        await b.dispatch()
        assert [row.occasion for row in await b.rows()] == ["opened"]
        assert [bool(row.closed_at) for row in await b.incidents()] == [True]


async def test_other_routes_let_old_groups_go_and_keep_the_incident(db: Database) -> None:
    async with bench(db, HOOK, {**HOOK, "name": "other"}) as b:
        await b.say(finding())
        await b.dispatch()
        moved = b.settings.model_validate({"route": {"receiver": "hook", "routes": [{"receiver": "other"}]}})
        await b.keeper.reconfigure(moved, {"other": b.receivers[1].integrations()})
        await b.dispatch()
        assert [row.receiver for row in await b.rows()] == ["hook", "other"]
        assert len(await b.incidents()) == 1


async def test_text_that_no_database_takes_is_mended(db: Database) -> None:
    nasty = {"summary": "a\0b\ud800", "error": "x" * 10_000}
    async with bench(db, HOOK) as b:
        await b.say(finding(SCHEDULER.merged({"file": "da\0g.py"}), annotations=nasty, value=float("nan")))
        await b.dispatch()
        (row,) = await b.rows()
        (alert,) = from_payload(row.payload).firing
        assert alert.annotations["summary"] == "a\ufffdb?"
        assert len(alert.annotations["error"]) == 4000


async def test_an_unchanged_alert_costs_no_write_but_is_refreshed_each_minute(db: Database) -> None:
    async with bench(db, HOOK) as b:
        await b.say(finding(value=1.0))
        b.clock.tick(2)
        await b.say(finding(value=2.0))
        assert [row.value for row in await b.rows(alerts)] == [1.0]
        assert [alert.value for alert in b.keeper.alerts()] == [2.0]
        b.clock.tick(60)
        await b.say(finding(value=3.0))
        assert [row.value for row in await b.rows(alerts)] == [3.0]
        assert len(await b.rows(transitions)) == 1


async def test_a_commit_whose_answer_was_lost_is_found_again(db: Database) -> None:
    async with bench(db, HOOK) as b:
        behind = b.keeper
        b.restarted()
        await b.say(finding())
        b.keeper = behind
        await b.say(finding())
        await b.dispatch()
        assert len(await b.rows(alerts)) == 1
        assert [row.occasion for row in await b.rows()] == ["opened"]


async def test_two_flushes_of_the_same_state_owe_the_same_notification_once(db: Database) -> None:
    async with bench(db, HOOK) as b:
        await b.say(finding())
        behind = b.keeper
        b.restarted()
        await b.open()
        await b.dispatch()
        b.keeper = behind
        await b.dispatch(1)
        assert len(await b.rows()) == len(await b.incidents()) == 1


async def test_a_storm_of_alerts_is_told_and_resolved_in_bounded_time(db: Database) -> None:
    labels = [SCHEDULER.merged({"dag_id": f"d{i % 300}", "task_id": f"t{i}"}) for i in range(1500)]
    async with bench(db, HOOK) as b:
        await b.say(*(finding(one) for one in labels))
        await b.dispatch()
        assert len(await b.rows()) == 300
        await b.say()
        await b.dispatch()
        assert len(await b.rows()) == 600
        assert all(row.closed_at for row in await b.incidents())


async def test_old_history_is_pruned(db: Database) -> None:
    async with bench(db, HOOK) as b:
        await b.say(finding())
        await b.dispatch()
        await b.say()
        await b.dispatch()
        now = b.clock.tick(1)
        await b.keeper.prune(NOON)
        assert [len(await b.rows(t)) for t in (alerts, incidents)] == [1, 1]
        await b.keeper.prune(now)
        assert [await b.rows(t) for t in (alerts, transitions, attempts)] == [[], [], []]
        assert await b.incidents() == []
