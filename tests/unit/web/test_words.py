from datetime import timedelta

import pytest

from opsconsole.web import words
from tests.support.clock import NOON


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (252, "4 min 12 s"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (3630, "1 h"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations_have_the_two_largest_units(seconds: float, said: str) -> None:
    assert words.duration(timedelta(seconds=seconds)) == said


def test_ages_have_one_unit() -> None:
    assert words.age(NOON - timedelta(seconds=3), NOON) == "3 s"
    assert words.age(NOON - timedelta(minutes=2, seconds=59), NOON) == "2 min"
    assert words.age(NOON + timedelta(minutes=2), NOON) == "0 s"
    assert words.age(None, NOON) == "never"


def test_the_date_stands_only_where_it_is_not_today() -> None:
    assert words.clock(NOON, NOON) == "12:00:00"
    assert words.clock(NOON - timedelta(days=1), NOON) == "28 Feb 12:00:00"


def test_counts_have_their_plural() -> None:
    assert [words.count(n, "alert") for n in (0, 1, 2)] == ["0 alerts", "1 alert", "2 alerts"]
