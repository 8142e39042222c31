"""What may be a silence, and what an edit of one comes to."""

from dataclasses import replace
from datetime import timedelta

import pytest

from opsconsole.alerts.matchers import parse_matchers
from opsconsole.alerts.silence_rules import Edit, SilenceError, check, expire, set_silence
from opsconsole.model import Matcher, MatchOp, Silence, SilenceState
from tests.support.clock import NOON

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def silence(matchers: str = "a=b", begins: timedelta = -MINUTE, ends: timedelta = HOUR, silence_id: str = "old") -> Silence:
    """One that begins and ends so long after noon."""
    return Silence(silence_id, tuple(parse_matchers(matchers)), NOON + begins, NOON + ends, "me", "because", NOON - HOUR)


ACTIVE, PENDING, EXPIRED = silence(), silence(begins=MINUTE), silence(begins=-HOUR, ends=-MINUTE)


def test_a_silence_holds_from_its_start_until_before_its_end() -> None:
    assert ACTIVE.state(NOON - 2 * MINUTE) is SilenceState.PENDING
    assert ACTIVE.state(NOON - MINUTE) is SilenceState.ACTIVE
    assert ACTIVE.state(NOON + HOUR) is SilenceState.EXPIRED


def edited(before: Silence, wanted: Silence) -> Edit:
    return set_silence(before, wanted, "new", NOON)


def test_a_new_silence_begins_now_at_the_earliest() -> None:
    made = set_silence(None, silence(begins=-HOUR, silence_id=""), "new", NOON)
    assert made == Edit(replace(ACTIVE, id="new", starts_at=NOON, updated_at=NOON))
    assert set_silence(None, silence(begins=MINUTE, silence_id=""), "new", NOON).kept.starts_at == NOON + MINUTE


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        (ACTIVE, replace(ACTIVE, ends_at=NOON + MINUTE, comment="shorter")),
        (ACTIVE, replace(ACTIVE, ends_at=NOON + 9 * HOUR)),
        (ACTIVE, replace(ACTIVE, starts_at=ACTIVE.starts_at + timedelta(milliseconds=500))),
        (PENDING, replace(PENDING, starts_at=NOON + 2 * MINUTE)),
    ],
)
def test_an_edit_that_leaves_the_past_as_it_was_keeps_the_id(before: Silence, wanted: Silence) -> None:
    assert edited(before, wanted) == Edit(replace(wanted, updated_at=NOON))


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        (ACTIVE, replace(ACTIVE, matchers=tuple(parse_matchers("a=c")))),
        (ACTIVE, replace(ACTIVE, matchers=(*ACTIVE.matchers, Matcher("c", MatchOp.EQUAL, "d")))),
        (ACTIVE, replace(ACTIVE, starts_at=NOON - 2 * MINUTE)),
        (ACTIVE, replace(ACTIVE, ends_at=NOON - timedelta(seconds=1))),
        (PENDING, replace(PENDING, starts_at=NOON - MINUTE)),
    ],
)
def test_an_edit_that_would_change_the_past_ends_the_silence_and_makes_another(before: Silence, wanted: Silence) -> None:
    edit = edited(before, wanted)
    assert edit.kept == replace(wanted, id="new", starts_at=max(wanted.starts_at, NOON), updated_at=NOON)
    assert edit.expired == expire(before, NOON)


def test_an_edit_of_one_that_is_over_makes_another_and_leaves_it() -> None:
    edit = edited(EXPIRED, replace(EXPIRED, ends_at=NOON + HOUR))
    assert (edit.kept.id, edit.expired) == ("new", None)


def test_expiring_ends_what_holds_and_what_is_to_come_never_held() -> None:
    assert expire(ACTIVE, NOON) == replace(ACTIVE, ends_at=NOON, updated_at=NOON)
    assert expire(PENDING, NOON) == replace(PENDING, starts_at=NOON, ends_at=NOON, updated_at=NOON)
    assert expire(EXPIRED, NOON) is EXPIRED


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        (replace(ACTIVE, matchers=()), "silence invalid: at least one matcher required"),
        (silence('a=""'), "silence invalid: at least one matcher must not match the empty string"),
        (silence('a=~".*", b=""'), "silence invalid: at least one matcher must not match the empty string"),
        (
            replace(ACTIVE, matchers=(Matcher("a:b", MatchOp.EQUAL, "x"),)),
            'silence invalid: invalid label matcher 0: invalid label name "a:b"',
        ),
        (
            replace(ACTIVE, matchers=(*ACTIVE.matchers, Matcher("a", MatchOp.REGEX, "("))),
            'silence invalid: invalid label matcher 1: invalid regular expression "(": '
            "error parsing regexp: missing closing ): `(`",
        ),
        (replace(ACTIVE, ends_at=NOON - HOUR), "silence invalid: end time must not be before start time"),
    ],
)
def test_what_is_no_silence_is_refused_in_alertmanagers_words(wanted: Silence, complaint: str) -> None:
    with pytest.raises(SilenceError) as refused:
        check(wanted)
    assert str(refused.value) == complaint


@pytest.mark.parametrize("matchers", ['a!=""', 'a!="b"', 'a!~"b"', 'a=~".+"', 'a="",b="c"'])
def test_what_fits_something_is_a_silence(matchers: str) -> None:
    check(silence(matchers))
