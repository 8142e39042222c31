"""Moments and steps as people type them."""

from datetime import UTC, datetime, timedelta

import pytest

from opsconsole.web.moments import MOST_STEPS, fitting_step, moment, step
from tests.support.clock import NOON


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("now", NOON),
        ("now-1h", NOON - timedelta(hours=1)),
        ("now - 1h30m", NOON - timedelta(minutes=90)),
        ("now+5m", NOON + timedelta(minutes=5)),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("965088000.5", datetime(2000, 8, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("2000-08-01T00:00:00Z", datetime(2000, 8, 1, tzinfo=UTC)),
        ("2000-08-01T02:00:00+02:00", datetime(2000, 8, 1, tzinfo=UTC)),
        ("2000-08-01 00:00", datetime(2000, 8, 1, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_as_it_is_meant(text: str, meant: datetime) -> None:
    assert moment(text, NOON) == meant


@pytest.mark.parametrize(
    "text", ["", "soon", "now-", "now*2", "now-1", "now-99999999999y", "1e400", "9e99", "-9e18", "nan", "Inf", "12:00"]
)
def test_what_is_no_moment_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time: write now-1h"):
        moment(text, NOON)


@pytest.mark.parametrize(("text", "meant"), [("15s", 15.0), ("1m30s", 90.0), ("30", 30.0), ("0.5", 0.5), ("500ms", 0.5)])
def test_a_step_is_a_duration_or_seconds(text: str, meant: float) -> None:
    assert step(text).total_seconds() == meant


@pytest.mark.parametrize("text", ["", "0", "0s", "-5", "fast", "1e400", "0.0001", "99999999999999999999y"])
def test_what_is_no_step_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a|is longer than"):
        step(text)


@pytest.mark.parametrize(
    ("length", "chosen"),
    [
        (timedelta(0), 1),
        (timedelta(minutes=15), 5),
        (timedelta(hours=3), 60),
        (timedelta(days=30), 14_400),
        (timedelta(days=36_500), 153 * 86_400),
    ],
)
def test_a_range_gets_a_round_step(length: timedelta, chosen: int) -> None:
    assert fitting_step(length) == timedelta(seconds=chosen)


def test_a_range_never_gets_more_steps_than_a_query_may_have() -> None:
    length = timedelta(days=7)
    assert length / fitting_step(length, points=10**9) < MOST_STEPS
