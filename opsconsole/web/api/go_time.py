"""Times as go-openapi's `strfmt.DateTime` reads and writes them."""

import re
from datetime import UTC, datetime, timedelta, timezone

_FORM = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?"
    r"(?:(Z)|([+-]\d\d):(\d\d)|(?<=[.,]\d{3})([+-]\d\d)(\d\d)|(?<=[.,]\d{6})([+-]\d\d)(\d\d)|$)",
    re.ASCII,
)
_SHORT = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)Z?", re.ASCII)
_PLAIN = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_LAYOUT = "2006-01-02 15:04:05"


class BadTime(ValueError):
    """Text that is no time, in Go's words."""


def parsed(text: str) -> datetime:
    """A time in UTC, to the microsecond; the empty text is 1970. Raises BadTime."""
    if text == "":
        return _EPOCH
    try:
        moment = _moment(text)
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise BadTime(_problem(text))
    return moment


def written(moment: datetime) -> str:
    """`2026-11-20T20:13:24.401Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(text: str) -> datetime | None:
    if (short := _SHORT.fullmatch(text) or _PLAIN.fullmatch(text)) is not None:
        return datetime(*map(int, short.groups()), tzinfo=UTC)  # type: ignore[misc, arg-type]
    if (found := _FORM.fullmatch(text)) is None:
        return None
    *clock, fraction, _, hours, minutes, h3, m3, h6, m6 = found.groups()
    offset = hours or h3 or h6 or "+00"
    away = timedelta(hours=int(offset[1:]), minutes=int(minutes or m3 or m6 or "0"))
    zone = timezone(-away if offset[0] == "-" else away)
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    return datetime(*map(int, clock), micros, tzinfo=zone).astimezone(UTC)  # type: ignore[misc, arg-type]


def _problem(text: str) -> str:
    """What Go says where the last of the layouts that are tried does not fit either."""
    rest = text
    for part, pattern in (
        *(("2006", r"\d{4}"), ("-", "-"), ("01", r"\d\d"), ("-", "-"), ("02", r"\d\d"), (" ", " +|$")),
        *(("15", r"\d\d"), (":", ":"), ("04", r"\d\d"), (":", ":"), ("05", r"\d\d")),
    ):
        found = re.match(pattern, rest, re.ASCII)
        if found is None:
            return f'parsing time "{text}" as "{_LAST_LAYOUT}": cannot parse "{rest}" as "{part}"'
        if part in _LIMITS and not _LIMITS[part][0] <= int(found[0]) <= _LIMITS[part][1]:
            return f'parsing time "{text}": {_LIMITS[part][2]} out of range'
        rest = rest[found.end() :]
    return f'parsing time "{text}": extra text: "{rest}"' if rest else f'parsing time "{text}": day out of range'


_LIMITS = {"01": (1, 12, "month"), "15": (0, 23, "hour"), "04": (0, 59, "minute"), "05": (0, 59, "second")}
