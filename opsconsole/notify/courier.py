"""Delivers what is owed. Every integration has a lane of its own, so that a slow receiver never delays another."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import httpx

from opsconsole import db
from opsconsole.clock import Clock
from opsconsole.db.outbox import Owed
from opsconsole.db.storms import Picture
from opsconsole.model import Notification, Occasion
from opsconsole.notify import senders, storms
from opsconsole.notify.lane import Fallback, Lane, Office, lanes
from opsconsole.notify.message import Message, compose
from opsconsole.notify.runbooks import Runbooks
from opsconsole.notify.settings import Receiver
from opsconsole.telemetry import Telemetry

log = logging.getLogger(__name__)

FAILING = "OpsConsoleReceiverFailing"
"""The packaged alert that a receiver fails; its label `receiver` says which."""


class Courier:
    """`step` every second, and whenever something new is owed: it only starts the lanes, and never waits for a far end."""

    def __init__(
        self,
        database: db.Database,
        clock: Clock,
        telemetry: Telemetry,
        receivers: Sequence[Receiver],
        http: httpx.AsyncClient,
        public_url: str,
        runbooks: Path | None = None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """`runbooks` is the packaged folder `docs/runbooks`; `http` needs no settings of its own."""
        self._db, self._clock, self._telemetry = database, clock, telemetry
        self._http, self._public_url, self._runbooks = http, public_url, Runbooks(runbooks)
        self._office = Office(database, clock, telemetry, self._compose, self._summary, on_change)
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._lanes = self._built(receivers)
        self._receivers, self._diverted, self._known = tuple(receivers), frozenset[str](), False

    def reconfigure(self, receivers: Sequence[Receiver]) -> None:
        """Go on with other receivers; what is under way ends with the old ones."""
        self._lanes = self._built(receivers)
        self._receivers, self._known = tuple(receivers), False

    async def step(self, now: datetime) -> None:
        """Start a lane for everything that is due."""
        async with self._db.read() as session:
            owed, oldest = await db.outbox.depth(session)
            due = await db.outbox.due_lanes(session, now) if owed else []
            failing = await db.outbox.owed_about(session, FAILING) if owed else []
            if not self._known:
                await self._recall(session)
        await self._divert(failing, now)
        self._telemetry.outbox_owed.set(owed)
        self._telemetry.outbox_oldest.set((oldest or now).timestamp())
        for key in due:
            if key not in self._lanes:
                await self._give_up(*key, now)
            elif key not in self._running:
                self._running[key] = asyncio.create_task(self._run(key, self._lanes[key]), name=f"lane {key[0]}/{key[1]}")

    async def settled(self) -> None:
        """Wait until every lane that runs now has sent what was due."""
        while self._running:
            await asyncio.gather(*self._running.values())

    async def drain(self, seconds: float) -> None:
        """At shutdown: one more try for what is due, for so long at most. What stays owed is sent after the next start."""
        try:
            async with asyncio.timeout(seconds):
                await self.step(self._clock.now())
                await self.settled()
        except TimeoutError:
            log.warning("notifications are still owed; they will be sent after the next start")
        await self.close()

    async def close(self) -> None:
        """Stop sending, now."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _run(self, key: tuple[str, str], lane: Lane) -> None:
        try:
            await lane.run()
        except Exception:
            log.exception("a lane failed and will be tried again", extra={"receiver": key[0], "integration": key[1]})
        finally:
            del self._running[key]

    async def _recall(self, session: db.Session) -> None:
        """Which receivers failed before a restart."""
        for (receiver, integration), lane in self._lanes.items():
            lane.stands(*await db.outbox.last_outcome(session, receiver, integration))
        self._known = True

    async def _divert(self, owed: Sequence[Owed], now: datetime) -> None:
        """That a receiver fails is told by another one too: its fallback, or the first that does not fail as well."""
        for one in owed:
            names = {alert.labels.get("receiver", "") for alert in one.notification.alerts}
            if one.key not in self._diverted and one.notification.receiver in names:
                async with self._db.begin() as session:
                    for integration, told in diverted(one.notification, self._receivers, names):
                        await db.outbox.owe(session, integration, [told], now)
        self._diverted = frozenset(one.key for one in owed)

    async def _give_up(self, receiver: str, integration: str, now: datetime) -> None:
        """Owed to a receiver that the configuration no longer has."""
        async with self._db.begin() as session:
            for owed in await db.outbox.lane(session, receiver, integration):
                answer = "the configuration has no such receiver any more"
                await db.outbox.record_attempt(session, owed.id, now, 0.0, "permanent", answer)
                await db.outbox.finish(session, owed.id, now, "failed")
        log.warning("dropped what was owed to a receiver that is gone", extra={"receiver": receiver, "integration": integration})

    def _built(self, receivers: Sequence[Receiver]) -> dict[tuple[str, str], Lane]:
        by_name = {receiver.name: receiver for receiver in receivers}
        fallbacks = {
            receiver.name: Fallback(receiver.fallback, by_name[receiver.fallback].integrations(), receiver.fallback_after)
            for receiver in receivers
            if receiver.fallback in by_name and receiver.fallback is not None
        }
        rates = {(receiver.name, name): receiver.rate(way) for receiver in receivers for name, way in receiver.ways()}
        return lanes(self._office, senders.build(receivers, self._http, self._clock, self._public_url), fallbacks, rates)

    def _compose(self, notification: Notification) -> Message:
        return compose(notification, self._public_url, self._runbooks.steps)

    def _summary(self, picture: Picture) -> Message:
        return storms.message(picture, self._public_url)


def diverted(
    notification: Notification, receivers: Sequence[Receiver], failing: Collection[str]
) -> Iterator[tuple[str, Notification]]:
    """The notification for another receiver, by each of its ways: the fallback comes first, and none that fails."""
    fallback = next((one.fallback for one in receivers if one.name == notification.receiver), None)
    sound = [one for one in receivers if one.name not in failing and one.name != notification.receiver]
    for deputy in sorted(sound, key=lambda one: one.name != fallback)[:1]:
        for integration in deputy.integrations():
            if integration.send_resolved or notification.occasion is not Occasion.RESOLVED:
                yield integration.name, replace(notification, receiver=deputy.name)
