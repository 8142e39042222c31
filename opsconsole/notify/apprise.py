"""Everything else, through Apprise: one address a call, so that a retry repeats only what failed."""

import asyncio
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
        return await asyncio.to_thread(self._notify, letter.message)

    def _notify(self, message: Message) -> Receipt:
        import apprise

        service = apprise.Apprise()
        if not service.add(self._url):
            raise DeliveryError("Apprise does not understand the address", permanent=True)
        answer = service.notify(body=as_text(message), title=message.title, notify_type=_kind(message), body_format="text")
        return _judged(answer)


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
