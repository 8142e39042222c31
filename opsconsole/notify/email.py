"""E-mail by SMTP: text and HTML, one thread an incident."""

import hashlib
import ipaddress
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from typing import Any

from opsconsole.model import DeliveryError
from opsconsole.notify.rendering import as_html, as_text
from opsconsole.notify.sending import Letter, Receipt
from opsconsole.notify.settings import Email, split_smarthost
from opsconsole.secrets import redacted

_SECONDS = 15
_MOST_REMEMBERED = 1000


class EmailPost:
    """A recipient whose server says "later" (greylisting) is tried again alone. Who was reached already is known here only:
    a restart in between sends the mail to all again, under the same Message-ID."""

    edits, folds = False, True

    def __init__(self, settings: Email) -> None:
        self._settings = settings
        self._host, self._port = split_smarthost(settings.smarthost)
        self._everyone = [parseaddr(one)[1] or one for one in settings.to]
        self._reached: dict[str, frozenset[str]] = {}

    async def send(self, letter: Letter) -> Receipt:
        mail = compose_mail(letter, self._settings)
        name = str(mail["Message-ID"])
        before = self._reached.get(name, frozenset())
        wanted = [one for one in self._everyone if one not in before]
        refused, answer = await self._deliver(mail, wanted)
        reached = before.union(wanted) - refused.keys()
        self._remember(name, reached if any(code < 500 for code, _ in refused.values()) else None)
        if name in self._reached or not reached:
            said = ", ".join(f"{who}: {code} {why}" for who, (code, why) in refused.items())
            raise DeliveryError(redacted(said)[:500], permanent=name not in self._reached)
        missed = f"; refused: {', '.join(f'{who} ({code})' for who, (code, _) in refused.items())}" if refused else ""
        first = (letter.reference or {}).get("message_id") or name
        return Receipt(f"{answer}{missed}"[:500], {"message_id": str(first), "subject": str(mail["Subject"])})

    def _remember(self, name: str, reached: frozenset[str] | None) -> None:
        """Until the mail has come to all; a mail that a newer one spoke for is forgotten in time."""
        self._reached.pop(name, None)
        if reached is not None:
            self._reached[name] = reached
            for oldest in list(self._reached)[:-_MOST_REMEMBERED]:
                del self._reached[oldest]

    async def _deliver(self, mail: EmailMessage, recipients: list[str]) -> tuple[dict[str, tuple[int, str]], str]:
        """Who was refused, with code and reason, and what the server answered to the mail."""
        import aiosmtplib

        password = self._settings.password
        try:
            refused, answer = await aiosmtplib.send(
                mail,
                recipients=recipients,
                hostname=self._host,
                port=self._port,
                username=self._settings.username,
                password=password.get_secret_value() if password else None,
                timeout=_SECONDS,
                **self._encryption(),
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            return {one.recipient: (one.code, one.message) for one in error.recipients}, ""
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise _failed(error) from error
        return {who: (why.code, why.message) for who, why in refused.items()}, answer

    def _encryption(self) -> dict[str, Any]:
        """`auto` takes what the server offers, unverified, as other mailers do (RFC 7435), but a password never goes
        to another machine in the clear: with one, `auto` means `required`. Port 465 speaks TLS from the start."""
        if self._port == 465:
            return {"use_tls": True, "validate_certs": True}
        mode = self._settings.starttls
        if mode == "auto" and self._settings.password is not None and not _local(self._host):
            mode = "required"
        return {"start_tls": {"auto": None, "required": True, "off": False}[mode], "validate_certs": mode == "required"}


def compose_mail(letter: Letter, settings: Email) -> EmailMessage:
    """The subject stays that of the incident's first mail, and every later one refers to it, so that readers thread them.

    The Message-ID comes from the notification's key: a repeat after a crash is the same message to the reader's mailbox.
    """
    notification, message, known = letter.notification, letter.message, letter.reference or {}
    domain = _domain(settings.from_)
    mail = EmailMessage(policy=SMTP_POLICY)
    mail["From"] = settings.from_
    mail["To"] = ", ".join(settings.to)
    mail["Subject"] = known.get("subject") or " ".join(message.title.split())
    mail["Date"] = format_datetime(notification.at)
    mail["Message-ID"] = f"<{_digest(notification.key + notification.receiver)}.opsconsole@{domain}>"
    if first := known.get("message_id"):
        mail["In-Reply-To"] = mail["References"] = first
    mail["List-Id"] = f"opsconsole notifications <opsconsole.{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Opsconsole-Incident"] = str(notification.incident_id)
    mail.set_content(as_text(message))
    mail.add_alternative(as_html(message), subtype="html")
    return mail


def _failed(error: Exception) -> DeliveryError:
    """A 5xx answer stays what it is, a 4xx passes (RFC 5321, 4.2.1). A certificate that is refused may be renewed, as every
    other trouble with the connection may pass."""
    import aiosmtplib

    said = redacted(" ".join(f"{type(error).__name__}: {' '.join(map(str, error.args))}".split()))[:500]
    code = getattr(error, "code", 0)
    never = isinstance(error, aiosmtplib.SMTPNotSupported | ValueError) and not isinstance(error, OSError)
    return DeliveryError(said, permanent=never or 500 <= code < 600)


def _local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]
