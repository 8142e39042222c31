"""The far ends of notifications, on an event loop of their own, for tests that are not asynchronous."""

import asyncio
import threading
from pathlib import Path

from opsconsole.demo.inbox import FarEnds
from opsconsole.demo.mail_standin import Mail
from opsconsole.demo.slack_standin import SlackMessage


class Recording:
    """Slack's stand-in and a real SMTP server; `messages` and `mails` are what they received, oldest first.

    `forget` leaves out what came before.
    """

    def __init__(self, home: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._ends = FarEnds(home)
        self._forgotten = 0, 0

    def __enter__(self) -> "Recording":
        self._thread.start()
        self._await(self._ends.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._await(self._ends.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)

    def _await(self, work) -> None:  # type: ignore[no-untyped-def]
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    @property
    def messages(self) -> list[SlackMessage]:
        """Messages of the channel; replies and earlier versions are inside."""
        return self._ends.slack.shown[self._forgotten[0] :]

    @property
    def mails(self) -> list[Mail]:
        return self._ends.mail.mails[self._forgotten[1] :]

    def forget(self) -> None:
        self._forgotten = len(self._ends.slack.shown), len(self._ends.mail.mails)

    def receiver(self, name: str = "oncall") -> dict[str, object]:
        """The configuration of a receiver that reaches them."""
        return {
            "name": name,
            "slack": {"token": self._ends.slack_token, "channel": "#data-oncall", "api_url": self._ends.slack_url},
            "email": {"to": ["oncall@example.com"], "from": "opsconsole@example.com", "smarthost": self._ends.smarthost},
        }
