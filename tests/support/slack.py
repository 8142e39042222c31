"""Slack as tests meet it: the demo's stand-in behind a real socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opsconsole.clock import Clock
from opsconsole.demo.slack_standin import SlackStandin
from tests.support.serving import served

TOKEN = "xoxb-for-tests-0123456789"


@asynccontextmanager
async def slack_at(clock: Clock, channels: frozenset[str] | None = None) -> AsyncIterator[tuple[SlackStandin, str]]:
    """The stand-in, and its address: the API is below `/api/`."""
    standin = SlackStandin(clock, TOKEN, channels)
    async with served(standin.app) as url:
        yield standin, url
