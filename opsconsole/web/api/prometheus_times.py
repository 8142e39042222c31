"""Times and durations in parameters as Prometheus' API reads them, with what Go makes of numbers that are no times.

A time is a whole number of nanoseconds since the first of January of the year 1, in whose seconds Go counts with 64 bits
(Go, `time.Unix`; prometheus/prometheus, `web/api/v1/api.go`, `parseTime`, and `promql/engine.go`, `timeMilliseconds`).
"""

import math
import re
from datetime import UTC, datetime, timedelta

from opsconsole.promql.literals import parse_duration_ms, parse_float
from opsconsole.promql.tokens import go_quoted

Nanoseconds = int
FAR = 2**62
"""Milliseconds; nobody's samples are older or younger."""
_SECOND = 10**9
_MILLISECOND = 10**6
_UNIX_EPOCH = 62_135_596_800
"""Seconds from the first of January of the year 1 to that of 1970."""
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)
_OFFSETS = {2: (99, 99), 3: (24, 60)}
"""The most hours and minutes that a zone may be off by, in the Go of Prometheus 2.42 and of Prometheus 3."""


def wrapped(number: int) -> int:
    """What is left of it in 64 bits."""
    return (number + 2**63) % 2**64 - 2**63


def _since_year_1(seconds: int, nanoseconds: int) -> Nanoseconds:
    """Of Unix seconds and any number of nanoseconds."""
    more, rest = divmod(nanoseconds, _SECOND)
    return wrapped(seconds + more + _UNIX_EPOCH) * _SECOND + rest


_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_BOUND = 2**63 // 1000 - _UNIX_EPOCH
BEGINNING, END = _since_year_1(1 - _BOUND, 0), _since_year_1(_BOUND - 1, 999_999_999)
_BOUNDS = {"-292273086-05-16T16:47:06Z": BEGINNING, "292277025-08-18T07:12:54.999999999Z": END}
"""How Prometheus' own clients write the beginning and the end of time."""


def parse_time(text: str, compat: int = 3) -> Nanoseconds:
    """Unix seconds, RFC 3339, or the end of time. Raises ValueError."""
    try:
        seconds = parse_float(text)
    except ValueError:
        return _BOUNDS[text] if text in _BOUNDS else _calendar(text, _OFFSETS[compat])
    fraction, whole = math.modf(seconds) if math.isfinite(seconds) else (math.nan, seconds)
    return _since_year_1(_int64(whole), _int64(_rounded(fraction * 1000) / 1000 * 1e9))


def at(moment: datetime) -> Nanoseconds:
    """The same of a time of the calendar."""
    since: int = (moment - _FIRST) // timedelta(microseconds=1)
    return since * 1000


def evaluated_ms(time: Nanoseconds) -> int:
    """Unix milliseconds of a query's time, for which the engine has 64 bits of nanoseconds: years 1677 to 2262."""
    unix = wrapped(time - _UNIX_EPOCH * _SECOND)
    return abs(unix) // _MILLISECOND * (-1 if unix < 0 else 1)


def stored_ms(time: Nanoseconds) -> int:
    """Unix milliseconds of the end of a look-up of series."""
    return max(-FAR, min(FAR, (time - _UNIX_EPOCH * _SECOND) // _MILLISECOND))


def between(start: Nanoseconds, end: Nanoseconds) -> Nanoseconds:
    """From `start` to `end`, or the longest duration that there is."""
    return max(-(2**63), min(2**63 - 1, end - start))


def parse_duration(text: str) -> Nanoseconds:
    """Seconds as a number, or `1h30m`. Raises ValueError with Prometheus' words."""
    try:
        nanoseconds = parse_float(text) * 1e9
    except ValueError:
        pass
    else:
        if abs(nanoseconds) > 2**63:
            raise ValueError(f"cannot parse {go_quoted(text)} to a valid duration. It overflows int64")
        return _int64(nanoseconds)
    try:
        return 0 if text == "0" else parse_duration_ms(text) * _MILLISECOND
    except ValueError:
        raise ValueError(f"cannot parse {go_quoted(text)} to a valid duration") from None


def _int64(number: float) -> int:
    """As x86 converts one: what does not fit is the least there is."""
    return int(number) if abs(number) < 2.0**63 else -(2**63)


def _rounded(number: float) -> float:
    """Half away from zero."""
    return math.copysign(math.floor(abs(number) + 0.5), number) if math.isfinite(number) else number


def _calendar(text: str, most: tuple[int, int]) -> Nanoseconds:
    """RFC 3339, to any fraction of a second."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(text)
    local, fraction, sign, hours, minutes = match.groups(default="0")
    if int(hours) > most[0] or int(minutes) > most[1]:
        raise ValueError(text)
    offset = (int(hours) * 60 + int(minutes)) * 60 * (-1 if sign == "-" else 1)
    since = at(datetime.fromisoformat(f"{local}+00:00")) // _SECOND - offset
    return since * _SECOND + int(fraction.ljust(9, "0")[:9])
