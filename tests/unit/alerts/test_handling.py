"""What people may do about an incident, once and no more."""

from datetime import datetime, timedelta

import pytest

from opsconsole.alerts import handling
from opsconsole.alerts.handling import HandlingError
from opsconsole.model import NOBODY, Handling, Happening, IncidentEvent
from tests.support.clock import NOON

HOUR = timedelta(hours=1)
ANNAS = Handling(NOON, "anna")


def test_the_first_to_acknowledge_has_it() -> None:
    step = handling.acknowledge(NOBODY, "anna", NOON, "slack")
    assert step is not None
    assert (step.after, step.news) == (ANNAS, "Acknowledged by anna.")
    assert step.event == IncidentEvent(NOON, Happening.ACKNOWLEDGED, "anna", "", "slack")
    assert handling.acknowledge(step.after, "ben", NOON + HOUR) is None


def test_an_acknowledgement_is_taken_back_once() -> None:
    step = handling.unacknowledge(ANNAS, "ben", NOON)
    assert step is not None
    assert step.after == NOBODY
    assert handling.unacknowledge(step.after, "ben", NOON) is None


def test_it_can_be_given_to_somebody_and_to_nobody() -> None:
    step = handling.assign(ANNAS, "  ben\n", "anna", NOON)
    assert step is not None
    assert (step.after.assignee, step.after.acknowledged_by) == ("ben", "anna")
    assert handling.assign(step.after, "ben", "anna", NOON) is None
    back = handling.assign(step.after, "", "anna", NOON)
    assert back is not None
    assert back.after == ANNAS


def test_a_note_sent_twice_is_one_and_said_again_later_is_another() -> None:
    first = handling.note(NOBODY, "restarting it", "anna", NOON, None)
    assert first is not None
    again = NOON + handling.TWICE
    assert handling.note(NOBODY, "restarting it ", "anna", again, first.event) is None
    assert handling.note(NOBODY, "restarting it", "anna", again + timedelta(seconds=1), first.event) is not None
    assert handling.note(NOBODY, "restarting it", "ben", again, first.event) is not None


def test_an_empty_note_is_refused_and_unfit_text_is_mended() -> None:
    with pytest.raises(HandlingError):
        handling.note(NOBODY, " \n", "anna", NOON, None)
    step = handling.note(NOBODY, "a\0b", "anna", NOON, None)
    assert step is not None
    assert step.event.text == "a�b"


@pytest.mark.parametrize("until", [NOON, NOON - HOUR, NOON + handling.LONGEST_SNOOZE + timedelta(seconds=1)])
def test_a_snooze_ends_in_the_future_and_not_too_far_away(until: datetime) -> None:
    with pytest.raises(HandlingError):
        handling.snooze(NOBODY, until, "anna", NOON)


def test_a_snooze_can_be_moved_and_ended_while_it_lasts() -> None:
    step = handling.snooze(ANNAS, NOON + HOUR, "anna", NOON)
    assert step is not None
    assert handling.snooze(step.after, NOON + HOUR, "ben", NOON) is None
    assert handling.snooze(step.after, NOON + 2 * HOUR, "ben", NOON) is not None
    assert handling.unsnooze(step.after, "anna", NOON + HOUR) is None
    ended = handling.unsnooze(step.after, "anna", NOON)
    assert ended is not None
    assert ended.after == ANNAS
