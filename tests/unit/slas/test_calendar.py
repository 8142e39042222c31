from datetime import UTC, datetime

import pytest

from opsconsole.slas.calendar import around
from opsconsole.slas.settings import Deadline, parse_deadline


def moments(text: str, now: datetime) -> tuple[datetime, datetime, datetime]:
    deadline = parse_deadline(text)
    assert isinstance(deadline, Deadline)
    at = around(deadline, now)
    return at.before, at.last, at.following


def utc(day: int, hour: int, minute: int = 0, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def test_a_deadline_has_passed_at_its_very_second() -> None:
    assert moments("07:00", utc(10, 7)) == (utc(9, 7), utc(10, 7), utc(11, 7))
    assert moments("07:00", utc(10, 6, 59)) == (utc(8, 7), utc(9, 7), utc(10, 7))


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu"])
def test_far_zones_have_their_three_deadlines_a_day_apart(zone: str) -> None:
    before, last, following = moments(f"23:59 {zone}", utc(10, 12))
    assert before < last <= utc(10, 12) < following
    assert (last - before).days == (following - last).days == 1


def test_a_skipped_time_is_an_hour_later_and_a_doubled_one_the_first() -> None:
    assert moments("02:30 Europe/Paris", utc(29, 12))[1] == utc(29, 1, 30)
    assert moments("02:30 Europe/Paris", utc(25, 12, month=10))[1] == utc(25, 0, 30, month=10)
