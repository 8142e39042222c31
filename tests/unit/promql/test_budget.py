"""What queries may cost, together and each."""

import asyncio

import pytest

from opsconsole.model import QueryError
from opsconsole.promql.budget import Budget, Memory, Queue
from tests.support.clock import FakeClock


def budget(memory: Memory, clock: FakeClock | None = None, samples: int = 10_000, seconds: float = 60) -> Budget:
    return Budget(clock or FakeClock(), memory, samples, seconds)


def test_what_a_query_holds_is_missing_to_others_until_it_ends() -> None:
    memory = Memory(100 * 2**20)
    with budget(memory, samples=10_000_000) as one:
        one.hold(3_000_000)
        with budget(memory, samples=10_000_000) as other, pytest.raises(QueryError, match="of which other queries have"):
            other.hold(3_000_000)
    with budget(memory, samples=10_000_000) as later:
        later.hold(3_000_000)
    assert memory.held == 0


def test_intermediate_results_that_are_gone_are_not_counted_twice() -> None:
    with budget(Memory(100_000)) as one:
        for _ in range(10):
            one.hold(3000)


def test_a_result_that_waits_counts_while_it_does() -> None:
    with budget(Memory(100_000)) as one:
        with one.keeping(5000), pytest.raises(QueryError, match="MiB of memory"):
            one.hold(3000)
        one.hold(3000)


def test_samples_that_were_read_stay() -> None:
    with budget(Memory(2**30)) as one:
        one.load(9000)
        with pytest.raises(QueryError, match="too many samples"):
            one.hold(2000)


def test_labels_that_a_query_makes_are_counted() -> None:
    with budget(Memory(1_000_000)) as one, pytest.raises(QueryError, match="MiB of memory"):
        for _ in range(20):
            one.write(100_000)


def test_a_query_that_took_too_long_or_is_not_wanted_ends() -> None:
    clock = FakeClock()
    one = budget(Memory(2**30), clock)
    one.check()
    clock.tick(61)
    with pytest.raises(QueryError, match="timed out") as caught:
        one.check()
    assert caught.value.kind == "timeout"
    other = budget(Memory(2**30))
    other.cancel()
    with pytest.raises(QueryError, match="canceled") as caught:
        other.load(0)
    assert caught.value.kind == "canceled"


async def test_queries_wait_their_turn_and_no_longer_than_they_may() -> None:
    queue, order = Queue(1), []
    held = asyncio.Event()

    async def first() -> None:
        async with queue.turn(budget(Memory(1))):
            await held.wait()
            order.append("first")

    async def second() -> None:
        async with queue.turn(budget(Memory(1))):
            order.append("second")

    tasks = [asyncio.create_task(first()), asyncio.create_task(second())]
    await asyncio.sleep(0)
    with pytest.raises(QueryError, match="query queue") as caught:
        async with queue.turn(budget(Memory(1), seconds=-1)):
            pass
    assert caught.value.kind == "timeout"
    held.set()
    await asyncio.gather(*tasks)
    assert order == ["first", "second"]
