"""What of an integration's queue is sent next. Pure.

An incident's notifications go out strictly in order, one at a time. Where an older one is still unsent, the newest speaks for
both: a message shows how things stand, and nobody needs to read how they stood. Nothing is lost by it: alerts that only the
older one told as resolved are told by the newer, and an opening that was never sent makes the newer one the opening.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from opsconsole.db.outbox import Owed
from opsconsole.model import Notification, Occasion

_ADDS_NOTHING = (Occasion.REPEATED, Occasion.HANDLED)
"""Occasions that say less than whatever was not sent before them."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """The row to send, and the rows that it speaks for."""

    owed: Owed
    superseded: tuple[int, ...] = ()


def bundles(rows: Iterable[Owed], now: datetime) -> list[Bundle]:
    """One bundle an incident, in the order in which they have waited; an incident with a row under way has to wait."""
    threads: dict[int, list[Owed]] = {}
    for row in rows:
        threads.setdefault(row.notification.incident_id, []).append(row)
    return [_bundle(rows) for rows in threads.values() if not any(row.claimed_until and row.claimed_until > now for row in rows)]


def _bundle(rows: Sequence[Owed]) -> Bundle:
    """The newest waits as long as the one that failed before it, and counts its attempts and its broken-off claim."""
    notification = rows[0].notification
    for row in rows[1:]:
        notification = fold(notification, row.notification)
    newest = replace(
        rows[-1],
        notification=notification,
        due_at=max(row.due_at for row in rows),
        attempts=max(row.attempts for row in rows),
        claimed_until=next((row.claimed_until for row in rows if row.claimed_until), None),
    )
    return Bundle(newest, tuple(row.id for row in rows[:-1]))


def fold(older: Notification, newer: Notification) -> Notification:
    """`newer`, with what would be lost if `older` was never sent."""
    told = {alert.labels for alert in newer.alerts}
    missed = tuple(alert for alert in older.resolved if alert.labels not in told)
    opening = older.occasion is Occasion.OPENED and newer.occasion is not Occasion.RESOLVED
    occasion = Occasion.OPENED if opening else newer.occasion
    if newer.occasion in _ADDS_NOTHING and not opening:
        occasion = older.occasion
    news = " ".join(text for text in (older.news, newer.news) if text)
    return replace(newer, occasion=occasion, resolved=missed + newer.resolved, news=news)
