"""One integration of one receiver, with its queue: claims what is due, sends it, records what came of it."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opsconsole import db
from opsconsole.clock import Clock
from opsconsole.db.outbox import Owed
from opsconsole.model import DeliveryError, Integration, Notification, Occasion
from opsconsole.notify import retry
from opsconsole.notify.folding import Bundle, bundles
from opsconsole.notify.message import Message
from opsconsole.notify.sending import Letter, Receipt, Sender
from opsconsole.telemetry import Telemetry

log = logging.getLogger(__name__)

DEADLINE = 20.0
LEASE = timedelta(seconds=30)
"""A claim outlives the deadline, so that nobody sends again what is being sent; after a crash it frees the row."""
MOST_AT_ONCE = 4
MOST_CLAIMED = 20
_RECORD_DELAYS = (0.2, 1.0, 3.0)


@dataclass(frozen=True, slots=True)
class Office:
    """What every lane needs."""

    db: db.Database
    clock: Clock
    telemetry: Telemetry
    compose: Callable[[Notification], Message]
    on_change: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Fallback:
    """Who is told instead, after how many failed attempts."""

    name: str
    integrations: tuple[Integration, ...]
    after: int = retry.ESCALATE_AFTER


@dataclass(frozen=True, slots=True)
class _Attempt:
    at: datetime
    seconds: float
    receipt: Receipt | None
    error: DeliveryError | None

    @property
    def outcome(self) -> str:
        if self.error is None:
            return "delivered"
        return "permanent" if self.error.permanent else "retry"


class Lane:
    def __init__(self, office: Office, receiver: str, integration: str, sender: Sender, fallback: Fallback | None) -> None:
        self._office, self._sender, self._fallback = office, sender, fallback
        self.receiver, self.integration = receiver, integration
        self._paused_until: datetime | None = None
        self._places = asyncio.Semaphore(MOST_AT_ONCE)

    async def run(self) -> None:
        """Send until nothing is due."""
        while await self._round():
            pass

    async def _round(self) -> bool:
        now = self._office.clock.now()
        if self._paused_until is not None and now < self._paused_until:
            return False
        claimed = await self._claim(now)
        await asyncio.gather(*map(self._deliver, claimed))
        return bool(claimed)

    async def _claim(self, now: datetime) -> list[Owed]:
        async with self._office.db.begin() as session:
            due = await db.outbox.due_incidents(session, self.receiver, self.integration, now, MOST_CLAIMED)
            rows = await db.outbox.lane(session, self.receiver, self.integration, due)
            taken = [bundle.owed for bundle in bundles(rows, now) if await _taken(session, bundle, now)]
        return [owed for owed in taken if owed.due_at <= now]

    async def _deliver(self, owed: Owed) -> None:
        async with self._places:
            now = self._office.clock.now()
            if self._paused_until is not None and now < self._paused_until:
                async with self._office.db.begin() as session:
                    await db.outbox.release(session, [owed.id])
                return
            attempt = await self._attempt(owed, now)
            if attempt.error is not None and attempt.error.retry_after:
                self._paused_until = now + timedelta(seconds=attempt.error.retry_after)
            await self._record_surely(owed, attempt)

    async def _attempt(self, owed: Owed, now: datetime) -> _Attempt:
        began = self._office.clock.monotonic()
        receipt, error = None, None
        try:
            reference = await self._reference(owed.notification)
            since = owed.created_at if owed.perhaps_sent else None
            letter = Letter(owed.notification, self._office.compose(owed.notification), reference, since)
            async with asyncio.timeout(DEADLINE):
                receipt = await self._sender.send(letter)
        except DeliveryError as failure:
            error = failure
        except TimeoutError:
            error = DeliveryError(f"no answer within {DEADLINE:.0f} s")
        except Exception as failure:
            log.exception("a sender broke", extra={"receiver": self.receiver, "integration": self.integration})
            error = DeliveryError(f"{type(failure).__name__}: {failure}"[:500])
        return _Attempt(now, self._office.clock.monotonic() - began, receipt, error)

    async def _reference(self, notification: Notification) -> Mapping[str, object] | None:
        async with self._office.db.read() as session:
            return await db.outbox.thread(session, notification.incident_id, self.receiver, self.integration)

    async def _record_surely(self, owed: Owed, attempt: _Attempt) -> None:
        """What was sent must be recorded, or it would be sent again: a failing database gets a few more chances."""
        for delay in (*_RECORD_DELAYS, None):
            try:
                await self._record(owed, attempt)
                break
            except Exception:
                if delay is None:
                    raise
                await self._office.clock.sleep(delay)
        self._count(attempt)
        self._office.on_change()

    async def _record(self, owed: Owed, attempt: _Attempt) -> None:
        answer = attempt.receipt.answer if attempt.receipt else str(attempt.error)
        async with self._office.db.begin() as session:
            await db.outbox.record_attempt(session, owed.id, attempt.at, attempt.seconds, attempt.outcome, answer)
            if attempt.error is None:
                await self._delivered(session, owed, attempt.receipt)
            else:
                await self._failed(session, owed, attempt.error)

    async def _delivered(self, session: db.Session, owed: Owed, receipt: Receipt | None) -> None:
        """A fallback that heard of the trouble hears of its end too."""
        notification, now = owed.notification, self._office.clock.now()
        await db.outbox.finish(session, owed.id, now, "sent")
        if receipt is not None and receipt.reference is not None:
            incident_id = notification.incident_id
            await db.outbox.keep_thread(session, incident_id, self.receiver, self.integration, receipt.reference)
        if (
            notification.occasion is Occasion.RESOLVED
            and self._fallback is not None
            and await db.outbox.was_told(session, notification.incident_id, self._fallback.name)
        ):
            await self._escalate(session, notification, now)

    async def _failed(self, session: db.Session, owed: Owed, error: DeliveryError) -> None:
        now = self._office.clock.now()
        after = self._fallback.after if self._fallback else retry.ESCALATE_AFTER
        decision = retry.after(error, owed.attempts + 1, owed.key, owed.created_at, now, after)
        if decision.at is None:
            await db.outbox.finish(session, owed.id, now, "failed")
        else:
            await db.outbox.postpone(session, owed.id, decision.at)
        if decision.escalate:
            await self._escalate(session, owed.notification, now)
        log.warning(
            "a notification was not delivered",
            extra={"receiver": self.receiver, "integration": self.integration, "answer": str(error), "next": decision.reason},
        )

    async def _escalate(self, session: db.Session, notification: Notification, now: datetime) -> None:
        """Owe it to the fallback, once: the same notification is the same key."""
        if self._fallback is None:
            return
        told = replace(notification, receiver=self._fallback.name)
        for integration in self._fallback.integrations:
            if integration.send_resolved or notification.occasion is not Occasion.RESOLVED:
                await db.outbox.owe(session, integration.name, [told], now)

    def _count(self, attempt: _Attempt) -> None:
        telemetry, who = self._office.telemetry, (self.receiver, self.integration)
        telemetry.notification_attempts.labels(*who, attempt.outcome).inc()
        telemetry.notification_seconds.labels(*who).observe(attempt.seconds)
        if attempt.error is None:
            telemetry.notification_last_success.labels(*who).set(attempt.at.timestamp())


async def _taken(session: db.Session, bundle: Bundle, now: datetime) -> bool:
    """Claim a bundle's row and retire those it speaks for; what is not due yet is folded, and left free."""
    until = now + LEASE if bundle.owed.due_at <= now else now
    async with session.begin_nested() as savepoint:
        retired = not bundle.superseded or await db.outbox.supersede(session, bundle.superseded, now)
        if retired and await db.outbox.claim(session, bundle.owed, now, until):
            return True
        await savepoint.rollback()
    return False


def lanes(
    office: Office, senders: Mapping[tuple[str, str], Sender], fallbacks: Mapping[str, Fallback]
) -> dict[tuple[str, str], Lane]:
    return {
        (receiver, integration): Lane(office, receiver, integration, sender, fallbacks.get(receiver))
        for (receiver, integration), sender in senders.items()
    }
