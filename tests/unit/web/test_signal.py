import pytest

from opsconsole.web.signal import Signal, signals


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        ("a > 20", Signal("a", 20.0)),
        ("time() - a{b='c'} >= 30", Signal("time() - a{b='c'}", 30.0)),
        ("(sum by (x) (a) / b) < 0.5", Signal("(sum by (x) (a) / b)", 0.5, True)),
        ("a == 0", Signal("a")),
        ("a > bool 3", Signal("a", 3.0)),
        ("a > 1 and b > 2", Signal("a", 1.0)),
        ("absent(a)", Signal("absent(a)")),
    ],
)
def test_the_measured_side_and_the_limit_are_taken_out_of_a_rule(rule: str, first: Signal) -> None:
    assert signals(rule)[0] == first


def test_every_arm_of_an_or_is_a_candidate_and_the_whole_rule_the_last() -> None:
    rule = "a == 0 or (\n  b > 20\n)"
    assert [signal.expr for signal in signals(rule)] == ["a", "b", rule]


def test_a_rule_on_a_recorded_series_watches_what_that_is_made_of() -> None:
    recorded = {"level:broken:down": "a > 20 or level:broken:down and b == 1"}
    assert signals(" level:broken:down\n", recorded)[0] == Signal("a", 20.0)


def test_a_rule_that_cannot_be_parsed_has_no_signal() -> None:
    assert signals("a >") == []
