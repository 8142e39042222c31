"""Reading a feed of changes in slices of time that are small enough to page through."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from opsconsole.airflow import Page

T = TypeVar("T")
Read = Callable[[tuple[datetime, datetime | None], int], Awaitable[Page[T]]]

_SHORTEST = timedelta(seconds=1)
_HARD_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """What changed up to `until`; `last` where nothing of the feed is left."""

    items: Sequence[T]
    until: datetime
    last: bool


async def slices(read: Read[T], since: datetime, until: datetime, most: int, *, bounded: bool = False) -> AsyncIterator[Slice[T]]:
    """The changes since `since`, oldest slice first, about `most` items each.

    The last slice is open-ended unless `bounded`, so that what changes while we read is not cut off. A second in which more
    than `most` changed is read whole.
    """
    end: datetime | None = until if bounded else None
    while True:
        span = (end or until) - since
        shortest = span <= _SHORTEST
        page = await read((since, end), _HARD_LIMIT if shortest else most)
        if page.total > most and not shortest:
            end = since + max(_SHORTEST, span * min(0.5, 0.8 * most / page.total))
            continue
        last = end is None or end >= until
        yield Slice(page.items, until if last else (end or until), last)
        if last:
            return
        since, end = end or until, until if bounded else None
