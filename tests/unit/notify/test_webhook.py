"""The webhook's document."""

from dataclasses import replace
from datetime import timedelta

from opsconsole.clock import SystemClock
from opsconsole.model import AlertState, Labels
from opsconsole.notify.testing import sample
from opsconsole.notify.webhook import payload
from tests.support.clock import NOON

ONE = sample("hook", SystemClock())
ALERT = replace(ONE.firing[0], active_at=NOON, fired_at=NOON)


def labelled(**labels: str) -> Labels:
    return Labels(alertname="A", **labels)


def test_alerts_are_in_alertmanagers_order_and_those_beyond_the_most_are_only_counted() -> None:
    sets = [
        labelled(z="1"),
        labelled(a="2", b="1"),
        labelled(a="1"),
        labelled(job="j", instance="b"),
        labelled(job="j", instance="a"),
    ]
    note = replace(ONE, firing=tuple(replace(ALERT, labels=one) for one in sets), resolved=())
    shown = payload(note, "http://console.test")["alerts"]
    assert [one["labels"] for one in shown] == [dict(sets[n]) for n in (4, 3, 0, 2, 1)]
    cut = payload(note, "http://console.test", most=2)
    assert (cut["truncatedAlerts"], cut["commonLabels"]) == (3, {"alertname": "A", "job": "j"})


def test_times_are_as_go_writes_them() -> None:
    times = [NOON, NOON + timedelta(milliseconds=120), NOON + timedelta(microseconds=1), NOON + timedelta(seconds=10)]
    note = replace(ONE, firing=tuple(replace(ALERT, labels=labelled(n=str(n)), fired_at=at) for n, at in enumerate(times)))
    shown = [one["startsAt"].removeprefix("2026-03-01T12:00:") for one in payload(note, "x")["alerts"]]
    assert shown == ["00Z", "00.12Z", "00.000001Z", "10Z"]
    assert payload(note, "x")["alerts"][0]["endsAt"] == "0001-01-01T00:00:00Z"


def test_the_state_is_that_of_the_alerts_that_are_in_it() -> None:
    over = replace(ALERT, labels=labelled(a="1"), state=AlertState.RESOLVED, resolved_at=NOON)
    note = replace(ONE, firing=(replace(ALERT, labels=labelled(b="1")),), resolved=(over,))
    # Of two names, Alertmanager puts first the set that lacks the smaller one: {b} has no `a`.
    assert [one["status"] for one in payload(note, "x")["alerts"]] == ["firing", "resolved"]
    assert payload(note, "x", most=1)["status"] == "firing"
