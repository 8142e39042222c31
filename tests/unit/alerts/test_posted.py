"""Alerts that others post: what is taken, filled in, and merged."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from opsconsole.alerts.posted import Invalid, Post, alert_of, expired, judge_posts, merged, prolonged
from opsconsole.model import Alert, AlertState, Labels, Transition
from tests.support.clock import NOON

MINUTE = timedelta(minutes=1)
TIMEOUT = 5 * MINUTE


def at(minutes: float | None) -> datetime | None:
    return None if minutes is None else NOON + minutes * MINUTE


def posted(starts: float | None = None, ends: float | None = None, now: float = 0, **labels: str) -> Alert:
    """An alert posted so many minutes after noon, with times in minutes after noon."""
    post = Post(labels or {"alertname": "A"}, {}, at(starts), at(ends))
    return alert_of(post, NOON + now * MINUTE, TIMEOUT)


def span(alert: Alert) -> tuple[float, float]:
    assert alert.ends_at is not None
    return (alert.active_at - NOON) / MINUTE, (alert.ends_at - NOON) / MINUTE


@pytest.mark.parametrize(
    ("starts", "ends", "expected", "times_out"),
    [
        (None, None, (0, 5), True),
        (-2, None, (-2, 5), True),
        (None, 3, (3, 3), False),
        (-2, 3, (-2, 3), False),
        (2, 9, (2, 9), False),
    ],
)
def test_what_the_sender_left_out_is_filled_in(
    starts: float | None, ends: float | None, expected: tuple[float, float], times_out: bool
) -> None:
    alert = posted(starts, ends)
    assert (span(alert), alert.times_out, alert.state) == (expected, times_out, AlertState.FIRING)


def test_an_alert_whose_end_is_not_to_come_has_resolved_then() -> None:
    alert = posted(-2, -1)
    assert (alert.state, alert.resolved_at) == (AlertState.RESOLVED, NOON - MINUTE)
    assert posted(-2, 0).state is AlertState.RESOLVED


def test_labels_without_a_value_are_none() -> None:
    alert = posted(alertname="A", empty="")
    assert (alert.labels, alert.fingerprint) == (Labels(alertname="A"), Labels(alertname="A").fingerprint())


@pytest.mark.parametrize(
    ("post", "complaint"),
    [
        (Post({}), "at least one label pair required"),
        (Post({"a": ""}), "at least one label pair required"),
        (Post({"a-b": "c"}), 'invalid label set: invalid name "a-b"'),
        (Post({"a": "b"}, {"é": "c"}), 'invalid annotations: invalid name "é"'),
        (Post({"a-b": "c"}, {}, at(1), at(0)), "start time must be before end time"),
    ],
)
def test_what_is_no_alert_is_refused_in_alertmanagers_words(post: Post, complaint: str) -> None:
    with pytest.raises(Invalid) as refused:
        alert_of(post, NOON, TIMEOUT)
    assert str(refused.value) == complaint


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # Sent again as it was, later: its end moves on.
        (posted(-9, 1), posted(-9, 4), (-9, 4)),
        # Without a start it goes on from its first one, and the time until it is forgotten begins anew.
        (posted(None, None, now=-2), posted(None, None), (-2, 5)),
        # An end set on purpose stays if it is the later one; one that was filled in gives way.
        (posted(-9, 60), posted(-3, 2), (-9, 60)),
        (posted(-9, None, now=-1), posted(-3, 2), (-9, 2)),
        # The sender says that it is over.
        (posted(-9, 5), posted(-9, -1), (-9, -1)),
        (posted(-9, 5), posted(-5, 0), (-9, 0)),
        # Of two ends that have been the later one holds.
        (posted(-9, -2), posted(-9, -3), (-9, -2)),
        # No overlap: another matter.
        (posted(-9, -5), posted(-4, 5), (-4, 5)),
        (posted(-9, 5), posted(-20, 9), (-20, 9)),
    ],
)
def test_an_alert_posted_again_is_merged_with_what_was_known(before: Alert, after: Alert, expected: tuple[float, float]) -> None:
    assert span(merged(before, after, NOON)) == expected


def test_merging_takes_the_new_texts_and_the_state_that_comes_of_it() -> None:
    after = replace(posted(-9, -1), annotations={"summary": "new"}, generator_url="http://new")
    result = merged(posted(-9, 5), after, NOON)
    assert (result.state, result.resolved_at) == (AlertState.RESOLVED, NOON - MINUTE)
    assert (result.annotations, result.generator_url) == ({"summary": "new"}, "http://new")
    revived = merged(posted(-9, 60), posted(-8, -1), NOON)
    assert (revived.state, revived.resolved_at) == (AlertState.RESOLVED, NOON - MINUTE)


def outcome(*posts: Alert, known: tuple[Alert, ...] = (), ended: tuple[Alert, ...] = ()) -> dict[str, Any]:
    """What posts change, by alertname: (before, after) of a transition, or the times of one that stays."""
    standing, over = ({alert.labels: alert for alert in alerts} for alerts in (known, ended))
    result = judge_posts(posts, standing.get, over.get, NOON)
    changes: dict[str, Any] = {}
    for change in result.transitions:
        assert change.alert
        changes[change.alert.labels["alertname"]] = (change.before, change.alert.state)
    return changes | {alert.labels["alertname"]: span(alert) for alert in result.refreshed}


FIRING, RESOLVED = AlertState.FIRING, AlertState.RESOLVED


def test_posts_begin_go_on_and_end() -> None:
    known = (posted(-9, 5, alertname="On"), posted(-9, 5, alertname="Off"))
    assert outcome(posted(alertname="New"), posted(-9, 8, alertname="On"), posted(-9, -1, alertname="Off"), known=known) == {
        "New": (None, FIRING),
        "On": (-9, 8),
        "Off": (FIRING, RESOLVED),
    }


def test_posts_of_one_request_follow_each_other() -> None:
    assert outcome(posted(-2, 5), posted(-2, -1)) == {"A": (None, RESOLVED)}
    assert outcome(posted(-2, -1), posted(-1, 5), known=(posted(-9, 5),)) == {"A": (-1, 5)}


def test_what_has_ended_is_no_news_when_it_is_said_again_and_may_begin_anew() -> None:
    assert outcome(posted(-9, -1), ended=(posted(-9, -2),)) == {}
    assert outcome(posted(None, None), ended=(posted(-9, -2),)) == {"A": (None, FIRING)}
    assert outcome(posted(-9, -1)) == {"A": (None, RESOLVED)}


def test_a_new_post_within_the_time_of_one_that_ended_continues_it() -> None:
    result = judge_posts([posted(-5, 5)], lambda labels: None, lambda labels: posted(-9, -2), NOON)
    (change,) = result.transitions
    assert change.alert is not None
    assert span(change.alert) == (-9, 5)


def test_labels_that_another_source_has_open_stay_its_own() -> None:
    own = Alert(Labels(alertname="A"), "rules/x", FIRING, NOON)
    assert outcome(posted(), known=(own,)) == {}


def test_an_alert_that_nobody_posts_again_ends_when_it_said_it_would() -> None:
    ends: list[Transition] = expired([posted(-9, 3, alertname="On"), replace(posted(-9, 5, alertname="Off"), ends_at=NOON)], NOON)
    (over,) = ends
    assert over.alert is not None
    assert (over.alert.labels["alertname"], over.alert.state, over.alert.resolved_at) == ("Off", RESOLVED, NOON)


def test_an_end_that_came_while_nobody_could_post_is_put_off() -> None:
    late = replace(posted(-9, 5), ends_at=NOON - MINUTE)
    assert span(prolonged(late, NOON, TIMEOUT)) == (-9, 5)
    assert prolonged(posted(-9, 1), NOON, TIMEOUT) == posted(-9, 1)
    own = Alert(Labels(alertname="A"), "rules/x", FIRING, NOON)
    assert prolonged(own, NOON, TIMEOUT) is own
