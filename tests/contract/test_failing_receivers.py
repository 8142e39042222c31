"""A receiver that fails is an alert, and another receiver tells it."""

from opsconsole.clock import SystemClock
from opsconsole.db import Database
from opsconsole.model import Labels
from tests.support.alerting import Bench, bench, finding
from tests.support.smtp import MailStandin
from tests.support.webhook import hook_at

FAILS = Labels(alertname="OpsConsoleReceiverFailing", severity="critical", receiver="hook", integration="webhook")
TEXTS = {"summary": "console: receiver hook fails (webhook)"}


def failing(b: Bench) -> float | None:
    labels = {"receiver": "hook", "integration": "webhook"}
    return b.telemetry.registry.get_sample_value("opsconsole_receiver_failing", labels)


async def test_a_receiver_fails_from_the_third_attempt_until_it_delivers_also_over_a_restart(db: Database) -> None:
    async with hook_at() as hook, bench(db, {"name": "hook", "webhook": {"url": hook.url}}) as b:
        await b.deliver()
        assert failing(b) == 0
        hook.statuses = [500] * 4
        await b.say(finding())
        await b.pass_time(6)
        assert failing(b) == 0
        await b.pass_time(6)
        assert failing(b) == 1
        b.telemetry = type(b.telemetry)()
        b.restarted()
        await b.open()
        await b.courier.step(b.clock.now())
        assert failing(b) == 1
        await b.pass_time(30)
        assert len(hook.bodies) == 1
        assert failing(b) == 0


async def test_a_refusal_for_good_fails_at_once(db: Database) -> None:
    async with hook_at() as hook, bench(db, {"name": "hook", "webhook": {"url": hook.url}}) as b:
        hook.statuses = [410]
        await b.say(finding())
        await b.pass_time(6)
        assert failing(b) == 1


async def test_that_a_receiver_fails_is_told_by_another_with_its_end(db: Database) -> None:
    async with hook_at() as hook, MailStandin(SystemClock()) as mail:
        hooked = {"name": "hook", "webhook": {"url": hook.url}}
        to_from = {"to": ["a@example.com"], "from": "b@example.com", "smarthost": mail.smarthost}
        async with bench(db, hooked, {"name": "mail", "email": to_from}) as b:
            hook.statuses = [500] * 50
            await b.say(finding(FAILS, annotations=TEXTS), finding())
            await b.pass_time(8)
            assert [one.subject for one in mail.mails] == ["[CRIT] console: receiver hook fails (webhook)"]
            hook.statuses = []
            await b.pass_time(70)
            await b.say(finding())
            await b.pass_time(70)
            assert len(mail.mails) == 2
            assert "Resolved" in mail.mails[1].text
            told = [(body["status"], body["commonLabels"]["alertname"]) for body in hook.bodies]
            assert told.count(("resolved", "OpsConsoleReceiverFailing")) == 1


async def test_another_receivers_failure_is_told_once(db: Database) -> None:
    async with hook_at() as hook, hook_at() as other:
        hooked, others = {"name": "hook", "webhook": {"url": hook.url}}, {"name": "other", "webhook": {"url": other.url}}
        async with bench(db, others, hooked) as b:
            await b.say(finding(FAILS, annotations=TEXTS))
            await b.pass_time(8)
            assert (len(other.bodies), len(hook.bodies)) == (1, 0)
