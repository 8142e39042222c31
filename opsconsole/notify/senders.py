"""Which sender each integration has. A new way of sending is a file beside and a line here."""

from collections.abc import Iterable

import httpx
from pydantic import SecretStr

from opsconsole.clock import Clock
from opsconsole.notify.apprise import Apprise
from opsconsole.notify.email import EmailPost
from opsconsole.notify.sending import Sender
from opsconsole.notify.settings import Email, Receiver, Slack, Webhook
from opsconsole.notify.slack import SlackBot
from opsconsole.notify.slack_webhook import SlackWebhook
from opsconsole.notify.webhook import WebhookPost


def build(receivers: Iterable[Receiver], http: httpx.AsyncClient, clock: Clock, public_url: str) -> dict[tuple[str, str], Sender]:
    """The sender of every (receiver, integration)."""
    return {
        (receiver.name, name): _sender(settings, http, clock, public_url)
        for receiver in receivers
        for name, settings in receiver.ways()
    }


def _sender(settings: Slack | Email | Webhook | SecretStr, http: httpx.AsyncClient, clock: Clock, public_url: str) -> Sender:
    match settings:
        case Slack(token=None):
            return SlackWebhook(settings, http, clock)
        case Slack():
            return SlackBot(settings, http, clock)
        case Email():
            return EmailPost(settings)
        case Webhook():
            return WebhookPost(settings, http, clock, public_url)
        case SecretStr():
            return Apprise(settings.get_secret_value())
