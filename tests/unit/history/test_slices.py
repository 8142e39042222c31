"""A feed of changes is read in slices that are small enough."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from opsconsole.airflow import Page
from opsconsole.history.slices import Slice, slices
from tests.support.clock import NOON


class Feed:
    """Changes at known times, answered as Airflow does: a page that cannot hold them all holds some."""

    def __init__(self, changes: Sequence[datetime]) -> None:
        self.changes, self.asked = changes, 0

    async def read(self, window: tuple[datetime, datetime | None], most: int) -> Page[datetime]:
        self.asked += 1
        since, until = window
        found = [at for at in self.changes if since <= at and (until is None or at <= until)]
        return Page(found if len(found) <= most else found[:1], len(found))


async def read(feed: Feed, span: timedelta, most: int, *, bounded: bool = False) -> list[Slice[datetime]]:
    return [piece async for piece in slices(feed.read, NOON, NOON + span, most, bounded=bounded)]


async def test_few_changes_are_one_open_ended_slice() -> None:
    late = NOON + timedelta(hours=2)
    (piece,) = await read(Feed([NOON, late]), timedelta(hours=1), 10)
    assert (piece.items, piece.last, piece.until) == ([NOON, late], True, NOON + timedelta(hours=1))


async def test_a_bounded_feed_ends_at_its_bound() -> None:
    (piece,) = await read(Feed([NOON, NOON + timedelta(hours=2)]), timedelta(hours=1), 10, bounded=True)
    assert piece.items == [NOON]


async def test_many_changes_are_cut_into_slices_and_none_is_missed() -> None:
    changes = [NOON + timedelta(seconds=n) for n in range(3600)]
    pieces = await read(Feed(changes), timedelta(hours=1), 100)
    assert {at for piece in pieces for at in piece.items} == set(changes)
    assert all(len(piece.items) <= 100 for piece in pieces)
    assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]


async def test_a_second_in_which_everything_changed_is_read_whole() -> None:
    pieces = await read(Feed([NOON + timedelta(milliseconds=n) for n in range(900)]), timedelta(minutes=10), 100)
    assert sum(len(piece.items) for piece in pieces) >= 900
    assert pieces[-1].last


async def test_the_number_of_questions_stays_near_the_number_of_slices() -> None:
    feed = Feed([NOON + timedelta(seconds=n) for n in range(3600)])
    pieces = await read(feed, timedelta(hours=1), 100)
    assert feed.asked <= 3 * len(pieces)
