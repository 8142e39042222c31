"""When a failed delivery is tried again, and what an HTTP answer means."""

from datetime import timedelta

import httpx
import pytest

from opsconsole.model import DeliveryError
from opsconsole.notify.retry import after
from opsconsole.notify.sending import refused, retry_after
from tests.support.clock import NOON


def waits(failed: int, retry_after: float | None = None) -> float:
    decision = after(DeliveryError("x", retry_after=retry_after), failed, "k", NOON, NOON)
    assert decision.at is not None
    return (decision.at - NOON).total_seconds()


def test_delays_double_to_a_minute_and_no_two_keys_return_together() -> None:
    assert 0.75 <= waits(1) <= 1
    assert 3 <= waits(3) <= 4
    assert 45 <= waits(50) <= 60
    times = {after(DeliveryError("x"), 5, f"k{n}", NOON, NOON).at for n in range(20)}
    assert len(times) == 20


def test_what_the_far_end_asks_for_is_waited_in_full() -> None:
    assert waits(1, retry_after=90.0) == 90


def test_permanent_errors_and_a_day_of_failures_end_it_and_escalate() -> None:
    assert after(DeliveryError("x", permanent=True), 1, "k", NOON, NOON).at is None
    old = after(DeliveryError("x"), 99, "k", NOON - timedelta(hours=24), NOON)
    assert (old.at, old.escalate) == (None, True)


def test_the_fallback_is_told_from_the_third_failure_on_or_from_the_one_that_is_set() -> None:
    assert [after(DeliveryError("x"), n, "k", NOON, NOON).escalate for n in (1, 2, 3, 4)] == [False, False, True, True]
    assert [after(DeliveryError("x"), n, "k", NOON, NOON, escalate_after=1).escalate for n in (1, 2)] == [True, True]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        ("Sun, 01 Mar 2026 12:00:45 GMT", 45.0),
        ("-5", 0.0),
        ("99999", 3600.0),
        ("soon", None),
        ("nan", None),
        (None, None),
    ],
)
def test_retry_after_in_both_forms(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOON) == seconds


@pytest.mark.parametrize(
    ("status", "permanent"), [(301, True), (400, True), (404, True), (408, False), (429, False), (500, False), (503, False)]
)
def test_which_answers_pass(status: int, permanent: bool) -> None:
    assert refused(httpx.Response(status, text="no"), NOON).permanent is permanent
