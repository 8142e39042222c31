from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from opsconsole.model import Dag, DagRun
from opsconsole.slas.judge import Seen, judge
from opsconsole.slas.settings import Sla
from opsconsole.slas.state import Judgement, SlaState
from tests.support.clock import NOON

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SEVEN = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)  # 07:00 in Paris
SIX = SEVEN - HOUR


def run(due: datetime, state: str = "success", **values: Any) -> DagRun:
    plain = DagRun("orders", f"r{due:%d-%H%M}", state, "scheduled", due, due, due, due, None)
    if state == "queued":
        plain = replace(plain, start_at=None)
    return replace(plain, **({"end_at": due + 20 * MINUTE} if state in ("success", "failed") else {}) | values)


def seen(*runs: DagRun, due: datetime | None = None, **values: Any) -> Seen:
    """A Dag that the console has watched for a month."""
    dag = Dag("orders", ("data",), paused=values.pop("paused", False), next_run_due_at=due)
    successes = [one.end_at for one in runs if one.state == "success" and one.end_at]
    plain: dict[str, Any] = {"newest_success": max(successes, default=None), "is_old": True}
    return Seen(dag, runs, NOON - 30 * DAY, **plain | values)


def judged(seen: Seen, now: datetime, **promise: Any) -> Judgement:
    sla = Sla.model_validate({"name": "orders", "deployment": "prod", "dags": ["orders"]} | promise)
    [judgement] = judge(sla, seen, now)
    return judgement


def deadline(seen: Seen, now: datetime) -> Judgement:
    return judged(seen, now, deadline="07:00 Europe/Paris")


YESTERDAY = run(SIX - DAY)


def test_a_run_that_succeeded_in_time_keeps_the_deadline() -> None:
    assert deadline(seen(YESTERDAY, run(SIX)), SEVEN).state is SlaState.MET


def test_a_deadline_is_missed_the_moment_it_passes_while_the_run_still_runs() -> None:
    late = seen(YESTERDAY, run(SIX, "running"))
    assert not deadline(late, SEVEN - timedelta(seconds=1)).live
    missed = deadline(late, SEVEN)
    assert (missed.state, missed.live, missed.since) == (SlaState.MISSED, True, SEVEN)
    assert deadline(late, SEVEN + 3 * HOUR) == missed


def test_a_late_success_ends_the_miss() -> None:
    assert deadline(seen(YESTERDAY, run(SIX, end_at=SEVEN + HOUR)), SEVEN + HOUR).state is SlaState.MET


def test_a_run_triggered_by_hand_after_the_deadline_makes_good() -> None:
    by_hand = run(SEVEN + HOUR, run_type="manual")
    assert deadline(seen(YESTERDAY, run(SIX, "failed"), by_hand), SEVEN + 2 * HOUR).state is SlaState.MET


def test_a_backfilled_run_does_not_make_good() -> None:
    backfilled = run(SIX + MINUTE, run_type="backfill")
    assert deadline(seen(YESTERDAY, run(SIX, "failed"), backfilled), SEVEN).live


def test_a_run_that_airflow_has_not_even_created_misses_its_deadline() -> None:
    assert deadline(seen(YESTERDAY, due=SIX), SEVEN).live


def test_a_run_that_is_there_already_is_not_missing_though_the_dag_was_read_before() -> None:
    assert deadline(seen(YESTERDAY, run(SIX), due=SIX), SEVEN).state is SlaState.MET


def test_on_a_day_without_a_due_run_there_is_no_deadline() -> None:
    weekly = seen(run(SIX - 3 * DAY), due=SIX + 4 * DAY)
    assert deadline(weekly, SEVEN + HOUR).state is SlaState.MET


def test_a_run_due_at_the_deadline_itself_belongs_to_the_next_one() -> None:
    assert deadline(seen(YESTERDAY, run(SIX), run(SEVEN, "running")), SEVEN + MINUTE).state is SlaState.MET


def test_a_deadline_that_nears_without_a_success_is_at_risk() -> None:
    running = seen(YESTERDAY, run(SIX, "running"))
    assert deadline(running, SEVEN - 25 * MINUTE).state is SlaState.MET
    assert deadline(running, SEVEN - 15 * MINUTE).state is SlaState.AT_RISK


def test_a_deadline_from_before_the_console_looked_is_unknown() -> None:
    new_console = replace(seen(YESTERDAY, run(SIX, "failed")), watching_since=SEVEN + MINUTE)
    assert deadline(new_console, SEVEN + HOUR).state is SlaState.UNKNOWN


def test_a_dag_that_came_after_the_deadline_has_not_missed_it() -> None:
    caught_up = run(SIX, "running", queued_at=SEVEN + HOUR)
    assert deadline(seen(caught_up, is_old=False), SEVEN + 2 * HOUR).state is SlaState.UNKNOWN
    assert deadline(seen(caught_up, is_old=True), SEVEN + 2 * HOUR).live


