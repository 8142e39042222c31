"""Everything else, through Apprise: one address a call, so that a retry repeats only what failed."""

import asyncio
import hashlib
from typing import Any

from opsconsole.model import DeliveryError
from opsconsole.notify.message import Message
from opsconsole.notify.rendering import as_text
from opsconsole.notify.sending import Letter, Receipt


class Apprise:
    edits, folds = False, True

    def __init__(self, url: str) -> None:
        self._url = url

    async def send(self, letter: Letter) -> Receipt:
        """In a thread: Apprise blocks, and its own deadlines (four seconds each to connect and to read) end it."""
        return await asyncio.to_thread(self._notify, letter)

    def _notify(self, letter: Letter) -> Receipt:
        import apprise

        plugin = apprise.Apprise.instantiate(self._url)
        if not isinstance(plugin, apprise.NotifyBase):
            raise DeliveryError("Apprise does not understand the address", permanent=True)
        fitted(plugin, letter)
        service = apprise.Apprise()
        service.add(plugin)
        message = letter.message
        answer = service.notify(body=as_text(message), title=message.title, notify_type=_kind(message), body_format="text")
        return _judged(answer)


def fitted(plugin: Any, letter: Letter) -> None:
    """Have the service keep an incident together, unless its address says how, and take no more text than it can.

    PagerDuty resolves by the key that opened (Events API v2, `dedup_key`); Opsgenie counts what comes under one alias as one
    alert. Both identify themselves by the scheme of their address.
    """
    if getattr(plugin, "overflow_mode", "") == "upstream":
        plugin.overflow_mode = "truncate"
    if plugin.secure_protocol == "pagerduty" and plugin.action == "trigger" and not plugin.dedup:
        plugin.action, plugin.dedup = "map", incident_key(letter)
    if plugin.secure_protocol == "opsgenie" and not plugin.alias:
        plugin.alias = incident_key(letter)


def incident_key(letter: Letter) -> str:
    """The same for all notifications of an incident, or of a storm, to one receiver; another in every other console."""
    one = letter.notification
    what = one.group_key if one.incident_id == 0 else str(one.incident_id)
    return f"opsconsole-{hashlib.sha256(f'{what}/{one.receiver}/{one.opened_at.isoformat()}'.encode()).hexdigest()[:32]}"


def _judged(answer: Any) -> Receipt:
    """Apprise 2.2 answers an `AppriseResult`; earlier ones True, False, or None where nothing matched."""
    status = getattr(answer, "status", None)
    word = getattr(status, "name", str(answer)).lower()
    if answer is None or word == "nomatch":
        raise DeliveryError("Apprise found no service behind the address", permanent=True)
    if not answer:
        raise DeliveryError(f"Apprise could not deliver ({word})")
    return Receipt(f"Apprise: {word if status is not None else 'success'}")


def _kind(message: Message) -> str:
    if message.test:
        return "info"
    if message.resolved:
        return "success"
    return {"info": "info", "warning": "warning"}.get(message.severity, "failure")
