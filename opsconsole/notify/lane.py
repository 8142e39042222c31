"""One integration of one receiver, with its queue: claims what is due, sends it, records what came of it."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opsconsole import db
from opsconsole.clock import Clock
from opsconsole.db.outbox import Owed
from opsconsole.db.storms import Picture
from opsconsole.model import DeliveryError, Integration, Notification, Occasion
from opsconsole.notify import retry, storms
from opsconsole.notify.folding import Bundle, bundles
from opsconsole.notify.message import Message
from opsconsole.notify.rate import Bucket, Rate
from opsconsole.notify.sending import Letter, Receipt, Sender
from opsconsole.notify.storms import Sorted, sort_out
from opsconsole.telemetry import Telemetry

log = logging.getLogger(__name__)

DEADLINE = 20.0
LEASE = timedelta(seconds=30)
"""A claim outlives the deadline, so that nobody sends again what is being sent; after a crash it frees the row."""
MOST_AT_ONCE = 4
MOST_CLAIMED = 20
FAILING_AFTER = 3
"""Failed attempts in a row from which a receiver is said to fail."""
MOST_SORTED = 2000
"""Waiting incidents looked at in one transaction; in a storm, the rest has the next round."""
_RECORD_DELAYS = (0.2, 1.0, 3.0)


@dataclass(frozen=True, slots=True)
class Office:
    """What every lane needs; `summary` makes the message of a storm."""

    db: db.Database
    clock: Clock
    telemetry: Telemetry
    compose: Callable[[Notification], Message]
    summary: Callable[[Picture], Message]
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
    over: bool = False

    @property
    def outcome(self) -> str:
        if self.error is None:
            return "delivered"
        return "permanent" if self.error.permanent else "retry"


class Lane:
    def __init__(
        self, office: Office, receiver: str, integration: str, sender: Sender, fallback: Fallback | None, rate: Rate | None
    ) -> None:
        self._office, self._sender, self._fallback = office, sender, fallback
        self._rate, self._bucket = rate, Bucket(rate)
        self.receiver, self.integration = receiver, integration
        self._paused_until: datetime | None = None
        self._failures = 0
        self._places = asyncio.Semaphore(MOST_AT_ONCE)

    async def run(self) -> None:
        """Send until nothing is due."""
        while await self._round():
            pass

    async def _round(self) -> bool:
        now = self._office.clock.now()
        if self._paused_until is not None and now < self._paused_until:
            return False
        room = self._bucket.room(self._office.clock.monotonic())
        claimed = await self._claim(now, room) if room is None or room > 0 else []
        self._bucket.take(len(claimed))
        await asyncio.gather(*map(self._deliver, claimed))
        return bool(claimed)

    async def _claim(self, now: datetime, room: int | None) -> list[Owed]:
        """Summaries first: what they tell has waited, and they are few."""
        async with self._office.db.begin() as session:
            sorted_ = await self._sorted(session, now, room)
            summaries = await self._summaries(session, now, MOST_CLAIMED if room is None else room)
            most = MOST_CLAIMED if room is None else min(MOST_CLAIMED, room - len(summaries))
            rows = await db.outbox.lane(session, self.receiver, self.integration, sorted_.send[:most]) if most > 0 else []
            taken = [bundle.owed for bundle in bundles(rows, now) if await _taken(session, bundle, now)]
        return summaries + [owed for owed in taken if owed.due_at <= now]

    async def _sorted(self, session: db.Session, now: datetime, room: int | None) -> Sorted:
        """What to send by itself; what is too much is folded into a storm, in the same transaction."""
        who = self.receiver, self.integration
        folds = self._sender.folds and self._rate is not None
        waiting = await db.outbox.waiting(session, *who, now, MOST_SORTED if folds else MOST_CLAIMED)
        if not folds:
            return sort_out(waiting, None, None, storming=False, edits=self._sender.edits)
        storm = await db.storms.current(session, *who, now - storms.JOINS)
        storming = storm is not None and storm[1] >= now - storms.LASTS
        sorted_ = sort_out(waiting, self._rate, room, storming=storming, edits=self._sender.edits)
        touched = await db.storms.speaking_for(session, *who, sorted_.fold)
        if sorted_.fold:
            into = storm[0] if storm else await db.storms.begin(session, *who, now)
            await db.storms.fold(session, into, *who, sorted_.fold, now)
            touched.add(into)
        touched |= await self._over(session, sorted_.over, now)
        await self._owe_summaries(session, touched, now)
        return sorted_

    async def _over(self, session: db.Session, over: Sequence[tuple[int, int]], now: datetime) -> set[int]:
        """Let storms tell the end of what they told; a fallback that was told hears of it by itself."""
        ended: dict[int, list[int]] = {}
        for incident_id, storm_id in over:
            ended.setdefault(storm_id, []).append(incident_id)
        for storm_id, ids in ended.items():
            await self._tell_fallback_of_ends(session, ids, now)
            await db.storms.fold(session, storm_id, self.receiver, self.integration, ids, now)
        return await db.storms.speaking_for(session, self.receiver, self.integration, [one for one, _ in over])

    async def _tell_fallback_of_ends(self, session: db.Session, ids: Sequence[int], now: datetime) -> None:
        if self._fallback is None:
            return
        heard = await db.outbox.told_of(session, ids, self._fallback.name)
        for owed in await db.outbox.lane(session, self.receiver, self.integration, heard, len(heard) * 2) if heard else ():
            if owed.notification.occasion is Occasion.RESOLVED:
                await self._escalate(session, owed.notification, now)

    async def _owe_summaries(self, session: db.Session, storm_ids: Iterable[int], now: datetime) -> None:
        pace = storms.PACE_EDITED if self._sender.edits else storms.PACE_POSTED
        for storm_id in sorted(storm_ids):
            await db.storms.owe_summary(session, storm_id, now, storms.SETTLE, pace)

    async def _summaries(self, session: db.Session, now: datetime, most: int) -> list[Owed]:
        due = await db.storms.due_summaries(session, self.receiver, self.integration, now, most)
        return [owed for owed in due if await db.outbox.claim(session, owed, now, now + LEASE)]

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
        letter, receipt, error = None, None, None
        try:
            letter = await (self._letter(owed) if owed.storm_id is None else self._summary(owed, owed.storm_id))
            async with asyncio.timeout(DEADLINE):
                receipt = await self._sender.send(letter)
        except DeliveryError as failure:
            error = failure
        except TimeoutError:
            error = DeliveryError(f"no answer within {DEADLINE:.0f} s")
        except Exception as failure:
            log.exception("a sender broke", extra={"receiver": self.receiver, "integration": self.integration})
            error = DeliveryError(f"{type(failure).__name__}: {failure}"[:500])
        over = letter is not None and letter.notification.occasion is Occasion.RESOLVED
        return _Attempt(now, self._office.clock.monotonic() - began, receipt, error, over)

    async def _letter(self, owed: Owed) -> Letter:
        async with self._office.db.read() as session:
            reference = await db.outbox.thread(session, owed.notification.incident_id, self.receiver, self.integration)
        since = owed.created_at if owed.perhaps_sent else None
        return Letter(owed.notification, self._office.compose(owed.notification), reference, since)

    async def _summary(self, owed: Owed, storm_id: int) -> Letter:
        """A summary says how the storm stands when it is sent, not when it was owed."""
        async with self._office.db.read() as session:
            picture = await db.storms.picture(session, storm_id)
        later = Occasion.CHANGED if picture.open else Occasion.RESOLVED
        occasion = Occasion.OPENED if picture.told_at is None and picture.open else later
        notification = replace(owed.notification, occasion=occasion)
        since = owed.created_at if owed.perhaps_sent and picture.reference is None else None
        return Letter(notification, self._office.summary(picture), picture.reference, since, quiet=picture.open > 0)

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
            if attempt.error is None and owed.storm_id is not None:
                await self._summarised(session, owed, owed.storm_id, attempt)
            elif attempt.error is None:
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
        if notification.occasion is Occasion.RESOLVED and self._rate is not None:
            touched = await db.storms.speaking_for(session, self.receiver, self.integration, [notification.incident_id])
            await self._owe_summaries(session, touched, now)
        if (
            notification.occasion is Occasion.RESOLVED
            and self._fallback is not None
            and await db.outbox.was_told(session, notification.incident_id, self._fallback.name)
        ):
            await self._escalate(session, notification, now)

    async def _summarised(self, session: db.Session, owed: Owed, storm_id: int, attempt: _Attempt) -> None:
        await db.outbox.finish(session, owed.id, self._office.clock.now(), "sent")
        reference = attempt.receipt.reference if attempt.receipt else None
        await db.storms.told(session, storm_id, attempt.at, reference, attempt.over)

    async def _failed(self, session: db.Session, owed: Owed, error: DeliveryError) -> None:
        now = self._office.clock.now()
        after = self._fallback.after if self._fallback else retry.ESCALATE_AFTER
        decision = retry.after(error, owed.attempts + 1, owed.key, owed.created_at, now, after)
        if decision.at is None:
            await db.outbox.finish(session, owed.id, now, "failed")
        else:
            await db.outbox.postpone(session, owed.id, decision.at)
        if decision.escalate and owed.storm_id is None:
            await self._escalate(session, owed.notification, now)
        elif decision.escalate and self._fallback is not None and owed.storm_id is not None:
            while left := await db.storms.give_up(session, owed.storm_id):
                for notification in left:
                    await self._escalate(session, notification, now)
        log.warning(
            "a notification was not delivered",
            extra={"receiver": self.receiver, "integration": self.integration, "answer": str(error), "next": decision.reason},
        )

    async def _escalate(self, session: db.Session, notification: Notification, now: datetime) -> None:
        """Owe it to the fallback, once: the same notification is the same key. What people do is no reason to tell others."""
        if self._fallback is None or notification.occasion is Occasion.HANDLED:
            return
        told = replace(notification, receiver=self._fallback.name)
        for integration in self._fallback.integrations:
            if integration.send_resolved or notification.occasion is not Occasion.RESOLVED:
                await db.outbox.owe(session, integration.name, [told], now)

    def stands(self, outcome: str, failures: int) -> None:
        """The last attempt came out so, after so many failures in a row."""
        self._failures = 0 if outcome in ("", "delivered") else failures
        failing = outcome == "permanent" or self._failures >= FAILING_AFTER
        self._office.telemetry.receiver_failing.labels(self.receiver, self.integration).set(failing)

    def _count(self, attempt: _Attempt) -> None:
        telemetry, who = self._office.telemetry, (self.receiver, self.integration)
        self.stands(attempt.outcome, self._failures + 1)
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
    office: Office,
    senders: Mapping[tuple[str, str], Sender],
    fallbacks: Mapping[str, Fallback],
    rates: Mapping[tuple[str, str], Rate | None],
) -> dict[tuple[str, str], Lane]:
    return {
        (receiver, integration): Lane(
            office, receiver, integration, sender, fallbacks.get(receiver), rates.get((receiver, integration))
        )
        for (receiver, integration), sender in senders.items()
    }
