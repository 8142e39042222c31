from datetime import UTC, datetime, timedelta

from opsconsole.db.checks import Away, Ping
from opsconsole.heartbeats.state import Reason, State, answered, condition
from tests.support.clock import NOON
from tests.unit.heartbeats.builders import MINUTE, check, pinged

ONE, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def test_a_check_that_was_never_pinged_is_new_until_period_and_grace_are_over() -> None:
    assert condition(check(), NOON + 6 * MINUTE).state is State.NEW


def test_a_check_that_never_comes_up_goes_down_too() -> None:
    how = condition(check(), NOON + 60 * MINUTE)
    assert (how.state, how.since, how.reason) == (State.DOWN, NOON + 7 * MINUTE, Reason.SILENT)


def test_a_pinged_check_is_up_then_in_grace_then_down_from_its_deadline() -> None:
    beating = pinged(check(), "success", NOON + 10 * MINUTE)
    assert condition(beating, NOON + 14 * MINUTE).state is State.UP
    late = condition(beating, NOON + 15 * MINUTE)
    assert (late.state, late.since) == (State.GRACE, NOON + 15 * MINUTE)
    down = condition(beating, NOON + 40 * MINUTE)
    assert (down.state, down.since) == (State.DOWN, NOON + 17 * MINUTE)


def test_a_fail_is_down_at_once_and_a_success_up_again() -> None:
    failed = pinged(pinged(check(), "success", NOON), "fail", NOON + MINUTE)
    how = condition(failed, NOON + MINUTE)
    assert (how.state, how.since, how.reason) == (State.DOWN, NOON + MINUTE, Reason.FAILED)
    assert condition(pinged(failed, "success", NOON + 2 * MINUTE), NOON + 3 * MINUTE).state is State.UP


def test_a_second_fail_does_not_move_the_time_it_failed() -> None:
    failed = pinged(pinged(check(), "fail", NOON + MINUTE), "fail", NOON + 9 * MINUTE)
    assert condition(failed, NOON + 10 * MINUTE).since == NOON + MINUTE


def test_a_start_arms_a_deadline_of_grace() -> None:
    running = pinged(pinged(check(), "success", NOON), "start", NOON + MINUTE)
    assert condition(running, NOON + 2 * MINUTE).started
    how = condition(running, NOON + 4 * MINUTE)
    assert (how.state, how.since, how.reason) == (State.DOWN, NOON + 3 * MINUTE, Reason.OVERRAN)


def test_a_later_start_does_not_hide_a_missed_deadline() -> None:
    down_and_running = pinged(pinged(check(), "success", NOON), "start", NOON + 30 * MINUTE)
    how = condition(down_and_running, NOON + 30 * MINUTE)
    assert (how.state, how.since, how.started) == (State.DOWN, NOON + 7 * MINUTE, True)
    assert condition(pinged(down_and_running, "success", NOON + 31 * MINUTE), NOON + 31 * MINUTE).state is State.UP


def test_a_log_changes_no_state_but_is_numbered() -> None:
    beating = pinged(check(), "success", NOON)
    logged = pinged(beating, "log", NOON + 4 * MINUTE)
    assert condition(logged, NOON + 8 * MINUTE) == condition(beating, NOON + 8 * MINUTE)
    assert logged.pings == 2


def test_a_success_ends_only_its_own_run_or_without_an_id_any() -> None:
    running = pinged(check(), "start", NOON, ONE)
    assert pinged(running, "success", NOON + MINUTE, OTHER).last_start_at == NOON
    assert pinged(running, "success", NOON + MINUTE, ONE).last_start_at is None
    assert pinged(running, "success", NOON + MINUTE).last_start_at is None
    assert pinged(running, "fail", NOON + MINUTE, OTHER).last_start_at is None


def test_a_duration_pairs_a_start_and_an_end_of_the_same_run() -> None:
    running = pinged(check(), "start", NOON, ONE)
    paired, ping = answered(running, Ping(at=NOON + MINUTE, kind="success", method="GET", rid=ONE))
    assert (paired.last_duration, ping.duration, ping.number) == (MINUTE, MINUTE, 2)
    assert answered(running, Ping(at=NOON + MINUTE, kind="success", method="GET"))[1].duration is None
    assert answered(running, Ping(at=NOON + timedelta(hours=73), kind="success", method="GET", rid=ONE))[1].duration is None


def test_a_paused_check_is_silent_until_a_ping_wakes_it() -> None:
    paused = check(paused=True)
    assert condition(paused, NOON + 90 * MINUTE).state is State.PAUSED
    assert condition(pinged(paused, "success", NOON + 90 * MINUTE), NOON + 91 * MINUTE).state is State.UP


def test_a_schedule_keeps_local_time_through_a_clock_change() -> None:
    nightly = check(period=None, schedule="0 5 * * *", timezone="Europe/Paris", grace=30 * MINUTE)
    before_spring = pinged(nightly, "success", datetime(2026, 3, 28, 4, 5, tzinfo=UTC))
    how = condition(before_spring, datetime(2026, 3, 29, 3, 31, tzinfo=UTC))
    assert (how.due, how.state) == (datetime(2026, 3, 29, 3, 0, tzinfo=UTC), State.DOWN)
    before_autumn = pinged(nightly, "success", datetime(2026, 10, 24, 3, 5, tzinfo=UTC))
    assert condition(before_autumn, datetime(2026, 10, 25, 3, 31, tzinfo=UTC)).due == datetime(2026, 10, 25, 4, 0, tzinfo=UTC)


def test_silence_while_the_console_was_away_waits_one_grace_after_its_return() -> None:
    beating = pinged(check(), "success", NOON)
    away = Away(NOON + 3 * MINUTE, NOON + 20 * MINUTE)
    assert condition(beating, NOON + 21 * MINUTE, away).state is not State.DOWN
    how = condition(beating, NOON + 22 * MINUTE, away)
    assert (how.state, how.since) == (State.DOWN, NOON + 22 * MINUTE)


def test_what_was_down_before_the_console_went_away_stays_down() -> None:
    beating = pinged(check(), "success", NOON)
    how = condition(beating, NOON + 20 * MINUTE, Away(NOON + 8 * MINUTE, NOON + 20 * MINUTE))
    assert (how.state, how.since) == (State.DOWN, NOON + 7 * MINUTE)
