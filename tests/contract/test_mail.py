"""Mail over TLS and with a login, and servers that refuse: what passes is tried again, what stays is not."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsconsole.clock import SystemClock
from opsconsole.db import Database
from opsconsole.db.outbox import attempts
from tests.support.alerting import Bench, bench, finding
from tests.support.commands import Done, opsconsole
from tests.support.databases import opened
from tests.support.servers import TLS
from tests.support.smtp import LOGIN, MailStandin, SecureMailStandin

ONCALL, BOSS = "oncall@example.com", "boss@example.com"
USER = {"username": LOGIN[0], "password": LOGIN[1]}


@pytest.fixture
async def db(tmp_path: Path) -> Any:
    """One kind is enough: the far end is what differs here."""
    async with opened(f"sqlite:///{tmp_path / 'test.db'}") as database:
        yield database


def receiver(mail: MailStandin, *to: str, **more: Any) -> dict[str, Any]:
    email = {"to": list(to or (ONCALL,)), "from": "Ops <ops@example.com>", "smarthost": mail.smarthost}
    return {"name": "mail", "email": {**email, **more}}


async def first_try(b: Bench) -> None:
    await b.say(finding())
    await b.dispatch()
    await b.deliver()


async def told(b: Bench) -> list[tuple[str, str]]:
    return [(row.outcome, row.answer) for row in await b.rows(attempts)]


async def notify_test(folder: Path, mail: MailStandin, environment: dict[str, str], **more: Any) -> Done:
    """What people type; whom the console trusts is the environment's business."""
    alerting = {"route": {"receiver": "mail"}, "receivers": [receiver(mail, **more)]}
    (folder / "opsconsole.yaml").write_text(yaml.safe_dump({"alerting": alerting}))
    return await asyncio.to_thread(opsconsole, "notify", "test", "mail", cwd=folder, environment=environment)


async def test_a_mail_goes_out_verified_encrypted_and_logged_in(tmp_path: Path) -> None:
    async with SecureMailStandin(SystemClock()) as mail:
        done = await notify_test(tmp_path, mail, {"SSL_CERT_FILE": str(TLS / "cert.pem")}, starttls="required", **USER)
        assert (done.status, done.err) == (0, [])
        assert mail.logins == [("ops", True)]
        assert [one.recipients for one in mail.mails] == [(ONCALL,)]


async def test_a_certificate_that_nobody_vouches_for_is_refused_and_said_so(tmp_path: Path) -> None:
    async with SecureMailStandin(SystemClock()) as mail:
        done = await notify_test(tmp_path, mail, {}, starttls="required", **USER)
        assert done.status == 1
        assert "certificate verify failed" in "\n".join(done.out + done.err).lower()
        assert LOGIN[1] not in "\n".join(done.out + done.err)
        assert (mail.logins, mail.mails) == ([], [])


async def test_a_refused_certificate_is_tried_again_for_it_may_be_renewed(db: Database) -> None:
    async with SecureMailStandin(SystemClock()) as mail, bench(db, receiver(mail, starttls="required", **USER)) as b:
        await first_try(b)
        [(outcome, answer)] = await told(b)
        assert outcome == "retry"
        assert "certificate" in answer.lower()


async def test_auto_encrypts_without_verifying_and_logs_in_over_it(db: Database) -> None:
    async with SecureMailStandin(SystemClock()) as mail, bench(db, receiver(mail, **USER)) as b:
        await first_try(b)
        assert [outcome for outcome, _ in await told(b)] == ["delivered"]
        assert mail.logins == [("ops", True)]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_a_login_without_tls_goes_to_this_machine_only_where_the_server_has_none(db: Database) -> None:
    async with SecureMailStandin(SystemClock(), tls=False) as mail, bench(db, receiver(mail, **USER)) as b:
        await first_try(b)
        assert [outcome for outcome, _ in await told(b)] == ["delivered"]
        assert mail.logins == [("ops", False)]


async def test_a_wrong_password_is_permanent_and_stays_secret(db: Database) -> None:
    wrong = {"username": "ops", "password": "another-mail-password"}
    async with SecureMailStandin(SystemClock()) as mail, bench(db, receiver(mail, **wrong)) as b:
        await first_try(b)
        [(outcome, answer)] = await told(b)
        assert outcome == "permanent"
        assert "535" in answer
        assert "another-mail-password" not in answer
        assert mail.mails == []


async def test_a_server_that_wants_a_login_we_do_not_have_is_permanent(db: Database) -> None:
    async with SecureMailStandin(SystemClock()) as mail, bench(db, receiver(mail)) as b:
        await first_try(b)
        [(outcome, answer)] = await told(b)
        assert outcome == "permanent"
        assert "530" in answer


async def test_one_recipient_refused_for_good_is_noted_and_the_others_are_reached(db: Database) -> None:
    async with MailStandin(SystemClock()) as mail, bench(db, receiver(mail, ONCALL, BOSS)) as b:
        mail.refuse[BOSS] = "550 no such user"
        await first_try(b)
        [(outcome, answer)] = await told(b)
        assert outcome == "delivered"
        assert answer.endswith(f"; refused: {BOSS} (550)")
        assert [one.recipients for one in mail.mails] == [(ONCALL,)]


async def test_one_recipient_who_is_greylisted_is_tried_again_alone(db: Database) -> None:
    async with MailStandin(SystemClock()) as mail, bench(db, receiver(mail, f"On call <{ONCALL}>", BOSS)) as b:
        mail.refuse[BOSS] = "451 greylisted, come back"
        await first_try(b)
        assert await told(b) == [("retry", f"{BOSS}: 451 greylisted, come back")]
        mail.refuse.clear()
        await b.pass_time(10)
        assert [outcome for outcome, _ in await told(b)] == ["retry", "delivered"]
        assert [one.recipients for one in mail.mails] == [(ONCALL,), (BOSS,)]
        assert len({one.message["Message-ID"] for one in mail.mails}) == 1


async def test_one_greylisted_first_and_refused_then_leaves_the_mail_delivered_to_the_others(db: Database) -> None:
    async with MailStandin(SystemClock()) as mail, bench(db, receiver(mail, ONCALL, BOSS)) as b:
        mail.refuse[BOSS] = "451 greylisted, come back"
        await first_try(b)
        mail.refuse[BOSS] = "550 no such user"
        await b.pass_time(10)
        assert [outcome for outcome, _ in await told(b)] == ["retry", "delivered"]
        assert [one.recipients for one in mail.mails] == [(ONCALL,)]


async def test_all_greylisted_are_reached_once_they_may(db: Database) -> None:
    async with MailStandin(SystemClock()) as mail, bench(db, receiver(mail, ONCALL, BOSS)) as b:
        mail.refuse |= {ONCALL: "451 come back", BOSS: "550 no such user"}
        await first_try(b)
        mail.refuse.pop(ONCALL)
        await b.pass_time(10)
        assert [outcome for outcome, _ in await told(b)] == ["retry", "delivered"]
        assert [one.recipients for one in mail.mails] == [(ONCALL,)]
