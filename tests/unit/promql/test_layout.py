"""How an expression is laid out over lines."""

import pytest

from opsconsole.promql import parse, pretty, show
from opsconsole.promql.layout import pretty as laid_out
from tests.support.promql import normal

ROOMY = 100


def test_what_fits_on_a_line_stays_there() -> None:
    text = "sum by (job) (rate(" + "x" * (ROOMY - 25) + "[5m]))"
    assert len(text) == ROOMY
    assert pretty(parse(text)) == text


def test_a_byte_more_is_split_and_a_character_may_be_several() -> None:
    name = "x" * (ROOMY - 6)
    assert pretty(parse(f"floor({name})")) == f"floor(\n  {name}\n)"
    assert pretty(parse(f'label_join(x, "{"é" * 45}", "a")')).count("\n") == 4


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a_metric + on(job) group_left(team) b_metric", ["  a_metric", "+ on (job) group_left (team)", "  b_metric"]),
        ("a_metric > bool 2000", ["  a_metric", "> bool", "  2000"]),
        ("topk by (job) (3, a_metric)", ["topk by (job) (", "  3,", "  a_metric", ")"]),
        ("-(a_metric * 2000)", ["-(", "    a_metric", "  *", "    2000", ")"]),
        ("clamp(a_metric, 1, 2)", ["clamp(", "  a_metric,", "  1,", "  2", ")"]),
        ("rate(a_metric[5m] offset 1m)", ["rate(", "  a_metric[5m] offset 1m", ")"]),
        ("deriv(abs(a_metric)[5m:1m] @ 7)", ["deriv(", "  abs(", "    a_metric", "  )[5m:1m] @ 7.000", ")"]),
        ("deriv(m[5m:1m])", ["deriv(", "m[5m:1m]", ")"]),
        ("a_metric{job='b',env='c'}", ['a_metric{env="c",job="b"}']),
    ],
)
def test_what_does_not_fit_is_split_where_prometheus_splits_it(text: str, lines: list[str]) -> None:
    assert laid_out(parse(text), width=10).split("\n") == lines
    assert normal(parse("\n".join(lines))) == normal(parse(text))


def test_a_long_chain_in_deep_parentheses_is_laid_out_without_being_written_again_at_every_level() -> None:
    text = "0"
    for _ in range(10):
        text = f"({text}{' + 1' * 30})"
    told = pretty(parse(text))
    assert told.count("\n") > 500
    assert show(parse(told)) == show(parse(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('x{b=~".*",a!="1"}', 'x{a!="1",b=~".*"}'),
        ("a * ignoring () group_left b", "a * b"),
        ("a * on () group_left b", "a * on () group_left () b"),
    ],
)
def test_prometheus_2_prints_a_regex_as_written_and_ignoring_nothing_not_at_all(text: str, shown: str) -> None:
    assert show(parse(text, 2)) == shown
