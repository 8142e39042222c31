"""From a verdict to the far end, over real sockets, on both databases: in order, edited in place, once, and through crashes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from opsconsole.clock import SystemClock
from opsconsole.db import Database
from opsconsole.db.outbox import attempts, outbox, threads, waiting
from opsconsole.demo.slack_standin import Call, SlackStandin
from opsconsole.notify.settings import Receiver
from opsconsole.notify.testing import send_test
from tests.support.alerting import SCHEDULER, Bench, bench, finding
from tests.support.clock import FakeClock
from tests.support.slack import TOKEN, slack_at
from tests.support.smtp import MailStandin
from tests.support.webhook import hook_at

SECOND = SCHEDULER.merged({"hostname": "b"})


def slack_receiver(url: str, **more: Any) -> dict[str, Any]:
    return {"name": "oncall", "slack": {"token": TOKEN, "channel": "#oncall", "api_url": f"{url}/api/"}, **more}


def mail_receiver(mail: MailStandin, **more: Any) -> dict[str, Any]:
    to_from = {"to": ["oncall@example.com"], "from": "Ops <ops@example.com>", "smarthost": mail.smarthost}
    return {"name": "mail-only", "email": to_from, **more}


@asynccontextmanager
async def slack_bench(
    db: Database, receiver: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[tuple[Bench, SlackStandin]]:
    clock = FakeClock()
    async with slack_at(clock) as (slack, url), bench(db, slack_receiver(url, **(receiver or {})), clock=clock, **more) as b:
        yield b, slack


async def outcomes(b: Bench) -> list[str]:
    return [row.outcome for row in await b.rows(attempts)]


async def states(b: Bench) -> list[tuple[str, str]]:
    return [(row.occasion, row.state) for row in await b.rows()]


async def test_one_incident_is_one_slack_message_edited_to_resolved_with_its_downtime(db: Database) -> None:
    async with slack_bench(db) as (b, slack):
        await b.say(finding())
        await b.pass_time()
        (message,) = slack.shown
        assert "[CRIT] prod · no scheduler heartbeat" in message.text
        b.clock.tick(60)
        await b.say()
        await b.pass_time()
        (message,) = slack.shown
        assert "[RESOLVED] prod · no scheduler heartbeat" in message.text
        assert "Resolved after 1 min 6 s" in message.text
        assert [reply.text for reply in message.replies] == ["● Resolved after 1 min 6 s."]
        assert [call.method for call in slack.calls] == ["chat.postMessage", "chat.update", "chat.postMessage"]


async def test_what_changed_is_said_in_the_thread(db: Database) -> None:
    async with slack_bench(db, route={"group_interval": "5s"}) as (b, slack):
        await b.say(finding())
        await b.pass_time()
        await b.say(finding(), finding(SECOND, annotations={"summary": "host b is silent"}))
        await b.pass_time()
        await b.say(finding())
        await b.pass_time()
        (message,) = slack.shown
        assert [reply.text for reply in message.replies] == ["■ firing: host b is silent", "● resolved: host b is silent"]


async def test_a_restart_edits_the_same_message(db: Database) -> None:
    async with slack_bench(db) as (b, slack):
        await b.say(finding())
        await b.pass_time()
        b.restarted()
        await b.open()
        await b.say()
        await b.pass_time()
        assert len(slack.shown) == 1
        assert "[RESOLVED]" in slack.shown[0].text


async def test_a_crash_between_commit_and_send_loses_nothing(db: Database) -> None:
    async with slack_bench(db) as (b, slack):
        await b.say(finding())
        await b.dispatch()
        assert slack.calls == []
        b.restarted()
        await b.open()
        await b.pass_time(1)
        assert len(slack.shown) == 1
        await b.pass_time(90)
        assert len(slack.calls) == 1


def posts(slack: SlackStandin) -> list[Call]:
    return [call for call in slack.calls if call.method == "chat.postMessage" and "thread_ts" not in call.body]


async def crash_while_slack_says_nothing(b: Bench, slack: SlackStandin, kind: str) -> None:
    """The process dies while it waits for the answer to its first message; another one goes on."""
    await b.say(finding())
    await b.dispatch()
    slack.fail(kind)
    await b.courier.step(b.clock.now())
    while not slack.calls:
        await asyncio.sleep(0.01)
    await b.courier.close()
    b.restarted()
    await b.open()
    await b.pass_time(20)
    assert len(slack.calls) == 1, "the dead courier's claim still holds"
    await b.pass_time(75)
    assert await states(b) == [("opened", "sent")]


async def test_a_crash_before_the_message_arrived_sends_it_again(db: Database) -> None:
    async with slack_bench(db) as (b, slack):
        await crash_while_slack_says_nothing(b, slack, "hang")
        assert len(posts(slack)) == 2
        assert len(slack.shown) == 1


async def test_a_crash_after_the_message_arrived_finds_it_and_repeats_nothing(db: Database) -> None:
    async with slack_bench(db) as (b, slack):
        await crash_while_slack_says_nothing(b, slack, "deaf")
        assert len(posts(slack)) == len(slack.shown) == 1
        await b.say()
        await b.pass_time(90)
        assert "[RESOLVED]" in slack.shown[0].text


async def test_without_the_scopes_to_look_a_crash_repeats_the_message_once(db: Database) -> None:
    async with slack_bench(db) as (b, slack):
        slack.scopes = frozenset({"chat:write"})
        await crash_while_slack_says_nothing(b, slack, "deaf")
        assert len(slack.shown) == 2


async def test_a_crash_after_an_edit_arrived_edits_again_and_posts_no_second_message(db: Database) -> None:
    async with slack_bench(db) as (b, slack):
        await b.say(finding())
        await b.pass_time()
        await b.say()
        await b.dispatch()
        slack.fail("deaf")
        await b.courier.step(b.clock.now())
        async with asyncio.timeout(60):
            while len(slack.calls) < 2:
                await asyncio.sleep(0.01)
        await b.courier.close()
        b.restarted()
        await b.open()
        await b.pass_time(95)
        assert [call.method for call in slack.calls] == ["chat.postMessage", "chat.update", "chat.update", "chat.postMessage"]
        assert await states(b) == [("opened", "sent"), ("resolved", "sent")]
        (message,) = slack.shown
        assert "[RESOLVED]" in message.text
        assert len(message.replies) == 1


async def test_a_mail_that_a_crash_left_unrecorded_is_repeated_as_the_same_message(db: Database) -> None:
    async with MailStandin(SystemClock()) as mail, bench(db, mail_receiver(mail)) as b:
        await b.say(finding())
        await b.pass_time()
        left = {"state": "owed", "attempts": 0, "finished_at": None, "claimed_until": b.clock.now() + timedelta(seconds=30)}
        async with db.begin() as session:  # what is there when the process dies between the server's answer and the commit
            for table in (attempts, threads):
                await session.execute(table.delete())
            await session.execute(outbox.update().values(**left))
        b.restarted()
        await b.open()
        await b.pass_time(20)
        assert len(mail.mails) == 1, "the dead courier's claim still holds"
        await b.pass_time(15)
        first, again = (one.message["Message-ID"] for one in mail.mails)
        assert first == again
        assert await states(b) == [("opened", "sent")]


async def test_a_reply_that_is_lost_is_repeated_without_a_second_message(db: Database) -> None:
    async with slack_bench(db) as (b, slack):
        await b.say(finding())
        await b.pass_time()
        await b.say()
        await b.dispatch()
        slack.fail("internal_error", times=1)
        await b.deliver()
        assert await outcomes(b) == ["delivered", "retry"]
        await b.pass_time(3)
        assert len(slack.shown) == 1
        assert "[RESOLVED]" in slack.shown[0].text


async def test_a_rate_limit_is_waited_out_for_as_long_as_slack_asks(db: Database) -> None:
    async with slack_bench(db) as (b, slack):
        slack.fail(429, retry_after=30)
        await b.say(finding())
        await b.pass_time(6)
        assert len(slack.calls) == 1
        await b.pass_time(28)
        assert len(slack.calls) == 1
        await b.pass_time(3)
        assert await outcomes(b) == ["retry", "delivered"]
        assert len(slack.shown) == 1


async def test_an_outage_is_retried_with_growing_pauses_until_it_is_over(db: Database) -> None:
    async with slack_bench(db) as (b, slack):
        slack.fail_always(500)
        await b.say(finding())
        await b.pass_time(120)
        assert 5 <= len(slack.calls) <= 9
        slack.fail_always(None)
        await b.pass_time(65)
        assert len(slack.shown) == 1
        assert await states(b) == [("opened", "sent")]


async def test_what_opened_and_ended_during_an_outage_is_told_once_as_ended(db: Database) -> None:
    async with slack_bench(db) as (b, slack):
        slack.fail_always(500)
        await b.say(finding())
        await b.pass_time(20)
        await b.say()
        await b.pass_time(20)
        slack.fail_always(None)
        await b.pass_time(65)
        assert await states(b) == [("opened", "superseded"), ("resolved", "sent")]
        (message,) = slack.shown
        assert "[RESOLVED]" in message.text
        assert message.replies == []


async def test_a_permanent_refusal_is_not_retried_and_goes_to_the_fallback_with_its_end(db: Database) -> None:
    clock = SystemClock()
    async with (
        slack_at(clock, channels=frozenset({"#other"})) as (slack, url),
        MailStandin(clock) as mail,
        bench(db, slack_receiver(url, fallback="mail-only"), mail_receiver(mail)) as b,
    ):
        await b.say(finding())
        await b.pass_time(30)
        assert [call.answer for call in slack.calls] == ["channel_not_found"]
        assert [one.subject for one in mail.mails] == ["[CRIT] prod · no scheduler heartbeat"]
        await b.say()
        await b.pass_time(30)
        assert len(mail.mails) == 2
        assert sorted(await outcomes(b)) == ["delivered", "delivered", "permanent", "permanent"]


async def test_an_outage_reaches_the_fallback_after_three_attempts_and_both_hear_the_end(db: Database) -> None:
    clock = SystemClock()
    async with (
        slack_at(clock) as (slack, url),
        MailStandin(clock) as mail,
        bench(db, slack_receiver(url, fallback="mail-only"), mail_receiver(mail)) as b,
    ):
        slack.fail_always(500)
        await b.say(finding())
        await b.pass_time(30)
        assert len(mail.mails) == 1
        slack.fail_always(None)
        await b.pass_time(60)
        assert len(slack.shown) == 1
        await b.say()
        await b.pass_time(10)
        assert len(mail.mails) == 2
        assert "[RESOLVED]" in slack.shown[0].text


async def test_while_a_receiver_is_away_its_fallback_hears_the_end_too_and_nothing_twice(db: Database) -> None:
    clock = SystemClock()
    async with (
        slack_at(clock) as (slack, url),
        MailStandin(clock) as mail,
        bench(db, slack_receiver(url, fallback="mail-only", fallback_after=1), mail_receiver(mail)) as b,
    ):
        slack.fail_always(500)
        await b.say(finding())
        await b.pass_time(70)
        assert len(mail.mails) == 1
        await b.say()
        await b.pass_time(130)
        assert len(mail.mails) == 2
        assert "Resolved" in mail.mails[1].text
        slack.fail_always(None)
        await b.pass_time(65)
        assert [message.replies for message in slack.shown] == [[]]
        assert len(mail.mails) == 2


async def test_fallbacks_are_a_chain(db: Database) -> None:
    async with MailStandin(SystemClock()) as mail, hook_at() as hook, hook_at() as broken:
        first = {"name": "first", "webhook": {"url": hook.url}, "fallback": "second"}
        second = {"name": "second", "webhook": {"url": broken.url}, "fallback": "mail-only"}
        async with bench(db, first, second, mail_receiver(mail)) as b:
            hook.statuses, broken.statuses = [404, 404], [410, 410]
            await b.say(finding())
            await b.pass_time(10)
            await b.say()
            await b.pass_time(10)
            assert [one.subject for one in mail.mails] == ["[CRIT] prod · no scheduler heartbeat"] * 2
            assert hook.bodies == broken.bodies == []


async def test_a_deleted_slack_message_is_posted_anew(db: Database) -> None:
    async with slack_bench(db) as (b, slack):
        await b.say(finding())
        await b.pass_time()
        slack.fail("message_not_found")
        await b.say()
        await b.pass_time()
        assert len(slack.shown) == 2


async def test_a_hanging_receiver_delays_no_other(db: Database) -> None:
    async with slack_at(SystemClock()) as (slack, url), hook_at() as hook:
        slow = slack_receiver(url)
        async with bench(db, {**slow, "name": "both", "webhook": {"url": hook.url}}) as b:
            slack.fail_always("hang")
            await b.say(finding())
            await b.dispatch()
            await b.courier.step(b.clock.now())
            async with asyncio.timeout(60):
                while not hook.bodies:
                    await asyncio.sleep(0.01)


async def test_mails_of_an_incident_are_one_thread_with_one_subject(db: Database) -> None:
    async with MailStandin(SystemClock()) as mail, bench(db, mail_receiver(mail)) as b:
        await b.say(finding())
        await b.pass_time()
        await b.say()
        await b.pass_time()
        first, last = (one.message for one in mail.mails)
        assert first["Subject"] == last["Subject"] == "[CRIT] prod · no scheduler heartbeat"
        assert last["In-Reply-To"] == last["References"] == first["Message-ID"]
        assert last["Message-ID"] != first["Message-ID"]
        assert first["Auto-Submitted"] == "auto-generated"
        assert "List-Id" in first
        assert "Resolved after 6 s" in mail.mails[1].text
        assert "<h1" in mail.mails[1].html


@pytest.mark.parametrize(("reply", "expected"), [("451 try later", "retry"), ("554 never", "permanent")])
async def test_a_mail_servers_refusal_says_whether_to_try_again(db: Database, reply: str, expected: str) -> None:
    async with MailStandin(SystemClock()) as mail, bench(db, mail_receiver(mail)) as b:
        mail.answer = reply
        await b.say(finding())
        await b.pass_time(6)
        assert (await outcomes(b))[0] == expected
        mail.answer = ""
        await b.pass_time(10)
        assert len(mail.mails) == (1 if expected == "retry" else 0)


async def test_starttls_that_is_required_is_never_left_out(db: Database) -> None:
    async with MailStandin(SystemClock()) as mail:
        strict = mail_receiver(mail)
        strict["email"] = {**strict["email"], "starttls": "required"}
        async with bench(db, strict) as b:
            await b.say(finding())
            await b.pass_time(6)
            assert "STARTTLS" in (await b.rows(attempts))[0].answer
            assert mail.mails == []


async def test_a_refused_recipient_is_permanent(db: Database) -> None:
    async with MailStandin(SystemClock()) as mail, bench(db, mail_receiver(mail)) as b:
        mail.refuse["oncall@example.com"] = "550 no such user"
        await b.say(finding())
        await b.pass_time(6)
        (attempt,) = await b.rows(attempts)
        assert (attempt.outcome, attempt.answer) == ("permanent", "oncall@example.com: 550 no such user")


async def test_a_webhook_gets_alertmanagers_payload(db: Database) -> None:
    async with hook_at() as hook, bench(db, {"name": "hook", "webhook": {"url": hook.url}}) as b:
        await b.say(finding())
        await b.pass_time()
        await b.say()
        await b.pass_time()
        opened, resolved = hook.bodies
        assert opened["version"] == "4"
        assert opened["groupKey"] == '{}:{alertname="AirflowSchedulerDown", deployment="prod"}'
        assert (opened["status"], resolved["status"]) == ("firing", "resolved")
        assert opened["commonLabels"] == dict(SCHEDULER)
        assert opened["alerts"][0]["endsAt"].startswith("0001-01-01T")
        assert resolved["alerts"][0]["endsAt"] == "2026-03-01T12:00:06Z"
        assert opened["alerts"][0]["fingerprint"] == SCHEDULER.fingerprint()
        assert hook.headers[0]["idempotency-key"] != hook.headers[1]["idempotency-key"]


async def test_a_webhook_that_was_away_hears_of_every_alert_that_ended(db: Database) -> None:
    async with (
        hook_at() as hook,
        bench(db, {"name": "hook", "webhook": {"url": hook.url}}, route={"group_interval": "5s"}) as b,
    ):
        await b.say(finding(), finding(SECOND))
        await b.pass_time()
        hook.statuses = [503] * 3
        await b.say(finding())
        await b.pass_time()
        third = SCHEDULER.merged({"hostname": "c"})
        await b.say(finding(), finding(third))
        await b.pass_time(15)
        ended = {
            alert["labels"].get("hostname") for body in hook.bodies for alert in body["alerts"] if alert["status"] == "resolved"
        }
        assert ended == {"b"}
        assert ("changed", "superseded") in await states(b)


async def test_a_webhooks_4xx_is_permanent(db: Database) -> None:
    async with hook_at() as hook, bench(db, {"name": "hook", "webhook": {"url": hook.url}}) as b:
        hook.statuses = [400]
        await b.say(finding())
        await b.pass_time(20)
        assert await outcomes(b) == ["permanent"]
        assert await states(b) == [("opened", "failed")]


async def test_notifications_of_one_incident_arrive_in_order(db: Database) -> None:
    async with (
        hook_at() as hook,
        bench(db, {"name": "hook", "webhook": {"url": hook.url}}, route={"group_interval": "2s"}) as b,
    ):
        for round_ in range(5):
            await b.say(*(finding(SCHEDULER.merged({"hostname": f"h{n}"})) for n in range(round_ + 1)))
            await b.pass_time(6)
        assert [len(body["alerts"]) for body in hook.bodies] == [1, 2, 3, 4, 5]


async def test_incidents_that_wait_hold_up_no_other_and_are_left_alone(db: Database) -> None:
    async with hook_at() as hook, bench(db, {"name": "hook", "webhook": {"url": hook.url}}) as b:
        await b.say(*(finding(SCHEDULER.merged({"dag_id": f"d{n}"})) for n in range(30)))
        await b.dispatch()
        later = b.clock.now() + timedelta(minutes=1)
        under_way = sa.update(outbox).where(outbox.c.id <= 5).values(claimed_until=later)
        for_later = sa.update(outbox).where(outbox.c.id.between(6, 25)).values(due_at=later)
        async with db.begin() as session:
            await session.execute(under_way)
            await session.execute(for_later)
            assert len(await waiting(session, "hook", "webhook", b.clock.now(), 3)) == 3
        await b.deliver()
        assert [row.id for row in await b.rows() if row.state == "sent"] == [26, 27, 28, 29, 30]
        assert {row.claimed_until for row in await b.rows() if 6 <= row.id <= 25} == {None}
        await b.pass_time(61)
        assert len(hook.bodies) == 30


async def test_what_is_owed_to_a_receiver_that_is_gone_is_recorded_as_failed(db: Database) -> None:
    async with hook_at() as hook, bench(db, {"name": "hook", "webhook": {"url": hook.url}}) as b:
        await b.say(finding())
        await b.dispatch()
        b.courier.reconfigure([])
        await b.deliver()
        assert await states(b) == [("opened", "failed")]


async def test_shutdown_sends_what_is_due_and_gives_up_on_time(db: Database) -> None:
    async with slack_bench(db) as (b, slack):
        await b.say(finding())
        await b.dispatch()
        await b.courier.drain(60)
        assert len(slack.shown) == 1
        await b.say()
        await b.dispatch()
        slack.fail_always("hang")
        await b.courier.drain(0.2)
        assert await states(b) == [("opened", "sent"), ("resolved", "owed")]


async def test_no_secret_is_kept_with_an_attempt(db: Database) -> None:
    async with bench(db, {"name": "hook", "webhook": {"url": "http://user:hunter2hunter2@127.0.0.1:9/x?token=abcdefgh"}}) as b:
        await b.say(finding())
        await b.pass_time(6)
        answers = " ".join(row.answer for row in await b.rows(attempts))
        assert answers
        assert "hunter2" not in answers
        assert "abcdefgh" not in answers


async def test_two_couriers_never_send_the_same_row(db: Database) -> None:
    async with slack_bench(db, receiver={"rate_limit": "off"}) as (b, slack):
        await b.say(*(finding(SCHEDULER.merged({"dag_id": f"d{n}"})) for n in range(30)))
        await b.dispatch()
        first = b.courier
        b.restarted()
        await asyncio.gather(first.step(b.clock.now()), b.courier.step(b.clock.now()))
        await asyncio.gather(first.settled(), b.courier.settled())
        assert len(slack.shown) == len(slack.calls) == 30


async def test_the_outboxs_depth_and_deliveries_are_counted(db: Database) -> None:
    async with slack_bench(db) as (b, slack):
        slack.fail_always(500)
        await b.say(finding())
        await b.pass_time(6)
        await b.courier.step(b.clock.now())
        registry = b.telemetry.registry
        assert registry.get_sample_value("opsconsole_outbox_owed") == 1
        labels = {"receiver": "oncall", "integration": "slack", "outcome": "retry"}
        assert registry.get_sample_value("opsconsole_notification_attempts_total", labels)
        assert registry.get_sample_value("opsconsole_alerts", {"state": "firing"}) == 1


async def test_a_fold_never_reaches_back_past_what_was_sent(db: Database) -> None:
    """A row that failed for good is history: the next one of its incident goes out by itself."""
    async with slack_bench(db) as (b, slack):
        slack.fail("channel_not_found")
        await b.say(finding())
        await b.pass_time()
        await b.say()
        await b.pass_time()
        assert await states(b) == [("opened", "failed"), ("resolved", "sent")]
        assert "[RESOLVED]" in slack.shown[0].text


async def test_claims_are_freed_by_time_alone(db: Database) -> None:
    async with hook_at() as hook, bench(db, {"name": "hook", "webhook": {"url": hook.url}}) as b:
        await b.say(finding())
        await b.dispatch()
        async with db.begin() as session:
            until = b.clock.now() + timedelta(seconds=30)
            await session.execute(sa.update(outbox).values(claimed_until=until))
        await b.pass_time(25)
        assert hook.bodies == []
        await b.pass_time(10)
        assert len(hook.bodies) == 1


async def test_a_test_notice_says_what_each_far_end_answered() -> None:
    clock = SystemClock()
    async with slack_at(clock) as (slack, url), MailStandin(clock) as mail, hook_at() as hook:
        receiver = {**slack_receiver(url), "email": mail_receiver(mail)["email"], "webhook": {"url": hook.url}}
        async with httpx.AsyncClient(trust_env=False) as http:
            tried = await send_test(Receiver.model_validate(receiver), http, clock, "http://console.test")
            slack.fail("invalid_auth")
            again = await send_test(Receiver.model_validate(slack_receiver(url)), http, clock, "http://console.test")
    assert [(one.integration, one.delivered) for one in tried] == [("slack", True), ("email", True), ("webhook", True)]
    assert "TEST" in slack.shown[0].text
    assert mail.mails[0].subject == "[TEST] opsconsole · test notice"
    assert hook.bodies[0]["alerts"][0]["labels"]["alertname"] == "OpsconsoleTest"
    assert [(one.delivered, one.answer) for one in again] == [(False, "chat.postMessage: invalid_auth")]
