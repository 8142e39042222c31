"""Where the demo's messages go: stand-ins for Slack and a mail server, and a page that shows what they received."""

import asyncio
import contextlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from opsconsole.clock import Clock, SystemClock
from opsconsole.demo.mail_standin import Mail, MailStandin
from opsconsole.demo.mrkdwn import as_html
from opsconsole.demo.slack_standin import SlackMessage, SlackStandin
from opsconsole.web.serving import bound, serve, server

if TYPE_CHECKING:
    import jinja2

_HERE = Path(__file__).parent
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
_MAIL_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing received, for the page."""

    at: datetime
    slack: SlackMessage | None = None
    mail: Mail | None = None
    number: int = 0

    @property
    def key(self) -> str:
        """Another one for each state of it, so that the page renews what changed and leaves the rest alone."""
        if self.slack is not None:
            return f"slack {self.slack.ts} {len(self.slack.versions)} {len(self.slack.replies)}"
        return f"mail {self.number}"

    @property
    def height(self) -> int:
        """About the pixels that a mail takes: its frame cannot know."""
        text = self.mail.text if self.mail else ""
        return min(900, 110 + 21 * sum(1 + len(line) // 95 for line in text.splitlines()))


def inbox(slack: SlackStandin, mail: MailStandin) -> Starlette:
    """The page, with Slack's stand-in below `/slack`: its API is `/slack/api/`."""
    environment = _environment()

    async def page(_: Request) -> Response:
        entries = [Entry(message.at, slack=message) for message in slack.shown]
        entries += [Entry(one.at, mail=one, number=number) for number, one in enumerate(mail.mails)]
        entries.sort(key=lambda entry: entry.at, reverse=True)
        html = environment.get_template("inbox.html.j2").render(entries=entries[:100], total=len(entries), name=slack.name)
        return HTMLResponse(html, headers={"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "no-store"})

    async def mail_html(request: Request) -> Response:
        number = request.path_params["number"]
        html = mail.mails[number].html if number < len(mail.mails) else "This mail is no longer kept."
        return HTMLResponse(html, headers={"Content-Security-Policy": _MAIL_POLICY})

    async def style(_: Request) -> Response:
        return FileResponse(_HERE / "inbox.css", media_type="text/css")

    async def script(_: Request) -> Response:
        return FileResponse(_HERE / "inbox.js", media_type="text/javascript")

    async def home(_: Request) -> Response:
        return RedirectResponse("./inbox")

    return Starlette(
        routes=[
            Route("/", home),
            Route("/inbox", page),
            Route("/inbox.css", style),
            Route("/inbox.js", script),
            Route("/mail/{number:int}", mail_html),
            Mount("/slack", app=slack.app),
        ]
    )


class FarEnds:
    """Everything the demo's console sends to, on loopback, for as long as the block lasts."""

    def __init__(self, home: Path | None = None, clock: Clock | None = None) -> None:
        """`home` is unused as yet: what was received is kept in memory."""
        clock = clock or SystemClock()
        self.slack_token = f"xoxb-demo-{secrets.token_hex(8)}"
        self.slack = SlackStandin(clock, self.slack_token)
        self.mail = MailStandin(clock)
        self._stack = contextlib.AsyncExitStack()
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/inbox"

    @property
    def slack_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/slack/api/"

    @property
    def smarthost(self) -> str:
        return self.mail.smarthost

    async def __aenter__(self) -> "FarEnds":
        await self._stack.enter_async_context(self.mail)
        listener = bound("127.0.0.1", 0)
        self._port = int(listener.getsockname()[1])
        serving = asyncio.create_task(serve(server(inbox(self.slack, self.mail)), listener))
        self._stack.push_async_callback(_ended, serving)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _environment() -> "jinja2.Environment":
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["mrkdwn"] = as_html
    return environment
