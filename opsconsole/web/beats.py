"""A heartbeat's recent past as a row of bars, and its present in words."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsconsole.db import Session, checks, overview
from opsconsole.db.checks import Away, Check
from opsconsole.heartbeats.state import Condition, Reason, State, condition
from opsconsole.model import Status
from opsconsole.settings import format_duration
from opsconsole.web.words import age, clock, count, duration

BARS = 30
_STATUS = {
    State.UP: Status.OK,
    State.GRACE: Status.DEGRADED,
    State.DOWN: Status.DOWN,
    State.NEW: Status.UNKNOWN,
    State.PAUSED: Status.UNKNOWN,
}


class Bar(enum.StrEnum):
    """One expected beat. An empty one is before the first ping."""

    ON_TIME = "ok"
    LATE = "late"
    MISSED = "miss"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class HeartbeatLine:
    """One check as pages show it."""

    check: Check
    condition: Condition
    status: Status
    words: str
    rhythm: str
    bars: tuple[Bar, ...]

    @property
    def bars_in_words(self) -> str:
        known = [bar for bar in self.bars if bar is not Bar.NONE]
        if not known:
            return "no beat yet"
        missed = sum(bar is Bar.MISSED for bar in known)
        return f"{count(len(known), 'beat')}, {missed or 'none'} missed"


async def read(session: Session, now: datetime, away: Away | None) -> list[HeartbeatLine]:
    """Every check, the worst first: two queries."""
    beats = await overview.recent_beats(session, BARS)
    return lines(await checks.all_checks(session), beats, now, away)


def lines(
    every: Sequence[Check], beats: Mapping[int, Sequence[tuple[datetime, str]]], now: datetime, away: Away | None
) -> list[HeartbeatLine]:
    found = [_line(check, beats.get(check.id, ()), now, away) for check in every]
    order = (Status.DOWN, Status.DEGRADED, Status.UNKNOWN, Status.OK)
    return sorted(found, key=lambda line: (order.index(line.status), line.check.name))


def _line(check: Check, beats: Sequence[tuple[datetime, str]], now: datetime, away: Away | None) -> HeartbeatLine:
    how = condition(check, now, away)
    return HeartbeatLine(check, how, _STATUS[how.state], _words(check, how, now), _rhythm(check), bars(check, beats, now))


def _words(check: Check, how: Condition, now: datetime) -> str:
    match how.state:
        case State.PAUSED:
            return "paused"
        case State.NEW:
            return f"never pinged, due {_when(how.due, now)}"
        case State.GRACE:
            return f"late {duration(now - how.due)}, down {_when(how.deadline, now)}"
        case State.UP:
            return "running" if how.started else f"next {_when(how.due, now)}"
    if how.reason is Reason.FAILED:
        return f"failed {age(how.since, now)} ago"
    if how.reason is Reason.OVERRAN:
        return f"overran, down for {duration(now - how.since)}"
    return f"silent, down for {duration(now - how.since)}"


def _when(moment: datetime, now: datetime) -> str:
    ahead = moment - now
    if ahead <= timedelta(0):
        return "now"
    return f"in {duration(ahead)}" if ahead < timedelta(hours=3) else f"at {clock(moment, now)} UTC"


def _rhythm(check: Check) -> str:
    grace = f"grace {format_duration(check.grace)}"
    if check.schedule is not None:
        return f"{check.schedule} {check.timezone}, {grace}"
    return f"every {format_duration(check.period or timedelta(0))}, {grace}"


def bars(check: Check, beats: Sequence[tuple[datetime, str]], now: datetime) -> tuple[Bar, ...]:
    """The newest `BARS` beats. Between pings further apart than period and grace stand the beats that were missed."""
    found: list[Bar] = []
    before: datetime | None = None
    for at, kind in beats:
        if before is not None and check.period:
            found += _missing(at - before, check.period, check.grace)
        late = before is not None and check.period and at - before > check.period * 1.1
        found.append(Bar.MISSED if kind == "fail" else Bar.LATE if late else Bar.ON_TIME)
        before = at
    if check.period and not check.paused:
        found += _missing(now - (before or check.created_at), check.period, check.grace, ended=False)
    shown = found[-BARS:]
    return tuple([Bar.NONE] * (BARS - len(shown)) + shown)


def _missing(gap: timedelta, period: timedelta, grace: timedelta, *, ended: bool = True) -> list[Bar]:
    """The beats that a silence of `gap` swallowed; the ping that ended it is not one of them."""
    if gap <= period + grace:
        return []
    swallowed = int(gap / period) - (1 if ended else 0)
    return [Bar.MISSED] * min(BARS, max(1, swallowed))
