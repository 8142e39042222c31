"""What queries may cost: samples and bytes held, time taken, and how many compute at once."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Self

from opsconsole.clock import Clock
from opsconsole.model import QueryError

ELEMENT = 9
"""Bytes of a vector's element: its value, and whether it is there."""
_MAKING = 3 * ELEMENT
"""Bytes that each element takes while it is computed: the result, and what numpy needs on the way."""
_SAMPLE = 16
"""Bytes of a sample that was read: in the source's matrix, and in the engine's where series must be padded."""
_LABELS = 600
"""Bytes of a label set that is made, with a dozen labels whose values are its own."""
_MEBIBYTE = 2**20


class Memory:
    """Bytes that queries share; for any thread."""

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Whether there was room for so many bytes more, which are then taken. A negative size gives back."""
        with self._lock:
            if size > 0 and self.held + size > self.most:
                return False
            self.held += size
            return True


class Budget:
    """Counted against while a query runs; raises QueryError when it is spent, or when somebody called `cancel`.

    What a query takes of the shared memory is the most that it ever needed at once; `with` gives it back.
    """

    def __init__(self, clock: Clock, memory: Memory, max_samples: int, seconds: float) -> None:
        self._clock, self._memory, self._max_samples = clock, memory, max_samples
        self._deadline = clock.monotonic() + seconds
        self._cancelled = False
        self._kept = self._taken = 0
        self.loaded = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._memory.take(-self._taken)
        self._taken = 0

    def left(self) -> float:
        """Seconds until the query has taken too long."""
        return self._deadline - self._clock.monotonic()

    def load(self, samples: int) -> None:
        """So many samples are about to be read, and stay in memory until the query ends."""
        self.loaded += samples
        self._kept += samples * _SAMPLE
        self.hold(0)

    def hold(self, elements: int) -> None:
        """An intermediate result of so many elements is about to be made."""
        if self.loaded + elements > self._max_samples:
            raise QueryError("query processing would load too many samples into memory in query execution")
        self._room(elements * _MAKING)
        self.check()

    def name(self, sets: int) -> None:
        """So many label sets are about to be made, which stay."""
        self._kept += sets * _LABELS
        self._room(0)

    def write(self, characters: int) -> None:
        """A label's value of so many characters was made, in a label set of its own."""
        self._kept += characters + _LABELS
        self._room(0)

    @contextmanager
    def keeping(self, elements: int) -> Iterator[None]:
        """A result of so many elements waits while others are made."""
        self._kept += elements * ELEMENT
        self._room(0)
        try:
            yield
        finally:
            self._kept -= elements * ELEMENT

    def _room(self, size: int) -> None:
        more = self._kept + size - self._taken
        if more <= 0:
            return
        if not self._memory.take(more):
            wanted, most = (self._kept + size) / _MEBIBYTE, self._memory.most / _MEBIBYTE
            others = (self._memory.held - self._taken) / _MEBIBYTE
            beside = f", of which other queries have {others:,.0f} MiB" if others >= 1 else ""
            raise QueryError(
                f"the query would need {wanted:,.0f} MiB of memory; queries may use {most:,.0f} MiB together{beside}"
            )
        self._taken += more

    def check(self) -> None:
        if self._cancelled:
            raise QueryError("query was canceled in expression evaluation", "canceled")
        if self.left() < 0:
            raise QueryError("query timed out in expression evaluation", "timeout")

    def cancel(self) -> None:
        self._cancelled = True


class Queue:
    """Lets so many queries compute at once; the others wait, the longest waiting first, as long as their time lasts."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)

    @asynccontextmanager
    async def turn(self, budget: Budget) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(budget.left()):
                await self._places.acquire()
        except TimeoutError:
            raise QueryError("query timed out in query queue", "timeout") from None
        try:
            yield
        finally:
            self._places.release()
