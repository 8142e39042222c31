"""How long a judgement lasts where nothing but time moves: pure, and rather too short than too long."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from opsconsole.model import DagRun
from opsconsole.slas.calendar import around
from opsconsole.slas.judge import NEARLY, Seen, last_success, usual
from opsconsole.slas.settings import Sla

EVER = datetime.max.replace(tzinfo=UTC)
_JUST_AFTER = timedelta(microseconds=1)
"""A limit is overstepped when more than it has passed, and times are whole microseconds."""
_NEVER = datetime.min.replace(tzinfo=UTC)


def until(slas: Sequence[Sla], seen: Seen, window: timedelta, now: datetime) -> datetime:
    """The first moment after `now` when one of `slas` may be judged otherwise than now, by the same record.

    `window` is for how long a run is among those of `seen` after it was due and ended.
    """
    moments = [moment for sla in slas for moment in _turns(sla, seen, now)]
    for run in _needed(seen):
        moments += [moment + window + _JUST_AFTER for moment in (run.due_at, run.end_at) if moment]
    return min((moment for moment in moments if moment > now), default=EVER)


def _turns(sla: Sla, seen: Seen, now: datetime) -> Iterator[datetime]:
    """When a deadline passes or a limit is overstepped, or nearly so."""
    if sla.deadline is not None:
        following = around(sla.deadline, now).following
        yield from (following, following - usual(seen.runs) + _JUST_AFTER)
    if sla.max_duration is not None:
        yield from _over(sla.max_duration, (run.start_at for run in seen.runs if run.state == "running"))
    if sla.max_start_delay is not None:
        queued = (run.due_at for run in seen.runs if run.state == "queued")
        yield from _over(sla.max_start_delay, (*queued, seen.dag.next_run_due_at))
    if sla.freshness is not None:
        first = next((run.due_at for run in seen.runs if run.due_at), None)
        yield from _over(sla.freshness, (seen.newest_success or first,))


def _over(limit: timedelta, begins: Iterable[datetime | None]) -> Iterator[datetime]:
    for begin in begins:
        if begin is not None:
            yield from (begin + part + _JUST_AFTER for part in (limit, limit * NEARLY))


def _needed(seen: Seen) -> Iterable[DagRun]:
    """Runs without which the judgement may be another: the newest ones, and any of a Dag that is gone or never succeeded."""
    if not seen.listed or seen.newest_success is None:
        return seen.runs
    due = max(seen.runs, key=lambda run: run.due_at or _NEVER, default=None)
    ended = max((run for run in seen.runs if run.start_at), key=_ended_at, default=None)
    succeeded = max((run for run in seen.runs if run.state == "success"), key=_ended_at, default=None)
    return [run for run in (due, ended, succeeded, last_success(seen.runs)) if run]


def _ended_at(run: DagRun) -> datetime:
    return run.end_at or _NEVER
