"""What every way of sending shares: its shape, and what an HTTP answer means."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import httpx

from opsconsole.model import DeliveryError, Notification
from opsconsole.notify.message import Message
from opsconsole.secrets import redacted

Reference = Mapping[str, Any]
"""Where an incident's message stands at the far end, kept between its notifications."""
MOST_RETRY_AFTER = 3600.0


@dataclass(frozen=True, slots=True)
class Letter:
    """One notification, ready to be sent, and the reference that earlier ones of its incident left.

    `perhaps_sent_since`: an earlier attempt after that time may have arrived although nobody heard the answer.
    `quiet`: a message that is edited need not say what changed.
    """

    notification: Notification
    message: Message
    reference: Reference | None = None
    perhaps_sent_since: datetime | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the far end answered, and the reference to keep."""

    answer: str
    reference: Reference | None = None


class Sender(Protocol):
    """`edits`: one message an incident, edited in place; `folds`: a storm may be told in a summary."""

    edits: bool
    folds: bool

    async def send(self, letter: Letter) -> Receipt:
        """Send, or raise `DeliveryError`."""
        ...


async def post(http: httpx.AsyncClient, url: str, now: datetime, **request: Any) -> httpx.Response:
    """POST, with every failure as a `DeliveryError`; what it says holds no secret."""
    try:
        response = await http.post(url, follow_redirects=False, **request)
    except httpx.InvalidURL as error:
        raise DeliveryError(redacted(f"not an address: {error}"), permanent=True) from error
    except httpx.HTTPError as error:
        raise DeliveryError(redacted(f"{type(error).__name__}: {error}".rstrip(": "))) from error
    if not response.is_success:
        raise refused(response, now)
    return response


def refused(response: httpx.Response, now: datetime) -> DeliveryError:
    """Trying again can help against 408, 425, 429 and 5xx; other answers stay what they are."""
    status = response.status_code
    passing = status in (408, 425, 429) or status >= 500
    said = " ".join(response.text[:300].split())
    return DeliveryError(
        redacted(f"HTTP {status} {said}".rstrip()),
        permanent=not passing,
        retry_after=retry_after(response.headers.get("Retry-After"), now),
    )


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait, from either form of the header (RFC 9110, 10.2.3), an hour at most."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - now).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), MOST_RETRY_AFTER) if seconds == seconds else None
