"""Running every pull collector of every deployment, each on its own: one that hangs delays no other."""

import asyncio
import logging
from collections.abc import Callable, Container, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from opsconsole.clock import Clock
from opsconsole.collectors.base import Collector, PartlyCollected, Target
from opsconsole.collectors.registry import collectors_for
from opsconsole.collectors.standing import Standing
from opsconsole.loops import Loops
from opsconsole.model import STALE, CollectError, Labels, Sample
from opsconsole.secrets import redacted

log = logging.getLogger(__name__)

Record = Callable[[Iterable[Sample]], object]
Identity = tuple[str, Labels]


class Running(Protocol):
    """What is run: a collection, or a scrape."""

    name: str
    interval: timedelta
    standing: Standing

    async def step(self, now: datetime) -> None: ...

    def end(self, now: datetime) -> None:
        """Nobody will run it again: its series end."""

    async def close(self) -> None: ...


class Collection:
    """One collector of one deployment, as a step. Adds `deployment`, success, duration and the time of the last success.

    A failed collection is a sample. Series that a successful one no longer has end at once; a failed one ends none, since it
    tells nothing about them.
    """

    def __init__(self, target: Target, collector: Collector, record: Record, clock: Clock) -> None:
        self._target, self._collector, self._record, self._clock = target, collector, record, clock
        self._alive: set[Identity] = set()
        self._last_success_at: datetime | None = None
        self.standing = Standing(target.name, collector.name, None, 0.0, "")
        self.interval = collector.interval(target.deployment)
        self.name = f"collect/{target.name}/{collector.name}"
        self.deadline = collector.deadline(target.deployment)

    async def close(self) -> None:
        """Its target has the connections."""

    def end(self, now: datetime) -> None:
        """Mark its series as ended, its own among them; where it is never run again."""
        own = [(one.name, one.labels) for one in self._own(now, 0.0, failed=False)] if self.standing.at else []
        self._record([Sample(name, STALE, now, labels) for name, labels in [*self._alive, *own]])
        self._alive = set()

    async def step(self, now: datetime) -> None:
        began = self._clock.monotonic()
        samples: list[Sample] = []
        error = ""
        try:
            async with asyncio.timeout(self.deadline.total_seconds()):
                samples = await self._collector.collect(now)
        except TimeoutError:
            error = f"no answer within {self.deadline.total_seconds():g} s"
        except CollectError as failure:
            error = redacted(str(failure))
            samples = failure.samples if isinstance(failure, PartlyCollected) else []
        except Exception as failure:
            self._tell(now, began, f"a defect: {type(failure).__name__}", [])
            raise
        self._tell(now, began, error, samples)

    def _tell(self, now: datetime, began: float, error: str, samples: Sequence[Sample]) -> None:
        seconds = self._clock.monotonic() - began
        if not error:
            self._last_success_at = now
        self._log_change(error)
        self.standing = Standing(self._target.name, self._collector.name, now, seconds, error)
        named = [Sample(one.name, one.value, one.at, one.labels.merged({"deployment": self._target.name})) for one in samples]
        self._record([*named, *self._ended(named, now, failed=bool(error)), *self._own(now, seconds, failed=bool(error))])

    def _ended(self, samples: Sequence[Sample], now: datetime, *, failed: bool) -> list[Sample]:
        current = {(one.name, one.labels) for one in samples}
        if failed:
            self._alive |= current
            return []
        gone, self._alive = self._alive - current, current
        return [Sample(name, STALE, now, labels) for name, labels in gone]

    def _own(self, now: datetime, seconds: float, *, failed: bool) -> list[Sample]:
        labels = Labels(collector=self._collector.name, deployment=self._target.name)
        samples = [
            Sample("opsconsole_collector_up", float(not failed), now, labels),
            Sample("opsconsole_collector_duration_seconds", seconds, now, labels),
        ]
        if (at := self._last_success_at) is not None:
            samples.append(Sample("opsconsole_collector_last_success_timestamp_seconds", at.timestamp(), now, labels))
        return samples

    def _log_change(self, error: str) -> None:
        before = self.standing.error
        fields = {"deployment": self._target.name, "collector": self._collector.name}
        if error and error != before:
            log.warning("a collection fails", extra={**fields, "error": error})
        elif before and not error:
            log.info("a collection works again", extra=fields)


class Runner:
    """Every collector of every target, and what else is to be run beside them."""

    def __init__(self, targets: Sequence[Target], record: Record, clock: Clock, beside: Sequence[Running] = ()) -> None:
        self.targets = {target.name: target for target in targets}
        self.collections: list[Running] = [
            Collection(target, collector, record, clock) for target in targets for collector in collectors_for(target)
        ]
        self.collections += beside

    async def run(self, loops: Loops) -> None:
        """Collect for ever: once at the start, so that a page is useful soon, then every collector at its own moment."""
        async with asyncio.TaskGroup() as group:
            for one in self.collections:
                group.create_task(loops.every(one.interval, one.step, name=one.name, spread=True, at_once=True))

    def end(self, now: datetime, *, but: Container[str]) -> None:
        """End the series of what is not run by anybody from now on: all `but` these names."""
        for one in self.collections:
            if one.name not in but:
                one.end(now)

    def standings(self, deployment: str | None = None) -> list[Standing]:
        """How the collectors fare, those that are still at their first collection too."""
        return [one.standing for one in self.collections if deployment in (None, one.standing.deployment)]

    async def close(self) -> None:
        for one in self.collections:
            await one.close()
        for target in self.targets.values():
            await target.close()
