"""When a day's deadline falls."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from opsconsole.slas.settings import Deadline


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The two deadlines that have passed last, and the next one."""

    before: datetime
    last: datetime
    following: datetime


def around(deadline: Deadline, now: datetime) -> Deadlines:
    """The deadlines around `now`.

    A time that a clock change skips is taken as if the clock had not changed yet, so an hour later on the new clock; of a
    time that comes twice it is the first.
    """
    today = now.astimezone(deadline.zone).date()
    days = [_on(deadline, today + timedelta(days=shift)) for shift in (-3, -2, -1, 0, 1, 2)]
    passed = [day for day in days if day <= now]
    return Deadlines(passed[-2], passed[-1], days[len(passed)])


def _on(deadline: Deadline, day: date) -> datetime:
    return datetime.combine(day, deadline.at, tzinfo=deadline.zone).astimezone(UTC)
