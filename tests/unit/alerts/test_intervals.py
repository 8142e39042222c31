"""Time intervals: when a route is quiet."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from opsconsole.alerts.intervals import NamedIntervals, ready
from opsconsole.alerts.routing import build, routes_of
from opsconsole.alerts.settings import Alerting, intervals_named


def holds(moment: str, *intervals: dict[str, Any]) -> bool:
    """Whether a moment in UTC is in any of the intervals."""
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    named = NamedIntervals.model_validate({"name": "it", "time_intervals": list(intervals)})
    return any(interval.holds(now) for interval in ready(named))


@pytest.mark.parametrize(
    ("moment", "interval", "expected"),
    [
        ("2026-11-20T08:59", {"times": [{"start_time": "09:00", "end_time": "17:00"}]}, False),
        ("2026-11-20T09:00", {"times": [{"start_time": "09:00", "end_time": "17:00"}]}, True),
        ("2026-11-20T16:59:59", {"times": [{"start_time": "09:00", "end_time": "17:00"}]}, True),
        ("2026-11-20T17:00", {"times": [{"start_time": "09:00", "end_time": "17:00"}]}, False),
        ("2026-11-20T23:59", {"times": [{"start_time": "00:00", "end_time": "24:00"}]}, True),
        ("2026-11-20T12:00", {"times": []}, False),
        ("2026-11-20T12:00", {}, True),
        ("2026-11-20T12:00", {"weekdays": ["Monday:Friday"]}, True),
        ("2026-11-21T12:00", {"weekdays": ["monday:friday"]}, False),
        ("2026-11-22T12:00", {"weekdays": ["saturday", "sunday"]}, True),
        ("2026-11-20T12:00", {"days_of_month": ["1:5", "20"]}, True),
        ("2026-11-20T12:00", {"days_of_month": [20]}, True),
        ("2026-11-30T12:00", {"days_of_month": ["-1"]}, True),
        ("2026-11-29T12:00", {"days_of_month": ["-1"]}, False),
        ("2028-02-29T12:00", {"days_of_month": ["-1"]}, True),
        ("2026-02-27T12:00", {"days_of_month": ["-3:-1"]}, True),
        ("2026-02-25T12:00", {"days_of_month": ["-3:-1"]}, False),
        ("2026-11-30T12:00", {"days_of_month": ["31"]}, False),
        ("2026-11-30T12:00", {"days_of_month": ["25:31"]}, True),
        ("2026-11-20T12:00", {"days_of_month": ["10:-5"]}, True),
        ("2026-11-20T12:00", {"months": ["may:august", "November"]}, True),
        ("2026-11-20T12:00", {"months": [11]}, True),
        ("2026-11-20T12:00", {"months": ["1:10"]}, False),
        ("2026-11-20T12:00", {"years": ["2025:2027"]}, True),
        ("2026-11-20T12:00", {"years": [2025]}, False),
        ("2026-11-20T12:00", {"weekdays": ["friday"], "months": ["june"]}, False),
    ],
)
def test_a_moment_is_in_an_interval_that_fits_it_in_every_way(moment: str, interval: dict[str, Any], expected: bool) -> None:
    assert holds(moment, interval) is expected


def test_the_time_of_day_is_that_of_the_location_in_summer_and_winter() -> None:
    office = {"times": [{"start_time": "09:00", "end_time": "10:00"}], "location": "Europe/Paris"}
    assert holds("2026-07-01T07:30", office)
    assert not holds("2026-07-01T08:30", office)
    assert holds("2026-12-01T08:30", office)


def test_the_last_day_of_a_month_in_which_the_clock_is_put_forward_is_its_last() -> None:
    assert holds("2026-03-31T12:00", {"days_of_month": ["-1"], "location": "Europe/Paris"})
    assert not holds("2026-03-30T12:00", {"days_of_month": ["-1"], "location": "Europe/Paris"})


def test_a_named_time_holds_while_any_of_its_intervals_does() -> None:
    assert holds("2026-11-21T12:00", {"weekdays": ["friday"]}, {"weekdays": ["saturday"]})
    assert not holds("2026-11-21T12:00")


@pytest.mark.parametrize(
    ("interval", "complaint"),
    [
        ({"times": [{"start_time": "9:00", "end_time": "17:00"}]}, "not a time of day"),
        ({"times": [{"start_time": "09:00", "end_time": "24:01"}]}, "not a time of day"),
        ({"times": [{"start_time": "17:00", "end_time": "09:00"}]}, "must be before end_time"),
        ({"times": [{"start_time": "17:00"}]}, "end_time"),
        ({"weekdays": ["mon"]}, "not a day of the week"),
        ({"weekdays": ["friday:monday"]}, "ends before it begins"),
        ({"weekdays": ["monday:tuesday:friday"]}, "not a range"),
        ({"days_of_month": ["0"]}, "not a day of the month"),
        ({"days_of_month": ["1:32"]}, "not a day of the month"),
        ({"days_of_month": ["-3:3"]}, "end from there too"),
        ({"days_of_month": ["28:-1"]}, "ends before it begins"),
        ({"days_of_month": ["first"]}, "not a number"),
        ({"months": ["juli"]}, "not a month"),
        ({"months": ["june:may"]}, "ends before it begins"),
        ({"years": ["2026:2025"]}, "ends before it begins"),
        ({"location": "Europe/Atlantis"}, "not a time zone"),
        ({"location": "../etc"}, "not a time zone"),
        ({"hours": ["9"]}, "Extra inputs"),
    ],
)
def test_what_is_no_interval_is_told(interval: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        NamedIntervals.model_validate({"name": "it", "time_intervals": [interval]})


SETTINGS: dict[str, Any] = {
    "route": {
        "receiver": "r",
        "routes": [
            {"matchers": ["team=a"], "mute_time_intervals": ["weekend"], "routes": [{"matchers": ["deep=yes"]}]},
            {"matchers": ["team=b"], "active_time_intervals": ["weekend", "nights"]},
        ],
    },
    "time_intervals": [
        {"name": "weekend", "time_intervals": [{"weekdays": ["saturday", "sunday"]}]},
        {"name": "nights", "time_intervals": [{"times": [{"start_time": "00:00", "end_time": "06:00"}]}]},
    ],
}
FRIDAY, SATURDAY = datetime(2026, 11, 20, 12, tzinfo=UTC), datetime(2026, 11, 21, 12, tzinfo=UTC)


def quiet(now: datetime, **labels: str) -> tuple[str, ...]:
    (node,) = routes_of(build(Alerting.model_validate(SETTINGS)), labels)
    return node.quiet_by(now)


def test_a_route_is_quiet_while_muted_and_while_not_active_and_children_do_not_inherit_it() -> None:
    assert quiet(SATURDAY, team="a") == ("weekend",)
    assert quiet(FRIDAY, team="a") == ()
    assert quiet(SATURDAY, team="a", deep="yes") == ()
    assert quiet(SATURDAY, team="b") == ()
    assert quiet(FRIDAY, team="b") == ("weekend", "nights")
    assert quiet(FRIDAY.replace(hour=3), team="b") == ()


def test_every_interval_named_is_found_with_its_place() -> None:
    named = intervals_named(Alerting.model_validate(SETTINGS).route)
    assert named[0] == (("route", "routes", 0, "mute_time_intervals", 0), "weekend")
    assert named[-1] == (("route", "routes", 1, "active_time_intervals", 1), "nights")


def test_two_intervals_of_one_name_and_a_quiet_first_route_are_refused() -> None:
    with pytest.raises(ValidationError, match="two time intervals are called 'x'"):
        Alerting.model_validate({"time_intervals": [{"name": "x"}, {"name": "x"}]})
    with pytest.raises(ValidationError, match="never quiet"):
        Alerting.model_validate({"route": {"mute_time_intervals": ["x"]}})
