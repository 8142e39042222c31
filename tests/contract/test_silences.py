"""Silences and quiet times in both databases: who is told nothing, and when telling begins again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from opsconsole.alerts.muting import Muted, fitting
from opsconsole.alerts.silence_rules import SilenceError, UnknownSilence
from opsconsole.alerts.silencing import RETENTION
from opsconsole.db import Database
from opsconsole.db.outbox import from_payload
from opsconsole.db.silences import silences
from opsconsole.model import Labels, Matcher, MatchOp, SilenceState
from tests.support.alerting import SCHEDULER, Bench, bench, finding
from tests.support.clock import NOON

HOOK: dict[str, Any] = {"name": "hook", "webhook": {"url": "http://127.0.0.1:9/never"}}
QUICK = {"group_wait": "1s", "group_interval": "10s"}
MINUTE = timedelta(minutes=1)
TRIGGERER = SCHEDULER.merged({"alertname": "AirflowTriggererDown", "component": "triggerer"})
SECOND = SCHEDULER.merged({"hostname": "b"})
ON_SCHEDULER = [Matcher("component", MatchOp.EQUAL, "scheduler")]


async def silenced(b: Bench, matchers: list[Matcher] = ON_SCHEDULER, lasts: timedelta = MINUTE) -> str:
    now = b.clock.now()
    return await b.silences.create(matchers, now, now + lasts, "me", "deploying")


async def occasions(b: Bench) -> list[str]:
    return [row.occasion for row in await b.rows()]


async def test_a_silenced_alert_is_told_when_the_silence_is_over(db: Database) -> None:
    async with bench(db, HOOK, route=QUICK) as b:
        await silenced(b)
        await b.say(finding())
        await b.dispatch(55)
        assert (await occasions(b), await b.incidents()) == ([], [])
        await b.dispatch(15)
        assert await occasions(b) == ["opened"]


async def test_what_was_told_before_a_silence_is_not_repeated_after_it(db: Database) -> None:
    async with bench(db, HOOK, route=QUICK) as b:
        await b.say(finding())
        await b.dispatch(5)
        await silenced(b)
        await b.dispatch(90)
        assert await occasions(b) == ["opened"]


async def test_the_end_of_what_was_told_is_told_while_silenced_unless_the_settings_say_otherwise(db: Database) -> None:
    async with bench(db, HOOK, route=QUICK) as b:
        await b.say(finding())
        await b.dispatch(5)
        await silenced(b)
        await b.say()
        await b.dispatch(20)
        assert await occasions(b) == ["opened", "resolved"]


async def test_as_in_alertmanager_a_muted_end_is_not_told_and_the_incident_is_closed_all_the_same(db: Database) -> None:
    async with bench(db, HOOK, route=QUICK, tell_muted_ends=False, resolve_wait=None) as b:
        await b.say(finding())
        await b.dispatch(5)
        await silenced(b)
        await b.say()
        await b.dispatch(20)
        assert await occasions(b) == ["opened"]
        (incident,) = await b.incidents()
        assert incident.closed_at is not None


async def test_of_a_group_only_what_is_silenced_is_left_out(db: Database) -> None:
    async with bench(db, HOOK, route=QUICK) as b:
        await silenced(b, [Matcher("hostname", MatchOp.EQUAL, "b")])
        await b.say(finding(), finding(SECOND))
        await b.dispatch(5)
        (row,) = await b.rows()
        assert [alert.labels for alert in from_payload(row.payload).firing] == [SCHEDULER]
        await b.dispatch(70)
        told = from_payload((await b.rows())[-1].payload)
        assert (told.occasion, len(told.firing)) == ("changed", 2)


async def test_a_silenced_alert_still_inhibits_and_says_so(db: Database) -> None:
    rule = {"source_matchers": ["component=scheduler"], "target_matchers": ["component=triggerer"], "equal": ["deployment"]}
    async with bench(db, HOOK, route=QUICK, inhibit_rules=[rule]) as b:
        silence_id = await silenced(b)
        await b.say(finding(), finding(TRIGGERER))
        await b.dispatch(5)
        assert await occasions(b) == []
        now = b.clock.now()
        assert b.keeper.muted(SCHEDULER, now) == Muted(silenced_by=(silence_id,))
        assert b.keeper.muted(TRIGGERER, now) == Muted(inhibited_by=(SCHEDULER.fingerprint(),))
        assert not b.keeper.muted(Labels(alertname="Other"), now)


async def test_an_expired_silence_lets_the_next_look_tell(db: Database) -> None:
    async with bench(db, HOOK, route=QUICK) as b:
        silence_id = await silenced(b, lasts=timedelta(hours=4))
        await b.say(finding())
        await b.dispatch(5)
        await b.silences.expire(silence_id)
        await b.dispatch(11)
        assert await occasions(b) == ["opened"]


async def test_silences_survive_a_restart(db: Database) -> None:
    async with bench(db, HOOK, route=QUICK) as b:
        silence_id = await silenced(b)
        b.restarted()
        await b.open()
        await b.say(finding())
        await b.dispatch(5)
        kept = b.silences.get(silence_id)
        assert kept is not None
        assert (kept.matchers, kept.created_by, kept.comment) == (tuple(ON_SCHEDULER), "me", "deploying")
        assert (kept.starts_at, kept.ends_at) == (NOON, NOON + MINUTE)
        assert await occasions(b) == []


async def test_a_silence_holds_only_for_what_fits_and_while_it_lasts(db: Database) -> None:
    async with bench(db, HOOK) as b:
        plain, regex = await silenced(b), await silenced(b, [Matcher("alertname", MatchOp.REGEX, "Airflow.*")])
        now = b.clock.now()
        assert b.silences.by_labels(SCHEDULER, now) == tuple(sorted((plain, regex)))
        assert b.silences.by_labels(TRIGGERER, now) == (regex,)
        assert b.silences.by_labels(SCHEDULER, now + MINUTE) == ()
        assert {silence.id for silence in b.silences.active(now)} == {plain, regex}


async def test_an_edit_of_the_matchers_ends_the_silence_and_makes_another(db: Database) -> None:
    async with bench(db, HOOK) as b:
        first = await silenced(b)
        b.clock.tick(10)
        kept = b.silences.get(first)
        assert kept is not None
        wanted = (Matcher("component", MatchOp.EQUAL, "triggerer"),)
        second = await b.silences.edit(replace(kept, matchers=wanted, comment="the other one"))
        now = b.clock.now()
        states = {silence.id: silence.state(now) for silence in b.silences.every()}
        assert states == {first: SilenceState.EXPIRED, second: SilenceState.ACTIVE}
        b.restarted()
        await b.open()
        assert {silence.id: silence.state(now) for silence in b.silences.every()} == states


async def test_what_is_no_silence_is_refused_and_leaves_no_row(db: Database) -> None:
    async with bench(db, HOOK) as b:
        with pytest.raises(SilenceError, match="empty string"):
            await silenced(b, [Matcher("a", MatchOp.EQUAL, "")])
        with pytest.raises(UnknownSilence):
            await b.silences.expire("none")
        assert await b.rows(silences) == []


async def test_text_that_no_database_takes_is_kept_without_what_is_unfit(db: Database) -> None:
    async with bench(db, HOOK) as b:
        now = b.clock.now()
        made = await b.silences.create([Matcher("a", MatchOp.EQUAL, "x\0y")], now, now + MINUTE, "\ud800", "no\0ne")
        kept = b.silences.get(made)
        assert kept is not None
        assert (kept.matchers[0].value, kept.created_by, kept.comment) == ("x�y", "?", "no�ne")


async def test_silences_that_are_long_over_are_forgotten(db: Database) -> None:
    async with bench(db, HOOK) as b:
        await silenced(b)
        lasting = await silenced(b, lasts=2 * RETENTION)
        await b.silences.prune(NOON + RETENTION + MINUTE)
        assert len(await b.rows(silences)) == 2
        await b.silences.prune(NOON + RETENTION + MINUTE + timedelta(seconds=1))
        assert [row.id for row in await b.rows(silences)] == [lasting]
        assert [silence.id for silence in b.silences.every()] == [lasting]


async def test_a_route_tells_nothing_in_its_muted_times_and_what_still_fires_after_them(db: Database) -> None:
    noon = {"name": "noon", "time_intervals": [{"times": [{"start_time": "12:00", "end_time": "12:01"}]}]}
    route = {**QUICK, "routes": [{"matchers": ["component=scheduler"], "mute_time_intervals": ["noon"]}]}
    async with bench(db, HOOK, route=route, time_intervals=[noon]) as b:
        await b.say(finding(), finding(TRIGGERER))
        await b.dispatch(50)
        (row,) = await b.rows()
        assert [alert.labels for alert in from_payload(row.payload).firing] == [TRIGGERER]
        await b.dispatch(25)
        assert await occasions(b) == ["opened", "opened"]


async def test_a_new_alert_in_a_group_that_was_looked_at_in_silence_waits_for_its_next_look(db: Database) -> None:
    async with bench(db, HOOK, route={"group_wait": "1s", "group_interval": "30s"}) as b:
        await silenced(b, [Matcher("hostname", MatchOp.NOT_EQUAL, "b")], lasts=timedelta(hours=1))
        await b.say(finding())
        await b.dispatch(5)
        await b.say(finding(), finding(SECOND, since=NOON - MINUTE))
        await b.dispatch(20)
        assert await occasions(b) == []
        await b.dispatch(10)
        assert await occasions(b) == ["opened"]


async def test_what_a_silence_would_mute_can_be_seen_before(db: Database) -> None:
    async with bench(db, HOOK) as b:
        await b.say(finding(), finding(TRIGGERER))
        assert [alert.labels for alert in fitting(ON_SCHEDULER, b.keeper.alerts())] == [SCHEDULER]
