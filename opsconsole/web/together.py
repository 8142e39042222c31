"""Work that many ask for at once, done once for all of them."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class _Seat(Generic[T]):
    """`begun` is the number of the caller before whom the answer's work began."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    begun: int = -1
    made: T | None = None
    error: Exception | None = None


class Together(Generic[T]):
    """Who asks while the work is under way shares the next one with all who wait: nobody gets what was begun before he asked."""

    def __init__(self) -> None:
        self._seats: dict[Hashable, _Seat[T]] = {}
        self._numbers = itertools.count()

    async def do(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` made, or raises what it raised."""
        asked, seat = next(self._numbers), self._seats.setdefault(key, _Seat())
        seat.waiting += 1
        try:
            async with seat.lock:
                if seat.begun < asked:
                    await self._work(seat, work)
                if seat.error is not None:
                    raise seat.error
                return seat.made  # type: ignore[return-value]
        finally:
            seat.waiting -= 1
            if not seat.waiting:
                del self._seats[key]

    async def _work(self, seat: _Seat[T], work: Callable[[], Awaitable[T]]) -> None:
        begun = next(self._numbers)
        try:
            seat.made, seat.error = await work(), None
        except Exception as error:  # each of those who asked raises it
            seat.made, seat.error = None, error
        seat.begun = begun
