"""A test notice, through the real senders: what `opsconsole notify test RECEIVER` does."""

import asyncio
from dataclasses import dataclass

import httpx

from opsconsole.clock import Clock
from opsconsole.model import Alert, AlertState, DeliveryError, Labels, Notification, Occasion
from opsconsole.notify import senders
from opsconsole.notify.lane import DEADLINE
from opsconsole.notify.message import compose
from opsconsole.notify.sending import Letter, Sender
from opsconsole.notify.settings import Receiver

_LABELS = Labels(alertname="OpsconsoleTest", severity="info")
_TEXTS = {"summary": "Test notice: nothing is wrong"}


@dataclass(frozen=True, slots=True)
class Tried:
    """What one integration's far end answered."""

    integration: str
    delivered: bool
    answer: str
    seconds: float


async def send_test(receiver: Receiver, http: httpx.AsyncClient, clock: Clock, public_url: str) -> list[Tried]:
    """Send a test notice by every integration of the receiver, once each, and say what came of it."""
    notification = sample(receiver.name, clock)
    built = senders.build([receiver], http, clock, public_url)
    letter = Letter(notification, compose(notification, public_url))
    return list(await asyncio.gather(*(_tried(name, sender, letter, clock) for (_, name), sender in built.items())))


def sample(receiver: str, clock: Clock) -> Notification:
    now = clock.now()
    alert = Alert(_LABELS, "test", AlertState.FIRING, now, _TEXTS, fired_at=now)
    return Notification(
        key=f"test/{receiver}/{now.isoformat()}",
        incident_id=0,
        receiver=receiver,
        group_labels=_LABELS.only("alertname"),
        occasion=Occasion.TEST,
        at=now,
        opened_at=now,
        closed_at=None,
        firing=(alert,),
        resolved=(),
        group_key=f"{{}}:{_LABELS.only('alertname')!r}",
    )


async def _tried(name: str, sender: Sender, letter: Letter, clock: Clock) -> Tried:
    began = clock.monotonic()
    try:
        async with asyncio.timeout(DEADLINE):
            receipt = await sender.send(letter)
        delivered, answer = True, receipt.answer
    except DeliveryError as error:
        delivered, answer = False, str(error)
    except TimeoutError:
        delivered, answer = False, f"no answer within {DEADLINE:.0f} s"
    return Tried(name, delivered, answer, clock.monotonic() - began)
