"""Named times of the week, month and year, at which a route is quiet or only at which it speaks.

Pure; syntax and meaning of Alertmanager 0.25, `timeinterval/timeinterval.go`, but for one thing: its months in which a clock is
put forward count a day too few where a range counts from their end. Here, as in its later versions, they do not.
"""

import calendar
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from opsconsole.settings import Settings, Text

Range = tuple[int, int]
"""First and last, both included."""

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|(24):(00)", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_SHORTEST_MONTH = 28


def _minutes(text: str) -> int:
    """Minutes since midnight. Raises ValueError."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a time of day: write it like 09:30; the day ends at 24:00")
    hours, minutes = [part for part in found.groups() if part is not None]
    return int(hours) * 60 + int(minutes)


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a number")
    return int(text)


def _weekday(text: str) -> int:
    if text not in _WEEKDAYS:
        raise ValueError(f"{text!r} is not a day of the week: write it like monday, or monday:friday")
    return _WEEKDAYS.index(text)


def _month(text: str) -> int:
    if text in _MONTHS:
        return _MONTHS.index(text) + 1
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a month: write it like january, 1, or may:august")
    return int(text)


def _range(text: str, member: Callable[[str], int]) -> Range:
    """`text` as `first:last` or one alone. Raises ValueError."""
    parts = text.lower().split(":")
    if len(parts) > 2:
        raise ValueError(f"{text!r} is not a range: write it like first:last")
    return member(parts[0]), member(parts[-1])


def _rising(text: str, member: Callable[[str], int]) -> Range:
    begin, end = _range(text, member)
    if begin > end:
        raise ValueError(f"{text!r} ends before it begins")
    return begin, end


def _weekdays(text: str) -> Range:
    return _rising(text, _weekday)


def _months(text: str) -> Range:
    return _rising(text, _month)


def _years(text: str) -> Range:
    return _rising(text, _number)


def _days(text: str) -> Range:
    """Days of a month; -1 is its last."""
    begin, end = _range(text, _number)
    for day in (begin, end):
        if day == 0 or abs(day) > 31:
            raise ValueError(f"{day} is not a day of the month: 1 to 31, or -1 to -31 from its end")
    if begin < 0 < end:
        raise ValueError(f"{text!r} begins from the month's end, and so has to end from there too")
    first, last = (_SHORTEST_MONTH + day if day < 0 else day for day in (begin, end))
    if first > last:
        raise ValueError(f"{text!r} ends before it begins")
    return begin, end


def _valid(parse: Callable[[str], object]) -> AfterValidator:
    def validate(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(validate)


def _zone(name: str) -> tzinfo | None:
    """None is the machine's own. Raises ValueError."""
    try:
        return None if name == "Local" else ZoneInfo(name or "UTC")
    except (ValueError, OSError, LookupError) as error:
        raise ValueError(f"{name!r} is not a time zone: write it like Europe/Paris") from error


class TimeRange(Settings):
    """From one time of day until before another, on the same day."""

    start_time: Annotated[Text, _valid(_minutes)]
    end_time: Annotated[Text, _valid(_minutes)]

    @model_validator(mode="after")
    def _rises(self) -> "TimeRange":
        begin, end = self.minutes()
        if begin >= end:
            raise ValueError("start_time must be before end_time; a time over midnight is two ranges")
        return self

    def minutes(self) -> Range:
        """Since midnight; the second is not part of it."""
        return _minutes(self.start_time), _minutes(self.end_time)


class TimeInterval(Settings):
    """Times that fit everything that is given here; what is left out fits always."""

    times: list[TimeRange] | None = None
    weekdays: list[Annotated[Text, _valid(_weekdays)]] | None = None
    days_of_month: list[Annotated[Text, _valid(_days)]] | None = None
    months: list[Annotated[Text, _valid(_months)]] | None = None
    years: list[Annotated[Text, _valid(_years)]] | None = None
    location: Annotated[str, _valid(_zone)] | None = None


class NamedIntervals(Settings):
    """What routes name in `mute_time_intervals` and `active_time_intervals`: a time that fits any of these."""

    name: Annotated[str, Field(min_length=1)]
    time_intervals: list[TimeInterval] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Interval:
    """A `TimeInterval` made ready; None where nothing was given."""

    times: Sequence[Range] | None
    weekdays: Sequence[Range] | None
    days: Sequence[Range] | None
    months: Sequence[Range] | None
    years: Sequence[Range] | None
    zone: tzinfo | None

    def holds(self, now: datetime) -> bool:
        """Whether `now` is in it."""
        local = now.astimezone(self.zone)
        return (
            _within(local.hour * 60 + local.minute, self.times)
            and (self.days is None or any(_has_day(local, days) for days in self.days))
            and _within(local.month, self.months)
            and _within(local.isoweekday() % 7, self.weekdays)
            and _within(local.year, self.years)
        )


def ready(intervals: NamedIntervals) -> tuple[Interval, ...]:
    return tuple(_ready(one) for one in intervals.time_intervals)


def _ready(written: TimeInterval) -> Interval:
    times = None if written.times is None else [(begin, end - 1) for begin, end in (one.minutes() for one in written.times)]
    return Interval(
        times,
        _all(written.weekdays, _weekdays),
        _all(written.days_of_month, _days),
        _all(written.months, _months),
        _all(written.years, _years),
        UTC if written.location is None else _zone(written.location),
    )


def _all(texts: Iterable[str] | None, parse: Callable[[str], Range]) -> list[Range] | None:
    return None if texts is None else [parse(text) for text in texts]


def _within(value: int, ranges: Sequence[Range] | None) -> bool:
    return ranges is None or any(begin <= value <= end for begin, end in ranges)


def _has_day(local: datetime, days: Range) -> bool:
    length = calendar.monthrange(local.year, local.month)[1]
    begin, end = (length + day + 1 if day < 0 else day for day in days)
    return begin <= local.day <= end
