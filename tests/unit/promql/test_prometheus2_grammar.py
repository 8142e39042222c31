"""The complaints of Prometheus 2.42, to the letter; each was read off the original."""

import pytest

from opsconsole.model import Labels, QueryError
from opsconsole.model.matching import fits
from opsconsole.promql.nodes import Selector
from opsconsole.promql.parser import parse
from opsconsole.promql.printer import show
from tests.support.complaints import COMPLAINTS


@pytest.mark.parametrize(("text", "complaint"), COMPLAINTS)
def test_a_mistake_is_told_as_prometheus_2_tells_it(text: str, complaint: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text, 2)
    assert (str(caught.value), caught.value.kind) == (complaint, "bad_data")


@pytest.mark.parametrize(
    "text",
    [
        "-2 ^ 2 * 3",
        "a and b or c unless d",
        'sum by (job,) (rate(a{b=~"c|d"}[5m] offset 1m)) / on (job) group_left (x) d',
        "topk(2, a) without (b)",
        "(a)[10m:1m] @ end() offset -1m",
        "offset + by + start",
        "017 + 0x1F + 1e3 + .5 + Inf",
        "label_replace(a, 'b', \"$1\", `c`, '(.*)')",
        "a @ 1.5 offset 1w",
        "quantile_over_time(0.5, a[5m])",
    ],
)
def test_both_grammars_read_the_same_tree(text: str) -> None:
    assert parse(text, 2) == parse(text, 3)


def test_the_first_mistake_on_the_way_is_told() -> None:
    """An unknown function before the character that nothing begins with, but the character before the empty sum."""
    with pytest.raises(QueryError, match="unknown function"):
        parse("nothing(a)$", 2)
    with pytest.raises(QueryError, match="unexpected character"):
        parse("sum()$", 2)


def test_the_dot_of_a_pattern_does_not_match_a_newline() -> None:
    selector = parse('a{b=~".*"}', 2)
    assert isinstance(selector, Selector)
    assert fits(Labels({"__name__": "a", "b": "one line"}), selector.matchers)
    assert not fits(Labels({"__name__": "a", "b": "two\nlines"}), selector.matchers)


@pytest.mark.parametrize(("regex", "part"), [("(?<n>a)", "invalid or unsupported Perl syntax: `(?<`"), ("a\\\\C", "`\\C`")])
def test_a_regex_that_only_later_or_other_engines_read_is_refused(regex: str, part: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(f'x{{a=~"{regex}"}}', 2)
    assert part in str(caught.value)


def test_a_pinned_time_beyond_64_bits_is_the_least_there_is() -> None:
    assert show(parse("x @ 1e18", 2)) == "x @ -9223372036854776.000"
