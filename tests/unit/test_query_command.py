"""What `opsconsole query` makes of its options and of a mistake."""

from datetime import timedelta

import pytest

from opsconsole.cli.query import Span, asked, explained
from opsconsole.model import QueryError
from tests.support.clock import NOON

HOUR = timedelta(hours=1)


def test_without_options_it_asks_for_now() -> None:
    assert asked(NOON, None, None, None, None) == NOON
    assert asked(NOON, "now-1h", None, None, None) == NOON - HOUR


def test_a_start_asks_for_a_range_until_now_in_round_steps() -> None:
    assert asked(NOON, None, "now-1h", None, None) == Span(NOON - HOUR, NOON, timedelta(seconds=15))
    assert asked(NOON, None, "now-2h", "now-1h", "1m") == Span(NOON - 2 * HOUR, NOON - HOUR, timedelta(minutes=1))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((None, None, "now", None), "--end and --step go with --start"),
        ((None, None, None, "15s"), "--end and --step go with --start"),
        (("now", "now-1h", None, None), "not both"),
        ((None, "now", "now-1h", None), "--end is before --start"),
        ((None, "now-1h", None, "0"), "is not a step"),
    ],
)
def test_options_that_contradict_each_other_are_told(options: tuple[str | None, ...], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        asked(NOON, *options)  # type: ignore[arg-type]


def test_a_mistake_is_underlined_in_its_own_line() -> None:
    assert explained(QueryError("bad", position=6), "up +\n rate(up)") == "bad\n   rate(up)\n   ^"
    assert explained(QueryError("bad", position=99), "up") == "bad\n  up\n    ^"
    assert explained(QueryError("no place"), "up") == "no place"
