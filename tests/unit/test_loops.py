import asyncio
from datetime import datetime, timedelta

import pytest

from opsconsole.loops import Loops
from opsconsole.telemetry import Telemetry
from tests.support.clock import NOON, FakeClock

SECOND = timedelta(seconds=1)


class Enough(BaseException):
    """Ends a loop from inside; not an Exception, so that no loop swallows it."""


class Machine:
    """Loops on a clock that tests move, and a record of the ticks."""

    def __init__(self, most: int) -> None:
        self.clock, self.telemetry, self.ticks, self._most = FakeClock(), Telemetry(), [], most
        self.loops = Loops(self.clock, self.telemetry)
        self.ticks: list[datetime] = []

    async def tick(self, now: datetime) -> None:
        self.ticks.append(now)
        if len(self.ticks) >= self._most:
            raise Enough

    def counted(self, name: str) -> float:
        return self.telemetry.registry.get_sample_value(name, {"loop": "test"}) or 0.0

    async def run(self, interval: timedelta, step) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(Enough):
            await self.loops.every(interval, step, name="test")


async def test_ticks_stand_on_a_fixed_grid() -> None:
    machine = Machine(3)
    machine.clock.tick(0.4)
    await machine.run(15 * SECOND, machine.tick)
    assert machine.ticks == [NOON + timedelta(seconds=s) for s in (15, 30, 45)]


async def test_a_loop_that_does_not_wait_for_the_grid_joins_it_after_its_first_step() -> None:
    machine = Machine(3)
    machine.clock.tick(0.4)
    with pytest.raises(Enough):
        await machine.loops.every(15 * SECOND, machine.tick, name="test", at_once=True)
    assert machine.ticks == [NOON + timedelta(seconds=s) for s in (0.4, 15, 30)]


async def test_a_clock_that_is_set_back_keeps_no_loop_waiting_until_it_has_caught_up() -> None:
    machine = Machine(4)

    async def set_back(now: datetime) -> None:
        await machine.tick(now)
        if len(machine.ticks) == 2:
            machine.clock.tick(-3600)

    await machine.run(10 * SECOND, set_back)
    back = NOON - timedelta(hours=1)
    assert machine.ticks == [NOON + timedelta(seconds=s) for s in (10, 20)] + [back + timedelta(seconds=s) for s in (30, 40)]
    assert machine.counted("opsconsole_loop_missed_ticks_total") == 0


async def test_a_clock_that_is_corrected_by_less_than_a_tick_repeats_none() -> None:
    machine = Machine(4)

    async def corrected(now: datetime) -> None:
        await machine.tick(now)
        machine.clock.tick(-0.3)

    await machine.run(10 * SECOND, corrected)
    assert machine.ticks == [NOON + timedelta(seconds=s) for s in (10, 20, 30, 40)]


async def test_ticks_that_a_slow_step_missed_are_skipped_and_counted() -> None:
    machine = Machine(2)

    async def slow(now: datetime) -> None:
        await machine.tick(now)
        machine.clock.tick(35)

    await machine.run(10 * SECOND, slow)
    assert machine.ticks == [NOON + timedelta(seconds=10), NOON + timedelta(seconds=50)]
    assert machine.counted("opsconsole_loop_missed_ticks_total") == 3


async def test_a_failing_step_is_counted_and_tried_again() -> None:
    machine = Machine(3)

    async def failing(now: datetime) -> None:
        await machine.tick(now)
        raise RuntimeError("no")

    await machine.run(SECOND, failing)
    assert len(machine.ticks) == 3
    assert machine.counted("opsconsole_loop_failures_total") == 2


async def test_a_step_that_succeeds_says_when() -> None:
    machine = Machine(2)
    await machine.run(SECOND, machine.tick)
    assert machine.counted("opsconsole_loop_last_success_timestamp_seconds") == (NOON + SECOND).timestamp()


async def test_a_queue_is_read_in_batches() -> None:
    machine, queue, batches = Machine(1), asyncio.Queue[int](), []
    for number in range(5):
        queue.put_nowait(number)

    async def take(batch: list[int]) -> None:
        batches.append(batch)
        if sum(map(len, batches)) == 5:
            raise Enough

    with pytest.raises(Enough):
        await machine.loops.consume(queue, take, name="test", most=3)
    assert batches == [[0, 1, 2], [3, 4]]


async def test_a_step_that_fails_again_and_again_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(6)

    async def failing(now: datetime) -> None:
        await machine.tick(now)
        if len(machine.ticks) in (1, 2, 3):
            raise OSError(f"disk full\nat {now}")
        if len(machine.ticks) == 4:
            raise ValueError("something else")

    with caplog.at_level("INFO", "opsconsole.loops"):
        await machine.run(10 * SECOND, failing)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR", "INFO"]
    assert machine.counted("opsconsole_loop_failures_total") == 4
