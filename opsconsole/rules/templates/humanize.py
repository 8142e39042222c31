"""Numbers for people, as Prometheus words them (prometheus/prometheus, `template/template.go`; its rules, not its text)."""

import math
from datetime import UTC, datetime, timedelta

from opsconsole.rules.templates.gofmt import significant
from opsconsole.rules.templates.gotime import Moment

_LARGE = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_SMALL = ("m", "u", "n", "p", "f", "a", "z", "y")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def humanize(value: float) -> str:
    """Metric prefixes, four significant digits."""
    if value == 0 or not math.isfinite(value):
        return significant(value)
    scaled, prefix = _scaled(value, _LARGE, 1000) if abs(value) >= 1 else _shrunk(value)
    return significant(scaled) + prefix


def humanize_1024(value: float) -> str:
    """Binary prefixes."""
    if abs(value) <= 1 or not math.isfinite(value):
        return significant(value)
    scaled, prefix = _scaled(value, tuple(letter + "i" for letter in ("k", *_LARGE[1:])), 1024)
    return significant(scaled) + prefix


def humanize_duration(value: float) -> str:
    """Seconds as days, hours, minutes and whole seconds; below a minute four significant digits."""
    if not math.isfinite(value):
        return significant(value)
    if value == 0:
        return "0s"
    if abs(value) < 1:
        scaled, prefix = _shrunk(value)
        return f"{significant(scaled)}{prefix}s"
    sign, value = ("-", -value) if value < 0 else ("", value)
    minutes, seconds = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    return f"{sign}{minutes}m {seconds}s" if minutes else f"{sign}{significant(value)}s"


def humanize_percentage(value: float) -> str:
    return f"{significant(value * 100)}%"


def moment(value: float) -> Moment | None:
    """Unix seconds as a time, cut to the millisecond; None where no calendar reaches."""
    try:
        nanoseconds = int(value * 1e9)
        milliseconds = abs(nanoseconds) // 1_000_000 * (-1 if nanoseconds < 0 else 1)
        return Moment(_EPOCH + timedelta(milliseconds=milliseconds))
    except (OverflowError, ValueError):
        return None


def humanize_timestamp(value: float) -> str:
    at = moment(value)
    return significant(value) if at is None else str(at)


def _scaled(value: float, prefixes: tuple[str, ...], base: int) -> tuple[float, str]:
    prefix = ""
    for following in prefixes:
        if abs(value) < base:
            break
        prefix, value = following, value / base
    return value, prefix


def _shrunk(value: float) -> tuple[float, str]:
    prefix = ""
    for following in _SMALL:
        if abs(value) >= 1:
            break
        prefix, value = following, value * 1000
    return value, prefix
