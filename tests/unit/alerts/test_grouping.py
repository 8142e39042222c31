"""When a group is told."""

from datetime import datetime, timedelta

import pytest

from opsconsole.alerts.grouping import Timers, Told, first_look, needs, next_look
from opsconsole.model import Alert, AlertState, Labels, Occasion
from tests.support.clock import NOON

HOUR = timedelta(hours=1)
A, B = "a", "b"


def decided(told: Told, firing: str = "", resolved: str = "", now: datetime = NOON, send_resolved: bool = True) -> str | None:
    decision = needs(told, frozenset(firing), frozenset(resolved), now, HOUR, send_resolved)
    return decision.occasion.value if decision else None


def before(firing: str = "", resolved: str = "", ago: timedelta = timedelta(minutes=5)) -> Told:
    return Told(NOON - ago, frozenset(firing), frozenset(resolved), 1)


@pytest.mark.parametrize(
    ("told", "firing", "resolved", "expected"),
    [
        (Told(), A, "", Occasion.OPENED),
        (Told(), "", A, None),
        (before(A), A, "", None),
        (before(A), A + B, "", Occasion.CHANGED),
        (before(A + B), A, "", None),
        (before(A + B), A, B, Occasion.CHANGED),
        (before(A, B), A, B, None),
        (before(A), "", A, Occasion.RESOLVED),
        (before("", A), "", B, None),
        (before("", A), A, "", Occasion.OPENED),
        (before(A, ago=timedelta(minutes=61)), A, "", Occasion.REPEATED),
        (before(A, ago=HOUR), A, "", None),
    ],
)
def test_needs(told: Told, firing: str, resolved: str, expected: Occasion | None) -> None:
    assert decided(told, firing, resolved) == expected


def test_who_wants_no_good_news_is_told_only_that_all_is_over() -> None:
    assert decided(before(A + B), A, B, send_resolved=False) is None
    assert decided(before(A), "", A, send_resolved=False) == Occasion.RESOLVED


def alert(state: AlertState, resolved_at: datetime | None = None) -> Alert:
    return Alert(Labels(alertname="A"), "s", state, NOON, resolved_at=resolved_at)


def test_an_alert_older_than_group_wait_goes_at_once() -> None:
    timers = Timers(timedelta(seconds=5), HOUR, HOUR)
    assert first_look(timers, NOON - timedelta(minutes=1)) < NOON


def test_good_news_waits_for_resolve_wait_only_when_nothing_fires() -> None:
    timers = Timers(timedelta(seconds=5), HOUR, HOUR, timedelta(seconds=5))
    gone = alert(AlertState.RESOLVED, NOON)
    assert next_look(timers, before(A), NOON + HOUR, [gone]) == NOON + timedelta(seconds=5)
    assert next_look(timers, before(A), NOON + HOUR, [gone, alert(AlertState.FIRING)]) == NOON + HOUR
    assert next_look(timers, Told(), NOON + HOUR, [gone]) == NOON + HOUR
    assert next_look(Timers(HOUR, HOUR, HOUR), before(A), NOON + HOUR, [gone]) == NOON + HOUR
