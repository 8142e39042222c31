"""Go's times and durations, as far as templates get to see them: what they print, their fields and their methods."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAYOUT = re.compile(
    r"January|Jan|Monday|Mon|MST|2006|-07:00:00|-07:00|-0700|-07|Z07:00|Z0700|Z07|002|01|02|03|04|05|06|15|PM|pm"
    r"|_2|[.,]0+(?!\d)|[.,]9+(?!\d)|1|2|3|4|5"
)
_DIRECTIVES = {
    "January": "%B", "Jan": "%b", "Monday": "%A", "Mon": "%a", "MST": "UTC", "06": "%y", "002": "%j", "01": "%m",
    "02": "%d", "15": "%H", "03": "%I", "04": "%M", "05": "%S", "PM": "%p", "-07:00:00": "+00:00:00", "-07:00": "+00:00",
    "-0700": "+0000", "-07": "+00", "Z07:00": "Z", "Z0700": "Z", "Z07": "Z",
}  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """Nanoseconds."""

    ns: int

    def __str__(self) -> str:
        return _duration(self.ns)

    def method(self, name: str, arguments: list[Any]) -> Any:
        """Raises LookupError for a method that there is not, TypeError for wrong arguments."""
        methods: dict[str, Callable[[], Any]] = {
            "String": lambda: str(self),
            "Hours": lambda: self.ns / 3.6e12,
            "Minutes": lambda: self.ns / 6e10,
            "Seconds": lambda: self.ns / 1e9,
            "Milliseconds": lambda: int(self.ns / 1e6),
            "Microseconds": lambda: int(self.ns / 1e3),
            "Nanoseconds": lambda: self.ns,
            "Abs": lambda: Duration(abs(self.ns)),
        }
        return methods[name](*arguments)


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """A time in UTC, to the millisecond."""

    at: datetime

    def __str__(self) -> str:
        fraction = f"{self.at.microsecond:06d}".rstrip("0")
        return f"{self.at.year:04d}-{self.at:%m-%d %H:%M:%S}{'.' + fraction if fraction else ''} +0000 UTC"

    def method(self, name: str, arguments: list[Any]) -> Any:
        """Raises LookupError for a method that there is not, TypeError for wrong arguments."""
        at = self.at
        methods: dict[str, Callable[..., Any]] = {
            "Year": lambda: at.year,
            "Month": lambda: f"{at:%B}",
            "Day": lambda: at.day,
            "Hour": lambda: at.hour,
            "Minute": lambda: at.minute,
            "Second": lambda: at.second,
            "Nanosecond": lambda: at.microsecond * 1000,
            "Weekday": lambda: f"{at:%A}",
            "YearDay": lambda: int(f"{at:%j}"),
            "Unix": lambda: (at - _EPOCH) // timedelta(seconds=1),
            "UnixMilli": lambda: (at - _EPOCH) // timedelta(milliseconds=1),
            "UnixMicro": lambda: (at - _EPOCH) // timedelta(microseconds=1),
            "UnixNano": lambda: (at - _EPOCH) // timedelta(microseconds=1) * 1000,
            "UTC": lambda: self,
            "String": lambda: str(self),
            "IsZero": lambda: False,
            "Format": lambda layout: formatted(at, layout),
            "After": lambda other: self > other,
            "Before": lambda other: self < other,
            "Equal": lambda other: self == other,
            "Add": lambda span: Moment(at + timedelta(microseconds=span.ns / 1000)),
            "Sub": lambda other: Duration((at - other.at) // timedelta(microseconds=1) * 1000),
        }
        return methods[name](*arguments)


def formatted(at: datetime, layout: str) -> str:
    """Go's `Time.Format`, whose layouts are written with the parts of a certain moment in 2006."""
    if not isinstance(layout, str):
        raise TypeError("a layout is a text")
    return _LAYOUT.sub(lambda found: _part(at, found[0]), layout)


def _part(at: datetime, part: str) -> str:
    if part == "2006":
        return f"{at.year:04d}"
    if part in _DIRECTIVES:
        return at.strftime(_DIRECTIVES[part])
    match part:
        case "1":
            return f"{at.month}"
        case "2":
            return f"{at.day}"
        case "_2":
            return f"{at.day:2d}"
        case "3":
            return f"{at.hour % 12 or 12}"
        case "4":
            return f"{at.minute}"
        case "5":
            return f"{at.second}"
        case "pm":
            return f"{at:%p}".lower()
    digits = f"{at.microsecond:06d}".ljust(9, "0")[: len(part) - 1]
    if part[1] == "9":
        digits = digits.rstrip("0")
        return part[0] + digits if digits else ""
    return part[0] + digits


def _duration(ns: int) -> str:
    """Hours, minutes and seconds without zeros at the end of the fraction; below a second in the unit that suits."""
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    if ns == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 1000), ("ms", 1_000_000)):
        if ns < min(size * 1000, 10**9):
            return f"{sign}{_decimal(ns, size)}{unit}"
    minutes, rest = divmod(ns, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(rest, 10**9)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else sign + seconds


def _decimal(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    fraction = f"{rest:0{len(str(size)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{fraction}" if fraction else f"{whole}"
