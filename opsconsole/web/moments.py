"""Moments and steps as people type them."""

import math
import re
from datetime import UTC, datetime, timedelta

from opsconsole.settings import format_duration, parse_duration

MOST_STEPS = 11_000
"""Points of one series that a range query may ask for."""
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE]\+?\d+)?")
_RELATIVE = re.compile(r"now\s*(?:([+-])\s*(\S+))?")


def moment(text: str, now: datetime) -> datetime:
    """`now`, `now-1h`, Unix seconds, or RFC 3339 (UTC where it has no zone). Raises ValueError with a sentence."""
    text = text.strip()
    try:
        if relative := _RELATIVE.fullmatch(text):
            away = parse_duration(relative[2]) if relative[2] else timedelta()
            return now - away if relative[1] == "-" else now + away
        if _NUMBER.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        given = datetime.fromisoformat(text)
        return (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"{text[:60]!r} is not a time: write now-1h, 2026-05-01T12:00:00Z or Unix seconds") from error


def step(text: str) -> timedelta:
    """A step as a duration, or as a bare number of seconds. Raises ValueError."""
    try:
        found = timedelta(seconds=float(text)) if _NUMBER.fullmatch(text.strip()) else parse_duration(text)
    except OverflowError as error:
        raise ValueError(f"{text[:60]!r} is longer than any step") from error
    if found < timedelta(milliseconds=1):
        raise ValueError(f"{text[:60]!r} is not a step: write it like 15s or 1m")
    return found


def fitting_step(length: timedelta, points: int = 240) -> timedelta:
    """A round step that gives a range about so many points, and never more than `MOST_STEPS`."""
    wanted = length.total_seconds() / min(points, MOST_STEPS - 1)
    found = next((seconds for seconds in _STEPS if seconds >= wanted), None)
    return timedelta(seconds=found if found else math.ceil(wanted / _STEPS[-1]) * _STEPS[-1])


def with_step(complaint: str, length: timedelta, wording: str) -> str:
    """Prometheus' complaint about too many steps, with what would do in place of its API's parameter; others as they are."""
    return complaint.replace("?step=XX", wording.format(format_duration(fitting_step(length, MOST_STEPS))))
