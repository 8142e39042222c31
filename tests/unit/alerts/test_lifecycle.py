"""An alert's life."""

from datetime import timedelta

from opsconsole.alerts.lifecycle import Outcome, judge
from opsconsole.model import Alert, AlertState, Finding, Labels, Verdict
from tests.support.clock import NOON

LABELS = Labels(alertname="A", severity="high")
HALF = timedelta(seconds=30)


def told(at: int, *findings: Finding, known: dict[Labels, Alert] | None = None) -> Outcome:
    return judge(known or {}, Verdict("s", NOON + timedelta(seconds=at), findings))


def after(outcome: Outcome) -> dict[Labels, Alert]:
    alerts = [change.alert for change in outcome.transitions if change.alert] + list(outcome.refreshed)
    return {alert.labels: alert for alert in alerts}


def test_a_finding_without_for_fires_at_once() -> None:
    (change,) = told(0, Finding(LABELS)).transitions
    assert (change.before, change.alert and change.alert.state) == (None, AlertState.FIRING)
    assert change.alert is not None
    assert change.alert.fired_at == NOON


def test_it_waits_as_pending_until_it_has_lasted() -> None:
    finding = Finding(LABELS, pending_for=HALF)
    pending = after(told(0, finding))
    assert pending[LABELS].state is AlertState.PENDING
    assert told(29, finding, known=pending).transitions == ()
    (change,) = told(30, finding, known=pending).transitions
    assert change.alert is not None
    assert (change.alert.state, change.alert.active_at) == (AlertState.FIRING, NOON)
    assert change.reason == "has lasted 30s"


def test_a_pending_alert_that_goes_away_never_was() -> None:
    pending = after(told(0, Finding(LABELS, pending_for=HALF)))
    (change,) = told(10, known=pending).transitions
    assert change.alert is None


def test_what_began_before_it_was_seen_need_not_wait_again() -> None:
    (change,) = told(0, Finding(LABELS, pending_for=HALF, since=NOON - HALF)).transitions
    assert change.alert is not None
    assert change.alert.state is AlertState.FIRING
    assert change.alert.active_at == NOON - HALF


def test_a_beginning_in_the_future_is_now() -> None:
    assert after(told(0, Finding(LABELS, since=NOON + HALF)))[LABELS].active_at == NOON


def test_an_alert_no_longer_found_resolves() -> None:
    (change,) = told(5, known=after(told(0, Finding(LABELS)))).transitions
    assert change.alert is not None
    assert change.alert.state is AlertState.RESOLVED
    assert change.alert.resolved_at == NOON + timedelta(seconds=5)


def test_keep_firing_for_holds_it_and_the_absence_is_dated_from_its_first_moment() -> None:
    firing = after(told(0, Finding(LABELS, keep_firing_for=HALF)))
    held = told(10, known=firing)
    assert held.transitions == ()
    assert told(39, known=after(held)).transitions == ()
    (change,) = told(40, known=after(held)).transitions
    assert change.alert is not None
    assert change.alert.resolved_at == NOON + timedelta(seconds=40)
    assert change.alert.absent_since == NOON + timedelta(seconds=10)


def test_coming_back_while_held_forgets_the_absence() -> None:
    finding = Finding(LABELS, keep_firing_for=HALF)
    held = after(told(10, known=after(told(0, finding))))
    back = told(20, finding, known=held)
    assert back.transitions == ()
    assert after(back)[LABELS].absent_since is None


def test_newer_values_and_texts_are_refreshed_without_a_transition() -> None:
    firing = after(told(0, Finding(LABELS, value=1.0)))
    outcome = told(1, Finding(LABELS, value=2.0, annotations={"summary": "x"}), known=firing)
    assert outcome.transitions == ()
    assert [(a.value, a.annotations) for a in outcome.refreshed] == [(2.0, {"summary": "x"})]
    assert told(1, Finding(LABELS, value=1.0), known=firing) == Outcome()


def test_a_finding_said_twice_counts_once() -> None:
    assert len(told(0, Finding(LABELS), Finding(LABELS)).transitions) == 1
