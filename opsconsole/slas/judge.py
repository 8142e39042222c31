"""Whether the promises hold: pure, over one Dag's runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsconsole.model import Dag, DagRun
from opsconsole.settings import format_duration
from opsconsole.slas.calendar import Deadlines, around
from opsconsole.slas.settings import Sla
from opsconsole.slas.state import Judgement, Kind, SlaState

NEARLY = 0.8
"""Past this part of what is allowed, a promise is at risk."""
_AT_LEAST = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the mirror holds of one Dag: its runs in order of `due_at` (all open ones, and two days of others at least).

    `listed` is false for a Dag that Airflow does not list, no longer or not yet. `watching_since` is when the console first
    looked at the deployment; `newest_success` ended at any time; `is_old` says that runs were due before those in `runs`.
    """

    dag: Dag
    runs: Sequence[DagRun]
    watching_since: datetime
    newest_success: datetime | None = None
    listed: bool = True
    is_old: bool = False


def judge(sla: Sla, seen: Seen, now: datetime) -> tuple[Judgement, ...]:
    """Each promise of `sla` in turn. A paused Dag breaks none: nobody expects it to run."""
    judged: list[Judgement] = []
    if sla.deadline is not None:
        judged.append(_deadline(around(sla.deadline, now), str(sla.deadline), seen, now))
    if sla.max_duration is not None:
        judged += _duration(sla.max_duration, seen, now)
    if sla.max_start_delay is not None:
        judged.append(_start_delay(sla.max_start_delay, seen, now))
    if sla.freshness is not None:
        judged.append(_freshness(sla.freshness, seen, now))
    if seen.dag.paused:
        return tuple(Judgement(one.kind, SlaState.UNKNOWN, "the Dag is paused") for one in judged)
    return tuple(judged)


def _deadline(at: Deadlines, text: str, seen: Seen, now: datetime) -> Judgement:
    """A deadline is missed where a run was due between the one before and it, and none since then has succeeded."""

    def said(state: SlaState, reason: str, since: datetime | None = None) -> Judgement:
        return Judgement(Kind.DEADLINE, state, reason, since, live=since is not None)

    runs = [run for run in seen.runs if not _is_backfill(run)]
    if not _was_due(runs, seen, at.before, at.last) or _succeeded(runs, at.before):
        return _towards(at, text, runs, seen, now)
    if at.last <= seen.watching_since:
        return said(SlaState.UNKNOWN, f"{text} had passed before the console first looked")
    if _is_newborn(runs, seen, at):
        return said(SlaState.UNKNOWN, f"the Dag is newer than its last deadline ({text})")
    return said(SlaState.MISSED, f"not done by {text}", at.last)


def _towards(at: Deadlines, text: str, runs: Sequence[DagRun], seen: Seen, now: datetime) -> Judgement:
    """The last deadline is kept; how does the next one look?"""
    due = _was_due(runs, seen, at.last, at.following)
    if due and not _succeeded(runs, at.last) and now + usual(runs) > at.following:
        return Judgement(Kind.DEADLINE, SlaState.AT_RISK, f"not done yet, due by {text}")
    return Judgement(
        Kind.DEADLINE, SlaState.MET, f"done by {text}" if _succeeded(runs, at.before) else f"nothing was due by {text}"
    )


def _was_due(runs: Sequence[DagRun], seen: Seen, after: datetime, until: datetime) -> bool:
    """Whether a run was due from `after` to just before `until`, be it that Airflow has not even created it."""
    return any(_is_due(run, after, until) for run in runs) or (
        (missing := _missing(seen)) is not None and after <= missing < until
    )


def _is_due(run: DagRun, after: datetime, until: datetime) -> bool:
    return run.due_at is not None and after <= run.due_at < until


def _missing(seen: Seen) -> datetime | None:
    """When the next run is due, unless it is there already: runs are mirrored more often than Dags."""
    due = seen.dag.next_run_due_at
    return None if due is None or any(run.due_at is not None and run.due_at >= due for run in seen.runs) else due


def _succeeded(runs: Sequence[DagRun], after: datetime) -> bool:
    """Whether a run that was due at `after` or later has succeeded: a later or a triggered one makes good too."""
    return any(run.state == "success" and run.due_at is not None and run.due_at >= after for run in runs)


def _is_newborn(runs: Sequence[DagRun], seen: Seen, at: Deadlines) -> bool:
    """Whether the Dag came after its deadline, and its run of that day was caught up with."""
    if seen.is_old or _missing(seen) is not None:
        return False
    early = [run for run in runs if run.due_at is not None and run.due_at < at.last]
    return all(run.due_at >= at.before and (run.queued_at or run.start_at or at.before) > at.last for run in early if run.due_at)


