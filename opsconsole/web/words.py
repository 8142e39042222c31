"""Ages, durations and counts in words, the same on every page and in the page's own script."""

from datetime import datetime, timedelta

from opsconsole.model import Status

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def duration(length: timedelta) -> str:
    """The two largest units: `4 s`, `4 min 12 s`, `3 d 4 h`."""
    seconds = max(0, int(length.total_seconds()))
    if seconds == 0:
        return "0 s"
    for (size, unit), smaller in zip(_UNITS, (*_UNITS[1:], None), strict=True):
        if seconds >= size:
            count, rest = divmod(seconds, size)
            if smaller and (more := rest // smaller[0]):
                return f"{count} {unit} {more} {smaller[1]}"
            return f"{count} {unit}"
    raise AssertionError(seconds)


def age(moment: datetime | None, now: datetime) -> str:
    """How long ago, in the one unit that matters: `3 s`, `2 min`, `5 h`, `3 d`; `never` for None."""
    if moment is None:
        return "never"
    seconds = max(0, int((now - moment).total_seconds()))
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "0 s"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def clock(moment: datetime, now: datetime) -> str:
    """The time of day in UTC, with the date where it is not today."""
    return moment.strftime("%H:%M:%S" if moment.date() == now.date() else "%d %b %H:%M:%S")


NAMES = {
    "scheduler": "scheduler",
    "dag_processor": "Dag processor",
    "triggerer": "triggerer",
    "metadatabase": "database",
    "api": "API",
}
"""What pages call the components."""

SEVERITY = {
    "critical": Status.DOWN,
    "high": Status.DOWN,
    "warning": Status.DEGRADED,
}


def of_severity(severity: str) -> Status:
    """The state that an incident of this severity puts things in; `info` troubles nobody."""
    return SEVERITY.get(severity, Status.OK)
