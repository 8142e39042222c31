"""A mail server that delivers to nobody and keeps what it was given."""

import asyncio
import importlib.util
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from opsconsole.clock import Clock
from opsconsole.model import OpsConsoleError

MOST_KEPT = 500


@dataclass(frozen=True, slots=True)
class Mail:
    """A message as it came over the wire."""

    at: datetime
    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "")

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    def _part(self, kind: str) -> str:
        part = self.message.get_body(preferencelist=(kind,))
        return str(part.get_content()) if part is not None else ""


class MailStandin:
    """An SMTP server on loopback, on this event loop. `refuse` maps a recipient to the reply that turns it away."""

    def __init__(self, clock: Clock, host: str = "127.0.0.1", port: int = 0) -> None:
        self._clock, self._host, self._port = clock, host, port
        self._server: asyncio.Server | None = None
        self.mails: list[Mail] = []
        self.refuse: dict[str, str] = {}
        self.answer = ""
        """A reply to DATA instead of taking the message, such as `451 try later`."""

    @property
    def smarthost(self) -> str:
        return f"{self._host}:{self._port}"

    async def __aenter__(self) -> "MailStandin":
        from aiosmtpd.smtp import SMTP

        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: SMTP(self, loop=loop, ident="mail stand-in"), self._host, self._port)
        self._port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.answer:
            return self.answer
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.mails.append(Mail(self._clock.now(), envelope.mail_from, tuple(envelope.rcpt_tos), message))
        del self.mails[:-MOST_KEPT]
        return "250 kept"


def require() -> None:
    """Raises OpsConsoleError where the extra dependency is not installed, with how to get it."""
    if importlib.util.find_spec("aiosmtpd") is None:
        raise OpsConsoleError("the demo's mail server needs aiosmtpd: pip install 'opsconsole[demo]'")