def usual(runs: Sequence[DagRun]) -> timedelta:
    """How long the last successful run took, ten minutes at least."""
    run = last_success(runs)
    return max(run.end_at - run.start_at, _AT_LEAST) if run and run.start_at and run.end_at else _AT_LEAST


def last_success(runs: Sequence[DagRun]) -> DagRun | None:
    """The one that was due last, where it is known how long it took; backfills do not count."""
    some = (run for run in reversed(runs) if run.state == "success" and run.start_at and run.end_at and not _is_backfill(run))
    return next(some, None)


def _duration(limit: timedelta, seen: Seen, now: datetime) -> list[Judgement]:
    """Judged while a run still runs, and for the run that ended last."""
    running = [(run, now - run.start_at) for run in seen.runs if run.state == "running" and run.start_at]
    over = [
        Judgement(
            Kind.MAX_DURATION,
            SlaState.MISSED,
            f"run {run.run_id} takes longer than {format_duration(limit)}",
            run.start_at + limit,
            live=True,
            run_id=run.run_id,
        )
        for run, took in running
        if run.start_at and took > limit
    ]
    if over:
        return over
    last = _last_duration(limit, seen)
    if last.state is not SlaState.MISSED and any(took > limit * NEARLY for _, took in running):
        return [Judgement(Kind.MAX_DURATION, SlaState.AT_RISK, f"a run nears {format_duration(limit)}")]
    return [last]


def _last_duration(limit: timedelta, seen: Seen) -> Judgement:
    ended = [(run.end_at, run.start_at, run) for run in seen.runs if run.start_at and run.end_at]
    if not ended:
        return Judgement(Kind.MAX_DURATION, SlaState.UNKNOWN, "no run has ended lately")
    end, start, run = max(ended, key=lambda one: one[0])
    took = format_duration(timedelta(seconds=round((end - start).total_seconds())))
    if end - start > limit:
        reason = f"the last run took {took}, {format_duration(limit)} is allowed"
        return Judgement(Kind.MAX_DURATION, SlaState.MISSED, reason, start + limit, run_id=run.run_id)
    return Judgement(Kind.MAX_DURATION, SlaState.MET, f"the last run took {took}")


def _start_delay(limit: timedelta, seen: Seen, now: datetime) -> Judgement:
    """Judged by the run that waits longest, or that Airflow has not even created.

    Runs that were due before the console first looked are not counted: catching up is late by nature.
    """
    waiting = [
        (run.due_at, run.run_id)
        for run in seen.runs
        if run.state == "queued" and run.due_at and run.due_at > seen.watching_since and not _is_backfill(run)
    ]
    if (missing := _missing(seen)) is not None and missing > seen.watching_since:
        waiting.append((missing, ""))
    due, run_id = min(waiting, default=(now, ""))
    if now - due > limit:
        reason = f"the run due at {due:%Y-%m-%d %H:%M:%S} UTC " + ("waits in the queue" if run_id else "was not created")
        return Judgement(Kind.MAX_START_DELAY, SlaState.MISSED, reason, due + limit, live=True)
    if now - due > limit * NEARLY:
        return Judgement(Kind.MAX_START_DELAY, SlaState.AT_RISK, f"a run nears {format_duration(limit)} of waiting")
    return Judgement(Kind.MAX_START_DELAY, SlaState.MET, "no run waits too long")


def _freshness(limit: timedelta, seen: Seen, now: datetime) -> Judgement:
    """A Dag that never succeeded is measured from its first run; one that never ran is unknown."""
    first = next((run.due_at for run in seen.runs if run.due_at), None)
    base = seen.newest_success or first
    if base is None or not seen.listed:
        reason = "no run is known" if seen.listed else "the Dag is not in the list that was last read from Airflow"
        return Judgement(Kind.FRESHNESS, SlaState.UNKNOWN, reason)
    what = f"last success at {base:%Y-%m-%d %H:%M:%S} UTC" if seen.newest_success else "no run has ever succeeded"
    if now - base > limit:
        return Judgement(Kind.FRESHNESS, SlaState.MISSED, f"{what}, {format_duration(limit)} is allowed", base + limit, live=True)
    if now - base > limit * NEARLY:
        return Judgement(Kind.FRESHNESS, SlaState.AT_RISK, what)
    return Judgement(Kind.FRESHNESS, SlaState.MET, what)


def _is_backfill(run: DagRun) -> bool:
    return run.run_type.startswith("backfill")
