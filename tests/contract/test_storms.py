"""More than a receiver may be told: folded into a summary that is kept up to date, and nothing of it lost."""

from typing import Any

import sqlalchemy as sa

from opsconsole.clock import SystemClock
from opsconsole.db import Database
from opsconsole.db.outbox import outbox
from opsconsole.db.storms import storms
from opsconsole.model import Finding
from tests.support.alerting import SCHEDULER, Bench, bench, finding
from tests.support.clock import FakeClock
from tests.support.slack import TOKEN, slack_at
from tests.support.smtp import MailStandin
from tests.support.webhook import hook_at


def many(count: int, severity: str = "warning", first: int = 0) -> list[Finding]:
    return [finding(SCHEDULER.merged({"dag_id": f"d{n}", "severity": severity})) for n in range(first, first + count)]


def slack_receiver(url: str, **more: Any) -> dict[str, Any]:
    return {"name": "oncall", "slack": {"token": TOKEN, "channel": "#oncall", "api_url": f"{url}/api/"}, **more}


def mail_receiver(mail: MailStandin, **more: Any) -> dict[str, Any]:
    to_from = {"to": ["oncall@example.com"], "from": "Ops <ops@example.com>", "smarthost": mail.smarthost}
    return {"name": "mail-only", "email": to_from, **more}


async def untold(b: Bench, receiver: str = "oncall") -> int:
    """Rows that were neither sent, nor spoken for, nor folded into a summary that was sent."""
    query = sa.select(sa.func.count()).where(outbox.c.receiver == receiver, outbox.c.state.in_(("owed", "failed")))
    async with b.db.read() as session:
        return int(await session.scalar(query) or 0)


async def test_a_storm_is_one_slack_message_kept_up_to_date_and_critical_ones_beside_it(db: Database) -> None:
    clock = FakeClock()
    async with slack_at(clock) as (slack, url), bench(db, slack_receiver(url), clock=clock) as b:
        slack.pace = 1.0
        storm = [*many(300), *many(3, "critical", 300)]
        await b.say(*storm)
        await b.pass_time(60)
        assert await untold(b) == 0
        summaries = [message for message in slack.shown if "[STORM]" in message.text]
        assert len(summaries) == 1
        assert len([one for one in slack.shown if "[CRIT]" in one.text]) == 3
        (row,) = await b.rows(storms)
        folded = {one.incident_id for one in await b.rows() if one.state == "folded"}
        assert f"[STORM] {len(folded)} incidents" in summaries[0].text
        assert len(folded) + len(slack.shown) - 1 == 303
        assert row.ended_at is None

        await b.say(*many(200))
        await b.pass_time(40)
        over = len([one for one in await b.incidents() if one.closed_at and one.id in folded])
        assert over
        assert f"{len(folded) - over} are open, {over} are over" in summaries[0].text

        await b.say()
        await b.pass_time(180)
        assert f"[RESOLVED] {len(folded)} incidents" in summaries[0].text
        assert await untold(b) == 0
        assert all("RESOLVED" in message.text for message in slack.shown)
        assert len([one for one in slack.shown if "incidents in" in one.text]) == 1
        (row,) = await b.rows(storms)
        assert row.ended_at is not None
        assert all(call.answer in ("ok", "ratelimited") for call in slack.calls)


async def test_a_storm_by_mail_is_a_few_mails_of_one_thread(db: Database) -> None:
    async with MailStandin(SystemClock()) as mail, bench(db, mail_receiver(mail)) as b:
        await b.say(*many(200))
        await b.pass_time(60)
        await b.say()
        await b.pass_time(400)
        summaries = [one.message for one in mail.mails if "[STORM]" in str(one.message["Subject"])]
        assert 2 <= len(summaries) <= 4
        assert summaries[-1]["References"] == summaries[0]["Message-ID"]
        assert len({one["Message-ID"] for one in summaries}) == len(summaries)
        assert "all are over" in next(one.text for one in reversed(mail.mails) if one.message is summaries[-1])
        assert await untold(b, "mail-only") == 0
        assert len(mail.mails) < 60


async def test_a_program_is_sent_everything(db: Database) -> None:
    async with hook_at() as hook, bench(db, {"name": "hook", "webhook": {"url": hook.url}}) as b:
        await b.say(*many(200))
        await b.pass_time(20)
        assert len(hook.bodies) == 200
        assert await b.rows(storms) == []


async def test_a_set_rate_is_kept_by_a_webhook_and_critical_incidents_go_first(db: Database) -> None:
    async with (
        hook_at() as hook,
        bench(db, {"name": "hook", "webhook": {"url": hook.url}, "rate_limit": {"messages": 2, "per": "1s"}}) as b,
    ):
        await b.say(*many(20, "info"), *many(4, "critical", 20))
        await b.dispatch()
        await b.deliver()
        assert len(hook.bodies) == 2
        await b.pass_time(1)
        assert [body["commonLabels"]["severity"] for body in hook.bodies] == ["critical"] * 4
        await b.pass_time(10)
        assert len(hook.bodies) == 24


async def test_a_storm_that_its_receiver_refuses_is_told_by_the_fallback_with_its_end(db: Database) -> None:
    clock = FakeClock()
    async with slack_at(clock, channels=frozenset({"#other"})) as (slack, url), hook_at() as hook:
        backup = {"name": "backup", "webhook": {"url": hook.url}}
        async with bench(db, slack_receiver(url, fallback="backup"), backup, clock=clock) as b:
            await b.say(*many(100))
            await b.pass_time(60)
            named = {body["commonLabels"]["dag_id"] for body in hook.bodies}
            assert len(named) == 100
            await b.say()
            await b.pass_time(90)
            ended = {body["commonLabels"]["dag_id"] for body in hook.bodies if body["status"] == "resolved"}
            assert ended == named
            assert slack.shown == []


async def test_a_storm_goes_on_after_a_restart_in_the_same_message(db: Database) -> None:
    clock = FakeClock()
    async with slack_at(clock) as (slack, url), bench(db, slack_receiver(url), clock=clock) as b:
        await b.say(*many(100))
        await b.pass_time(20)
        await b.courier.close()
        b.restarted()
        await b.open()
        await b.say()
        await b.pass_time(120)
        summaries = [message for message in slack.shown if "incidents in" in message.text]
        assert len(summaries) == 1
        assert "[RESOLVED]" in summaries[0].text
        assert await untold(b) == 0
