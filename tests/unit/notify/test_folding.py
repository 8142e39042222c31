"""What is sent next."""

from dataclasses import replace
from datetime import datetime, timedelta

from opsconsole.db.outbox import Owed, as_payload, from_payload
from opsconsole.model import Alert, AlertState, Labels, Notification, Occasion
from opsconsole.notify.folding import bundles, fold
from tests.support.clock import NOON

A = Alert(Labels(alertname="A"), "s", AlertState.FIRING, NOON, {"summary": "a"}, float("inf"), timedelta(seconds=5), NOON)
B = replace(A, labels=Labels(alertname="B"), value=None)
B_ENDED = replace(B, state=AlertState.RESOLVED, resolved_at=NOON)


def note(
    occasion: Occasion, firing: tuple[Alert, ...] = (A,), resolved: tuple[Alert, ...] = (), incident: int = 1
) -> Notification:
    return Notification("k", incident, "r", Labels(), occasion, NOON, NOON, None, firing, resolved, "{}:{}")


def owed(id_: int, notification: Notification, due: int = 0, attempts: int = 0, claimed: datetime | None = None) -> Owed:
    return Owed(id_, f"k{id_}", "slack", notification, attempts, NOON, NOON + timedelta(seconds=due), claimed)


def test_the_newest_speaks_for_all_and_waits_as_long_as_they() -> None:
    rows = [owed(1, note(Occasion.OPENED), due=60, attempts=4), owed(2, note(Occasion.CHANGED, (A, B)))]
    (bundle,) = bundles(rows, NOON)
    assert bundle.superseded == (1,)
    assert (bundle.owed.id, bundle.owed.attempts, bundle.owed.due_at) == (2, 4, NOON + timedelta(seconds=60))
    assert bundle.owed.notification.occasion is Occasion.OPENED


def test_incidents_do_not_wait_for_one_another() -> None:
    rows = [owed(1, note(Occasion.OPENED), claimed=NOON + timedelta(seconds=9)), owed(2, note(Occasion.OPENED, incident=2))]
    assert [bundle.owed.id for bundle in bundles(rows, NOON)] == [2]


def test_an_incident_with_a_row_under_way_waits_until_the_claim_ends() -> None:
    rows = [owed(1, note(Occasion.OPENED), claimed=NOON), owed(2, note(Occasion.RESOLVED, (), (A,)))]
    assert [bundle.owed.id for bundle in bundles(rows, NOON)] == [2]
    assert bundles(rows, NOON - timedelta(seconds=1)) == []


def test_an_end_that_only_the_older_told_is_not_lost() -> None:
    folded = fold(note(Occasion.CHANGED, (A,), (B_ENDED,)), note(Occasion.CHANGED, (A,)))
    assert folded.resolved == (B_ENDED,)
    assert fold(note(Occasion.CHANGED, (A,), (B_ENDED,)), note(Occasion.CHANGED, (A, B))).resolved == ()


def test_an_opening_never_sent_and_its_end_are_told_once_as_the_end() -> None:
    assert fold(note(Occasion.OPENED), note(Occasion.RESOLVED, (), (A,))).occasion is Occasion.RESOLVED


def test_a_repeat_tells_the_change_that_it_overtook() -> None:
    assert fold(note(Occasion.CHANGED), note(Occasion.REPEATED)).occasion is Occasion.CHANGED


def test_a_payload_comes_back_as_it_was() -> None:
    notification = replace(note(Occasion.RESOLVED, (A,), (B_ENDED,)), closed_at=NOON)
    assert from_payload(as_payload(notification)) == notification
