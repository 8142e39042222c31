"""Slack by incoming webhook: it cannot edit, so each change is a message of its own."""

import httpx

from opsconsole.clock import Clock
from opsconsole.notify.blocks import blocks, fallback_text
from opsconsole.notify.sending import Letter, Receipt, post
from opsconsole.notify.settings import Slack


class SlackWebhook:
    edits, folds = False, True

    def __init__(self, settings: Slack, http: httpx.AsyncClient, clock: Clock) -> None:
        assert settings.webhook_url is not None
        self._url = settings.webhook_url.get_secret_value()
        self._http, self._clock = http, clock

    async def send(self, letter: Letter) -> Receipt:
        text = fallback_text(letter.message)
        body = {"text": text, "blocks": blocks(letter.message)}
        response = await post(self._http, self._url, self._clock.now(), json=body)
        return Receipt(response.text[:200] or f"HTTP {response.status_code}")
