"""The state of a check, read from the clock, and what a ping does to it.

Healthchecks' rules (healthchecks/healthchecks, `hc/api/models.py`: `get_grace_start`, `get_status`, `ping`), with these
differences: a check that is never pinged goes down as well, a missed deadline stays missed when a later start arrives,
and time during which no console listened is not silence.
"""

import enum
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opsconsole.db.checks import Away, Check, Ping
from opsconsole.heartbeats.schedule import next_time

LONGEST_RUN = timedelta(hours=72)
"""A start and an end further apart are not of one run."""


class State(enum.StrEnum):
    NEW = "new"
    UP = "up"
    GRACE = "grace"
    DOWN = "down"
    PAUSED = "paused"


class Reason(enum.StrEnum):
    """Why a check is down."""

    SILENT = "silent"
    OVERRAN = "overran"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Condition:
    """A check's state at one moment.

    `since` is when the state began: for a missed deadline the deadline itself, whenever it was noticed. `due` is when the
    next ping is expected and `deadline` when the check goes down without one. `started` says that a run is under way.
    """

    state: State
    since: datetime
    due: datetime
    deadline: datetime
    started: bool = False
    reason: Reason | None = None


def condition(check: Check, now: datetime, away: Away | None = None) -> Condition:
    """How `check` stands at `now`."""
    due = _due(check)
    silent_at = _excused(due + check.grace, check.grace, away)
    overran_at = _excused(check.last_start_at + check.grace, check.grace, away) if check.last_start_at else silent_at
    deadline = min(silent_at, overran_at)
    state, since, reason = _state(check, now, due, deadline)
    if reason is Reason.SILENT and overran_at < silent_at:
        reason = Reason.OVERRAN
    return Condition(state, since, due, deadline, check.last_start_at is not None, reason)


def _state(check: Check, now: datetime, due: datetime, deadline: datetime) -> tuple[State, datetime, Reason | None]:
    heard = check.last_ping_at or check.created_at
    if check.paused:
        return State.PAUSED, heard, None
    if check.down_since is not None:
        return State.DOWN, check.down_since, Reason.FAILED if check.last_kind == "fail" else Reason.SILENT
    if now >= deadline:
        return State.DOWN, deadline, Reason.SILENT
    if check.last_ping_at is None:
        return State.NEW, check.created_at, None
    return (State.GRACE, due, None) if now >= due else (State.UP, heard, None)


def _due(check: Check) -> datetime:
    begin = max(check.created_at, check.last_ping_at or check.created_at)
    if check.schedule is not None:
        return next_time(check.schedule, check.timezone, begin)
    return begin + (check.period or timedelta(0))


def _excused(deadline: datetime, grace: timedelta, away: Away | None) -> datetime:
    """A deadline that passed while no console listened, or so soon after that a lost ping could not be sent again, waits
    for one grace after the return. One that had passed before stays."""
    if away is None or deadline <= away.start:
        return deadline
    return max(deadline, away.end + grace)


def answered(check: Check, ping: Ping, away: Away | None = None) -> tuple[Check, Ping]:
    """The check after `ping`, and the ping with its number and duration.

    A fail ends any run; a success ends its own run or, without a run id, any; a log changes nothing.
    """
    number = check.pings + 1
    counted = replace(check, pings=number, last_remote=ping.remote or check.last_remote)
    if ping.kind == "log":
        return replace(check, pings=number), replace(ping, number=number)
    if ping.kind == "start":
        before = condition(check, ping.at, away)
        missed = before.since if before.state is State.DOWN else check.down_since
        begun = replace(counted, last_start_at=ping.at, last_start_rid=ping.rid, down_since=missed)
        return begun, replace(ping, number=number)
    duration = _duration(check, ping)
    ended = replace(_ended(counted, ping), last_duration=duration)
    return ended, replace(ping, number=number, duration=duration)


def _duration(check: Check, ping: Ping) -> timedelta | None:
    if check.last_start_at is None or check.last_start_rid != ping.rid:
        return ping.duration
    took = ping.at - check.last_start_at
    return took if timedelta(0) <= took <= LONGEST_RUN else None


def _ended(check: Check, ping: Ping) -> Check:
    ends_run = ping.kind == "fail" or ping.rid is None or ping.rid == check.last_start_rid
    after = replace(check, paused=False, last_ping_at=ping.at, last_kind=ping.kind)
    if ends_run:
        after = replace(after, last_start_at=None, last_start_rid=None)
    if ping.kind == "success":
        return replace(after, last_success_at=ping.at, down_since=None)
    failing = check.down_since if check.last_kind == "fail" else None
    return replace(after, last_fail_at=ping.at, down_since=failing or ping.at)