def test_a_deadline_stands_at_its_local_time_through_a_clock_change() -> None:
    due = datetime(2026, 3, 29, 4, 0, tzinfo=UTC)
    running = seen(run(due - DAY), run(due, "running"))
    assert not deadline(running, datetime(2026, 3, 29, 4, 59, tzinfo=UTC)).live
    assert deadline(running, datetime(2026, 3, 29, 5, 0, tzinfo=UTC)).live
    due = datetime(2026, 10, 25, 5, 0, tzinfo=UTC)
    running = seen(run(due - 25 * HOUR), run(due, "running"))
    assert not deadline(running, datetime(2026, 10, 25, 5, 59, tzinfo=UTC)).live
    assert deadline(running, datetime(2026, 10, 25, 6, 0, tzinfo=UTC)).live


def test_a_run_that_takes_too_long_is_missed_while_it_runs() -> None:
    running = seen(run(NOON - HOUR, "running"))
    missed = judged(running, NOON, max_duration="45m")
    assert (missed.live, missed.since, missed.run_id) == (True, NOON - 15 * MINUTE, "r01-1100")


def test_nearing_the_duration_is_at_risk() -> None:
    assert judged(seen(run(NOON, "running")), NOON + 40 * MINUTE, max_duration="45m").state is SlaState.AT_RISK


def test_a_run_that_ended_late_stays_on_the_page_and_is_no_longer_alerted() -> None:
    ended = judged(seen(run(NOON, end_at=NOON + HOUR)), NOON + HOUR, max_duration="45m")
    assert (ended.state, ended.live) == (SlaState.MISSED, False)
    assert ended.reason == "the last run took 1h, 45m is allowed"


def test_a_run_that_nears_its_limit_does_not_make_the_late_one_before_it_good() -> None:
    late, next_run = run(NOON, end_at=NOON + HOUR), run(NOON + HOUR, "running")
    assert judged(seen(late, next_run), NOON + HOUR + 40 * MINUTE, max_duration="45m").state is SlaState.MISSED


def test_the_next_good_run_clears_it() -> None:
    runs = run(NOON - DAY, end_at=NOON), run(NOON)
    assert judged(seen(*runs), NOON + HOUR, max_duration="45m").state is SlaState.MET


def test_two_runs_that_take_too_long_are_two_misses() -> None:
    sla = Sla.model_validate({"name": "x", "deployment": "prod", "dags": ["*"], "max_duration": "5m"})
    runs = run(NOON - HOUR, "running"), run(NOON - 2 * HOUR, "running")
    assert {one.run_id for one in judge(sla, seen(*runs), NOON)} == {"r01-1100", "r01-1000"}


def test_a_run_that_waits_in_the_queue_starts_too_late() -> None:
    late = judged(seen(run(NOON, "queued")), NOON + 11 * MINUTE, max_start_delay="10m")
    assert (late.live, late.since) == (True, NOON + 10 * MINUTE)
    assert judged(seen(run(NOON, "queued")), NOON + 9 * MINUTE, max_start_delay="10m").state is SlaState.AT_RISK


def test_a_run_that_was_never_created_starts_too_late() -> None:
    late = judged(seen(YESTERDAY, due=NOON), NOON + 11 * MINUTE, max_start_delay="10m")
    assert late.live
    assert "was not created" in late.reason


def test_catching_up_and_backfills_are_not_late_starts() -> None:
    old = run(NOON - 60 * DAY, "queued"), run(NOON - DAY, "queued", run_type="backfill_job")
    assert judged(seen(*old), NOON, max_start_delay="10m").state is SlaState.MET


def test_the_newest_success_must_not_be_too_old() -> None:
    stale = judged(seen(YESTERDAY), NOON, freshness="26h")
    assert (stale.live, stale.since) == (True, SIX - DAY + 20 * MINUTE + 26 * HOUR)
    assert judged(seen(run(SIX)), NOON, freshness="26h").state is SlaState.MET


def test_a_dag_that_ran_and_never_succeeded_is_measured_from_its_first_run() -> None:
    failing = seen(run(NOON - 2 * DAY, "failed"), run(NOON - DAY, "failed"))
    assert judged(failing, NOON, freshness="26h").since == NOON - 2 * DAY + 26 * HOUR


def test_a_dag_that_never_ran_or_is_gone_has_no_freshness() -> None:
    assert judged(seen(), NOON, freshness="26h").state is SlaState.UNKNOWN
    assert judged(seen(run(NOON - 10 * DAY), listed=False), NOON, freshness="26h").state is SlaState.UNKNOWN


def test_a_paused_dag_breaks_no_promise() -> None:
    paused = seen(run(NOON - DAY, "running"), due=NOON - DAY, paused=True)
    promises: list[dict[str, str]] = [
        {"max_duration": "1m"},
        {"freshness": "1m"},
        {"max_start_delay": "1m"},
        {"deadline": "07:00"},
    ]
    for promise in promises:
        judgement = judged(paused, NOON, **promise)
        assert (judgement.state, judgement.live) == (SlaState.UNKNOWN, False)
