"""The one periodic loop and the one queue reader.

A failing step is logged once, counted and tried at the next tick; a failing loop ends the process, so that a supervisor
restarts it. Ticks stand on a fixed grid; a step that overruns makes the loop skip the ticks it missed.
"""

import asyncio
import functools
import logging
import zlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from opsconsole.clock import Clock, from_millis, millis
from opsconsole.telemetry import Telemetry

log = logging.getLogger(__name__)

T = TypeVar("T")
Step = Callable[[datetime], Awaitable[None]]


class Loops:
    """Runs steps until it is cancelled."""

    def __init__(self, clock: Clock, telemetry: Telemetry) -> None:
        self._clock, self._telemetry = clock, telemetry
        self._failing: dict[str, str] = {}

    async def every(self, interval: timedelta, step: Step, *, name: str, spread: bool = False, at_once: bool = False) -> None:
        """Call `step(now)` on a grid of `interval`, for ever; `spread` shifts it by the name, `at_once` does not wait for it."""
        period = max(1, int(interval / timedelta(milliseconds=1)))
        shift = zlib.crc32(name.encode()) % period if spread else 0
        if at_once:
            await self._run(step, self._clock.now(), name)
        tick = _next_tick(millis(self._clock.now()), period, shift)
        while True:
            await self._clock.sleep(max(0, tick - millis(self._clock.now())) / 1000)
            await self._run(step, from_millis(tick), name)
            following = _following(tick, millis(self._clock.now()), period, shift)
            if (missed := (following - tick) // period - 1) > 0:
                self._telemetry.loop_missed.labels(name).inc(missed)
            tick = following

    async def consume(
        self, queue: asyncio.Queue[T], step: Callable[[list[T]], Awaitable[None]], *, name: str, most: int = 1000
    ) -> None:
        """Hand what `queue` holds, in batches of 1 to `most`, to `step`, for ever."""
        while True:
            batch = [await queue.get()]
            while len(batch) < most and not queue.empty():
                batch.append(queue.get_nowait())
            await self._run(functools.partial(_handed, step, batch), self._clock.now(), name)
            for _ in batch:
                queue.task_done()

    async def _run(self, step: Step, now: datetime, name: str) -> None:
        began = self._clock.monotonic()
        try:
            await step(now)
        except Exception as error:
            self._telemetry.loop_failures.labels(name).inc()
            self._say(name, f"{type(error).__name__}: {error}".partition("\n")[0])
        else:
            if self._failing.pop(name, None):
                log.info("the steps of a loop succeed again", extra={"loop": name})
            self._telemetry.loop_last_success.labels(name).set(self._clock.now().timestamp())
        finally:
            self._telemetry.loop_duration.labels(name).observe(self._clock.monotonic() - began)

    def _say(self, name: str, reason: str) -> None:
        """Once, as long as it fails for the same reason: a full disk is not to be filled further, once a second."""
        if self._failing.get(name) != reason:
            self._failing[name] = reason
            log.exception("a step failed and will be tried at each of its ticks", extra={"loop": name})


async def _handed(step: Callable[[list[T]], Awaitable[None]], batch: list[T], _now: datetime) -> None:
    await step(batch)


def _following(tick: int, now_ms: int, period_ms: int, shift_ms: int) -> int:
    """The next tick of the grid that is still to come; where the clock was set back, not the one that it was set back from."""
    coming = _next_tick(now_ms, period_ms, shift_ms)
    return coming if tick - now_ms > period_ms else max(tick + period_ms, coming)


def _next_tick(now_ms: int, period_ms: int, shift_ms: int) -> int:
    return ((now_ms - shift_ms) // period_ms + 1) * period_ms + shift_ms
