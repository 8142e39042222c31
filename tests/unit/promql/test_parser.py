"""What the parser understands, and where it says a mistake is."""

import pytest

from opsconsole.model import Matcher, MatchOp, QueryError
from opsconsole.promql import matchers_of, metric_names, parse, show
from opsconsole.promql.nodes import Binary, Number, Unary
from tests.support.promql import normal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1 + 2 * 3 ^ 4", "1 + 2 * 3 ^ 4"),
        ("SUM(rate(x{a=~'b.*'}[1h30m] OFFSET 5m)) BY(a,b,)", 'sum by (a, b) (rate(x{a=~"b.*"}[1h30m] offset 5m))'),
        ("a*on(x)group_left(y)b", "a * on (x) group_left (y) b"),
        ("a and ignoring(x) b unless c", "a and ignoring (x) b unless c"),
        ("a>bool b", "a > bool b"),
        ("x[5m:] offset -1m @ end()", "x[5m:] @ end() offset -1m"),
        ("x[5m:30s] @ 1.5", "x[5m:30s] @ 1.500"),
        ('{__name__="b", __name__="a"}', '{__name__="a",__name__="b"}'),
        ('{__name__="a"}', '{__name__="a"}'),
        ('{__name__="", a="x"}', '{__name__="",a="x"}'),
        ('x{c!="3", a=~"1", b!~"2"}', 'x{a=~"1",b!~"2",c!="3"}'),
        ("topk by (job) (3, x)", "topk by (job) (3, x)"),
        ("sum without () (x)", "sum without () (x)"),
        ('{"a metric", "a label"="b"}', '{"a label"="b",__name__="a metric"}'),
        ("rate(x[300])", "rate(x[5m])"),
        ("x[36h] offset 400d", "x[1d12h] offset 400d"),
        ("5m + 0x1f + 017 + 1_000", "5m + 31 + 15 + 1000"),
        ("1h30m - -90s", "1h30m - -1m30s"),
        ("1001ms", "1s1ms"),
        ("1e21", "1000000000000000000000"),
        ("x offset (5m)", "x offset (5m)"),
        ("x offset +(5)", "x offset (5)"),
        ("x[90s - +min_of(step(), 10s)]", "x[1m30s - min_of(step(), 10s)]"),
        ("x offset 1m smoothed @ 5", "x @ 5.000 smoothed offset 1m"),
        ("x[5m] @ 5 smoothed", "x[5m] smoothed @ 5.000"),
        ("a + on (b) group_left fill(-23) c", "a + on (b) group_left () fill (-23) c"),
        ("a + fill_right(2) fill_left(1) c", "a + fill_left (1) fill_right (2) c"),
        ("x{a='\v\u00ad\U000e0001'}", 'x{a="\\v\\u00ad\\U000e0001"}'),
        ("-x ^ 2", "-x ^ 2"),
        ("job:rate:sum{} # the rest is a comment", "job:rate:sum"),
        ("sum + count", "sum + count"),
        ("label_replace(x, 'a', `\\d`, \"b\\n\", '\\x41\\u00e9')", 'label_replace(x, "a", "\\\\d", "b\\n", "Aé")'),
    ],
)
def test_an_expression_prints_in_one_form_and_reads_back_as_itself(text: str, shown: str) -> None:
    assert show(parse(text)) == shown
    assert normal(parse(shown)) == normal(parse(text))


def test_power_binds_tighter_than_a_sign_and_to_the_right() -> None:
    tree = parse("-2 ^ 3 ^ 2")
    assert isinstance(tree, Unary)
    assert isinstance(tree.expr, Binary)
    assert tree.expr.left == Number(2)
    assert show(tree.expr.right) == "3 ^ 2"


@pytest.mark.parametrize(
    ("text", "position", "complaint"),
    [
        ("SUM BY(a,b)(rate(x[1h30m])OFFSET 5m)", 12, "offset modifier must be preceded by"),
        ("", 0, "no expression found in input"),
        ("1 +", 3, "unexpected end of input"),
        ("(1", 2, "unclosed left parenthesis"),
        ("1)", 2, "unexpected right parenthesis"),
        ("foo{a='b'", 9, "unexpected end of input inside braces"),
        ("foo{a=~'('}", 4, "error parsing regexp: missing closing \\): `\\(`"),
        ("foo{a=~'a)|(b'}", 4, "error parsing regexp: unexpected \\): `a"),
        ("sum(\n  foo bar)", 11, '2:7: parse error: unexpected identifier "bar"'),
        ("rate(foo)", 5, 'expected type range vector in call to function "rate", got instant vector'),
        ("rate(foo[5m], 1)", 0, r'expected 1 argument\(s\) in call to "rate", got 2'),
        ("nope(foo)", 0, 'unknown function with name "nope"'),
        ("'abc", 0, "unterminated quoted string"),
        ("foo[0s]", 4, "duration must be greater than 0"),
        ("foo[5q]", 4, 'bad number or duration syntax: "5"'),
        ("up offset 9e10", 10, "duration out of range"),
        ("up offset 1e999", 10, "error parsing number: .*value out of range"),
        ("up[1e999]", 3, "error parsing number: .*value out of range"),
        ("up @ 1e999", 5, "error parsing number: .*value out of range"),
        ("up @ 1e20", 0, "timestamp out of bounds for @ modifier: 100000000000000000000.000000"),
        ("{}", 0, "at least one non-empty matcher"),
        ('{a=~".*"}', 0, "at least one non-empty matcher"),
        ("1 == 1", 2, "comparisons between scalars must use BOOL modifier"),
        ("a + bool b", 2, "bool modifier can only be used on comparison operators"),
        ("a and on(x) group_left b", 2, "no grouping allowed"),
        ("a + on(x) group_left(x) b", 2, 'label "x" must not occur in ON and GROUP clause at once'),
        ("topk(a)", 0, "wrong number of arguments for aggregate expression provided, expected 2, got 1"),
        ("a ? b", 2, "unexpected character: '\\?'"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, position: int, complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint) as caught:
        parse(text)
    assert caught.value.kind == "bad_data"
    if "grouping" not in complaint and "GROUP" not in complaint:
        assert caught.value.position == position


def test_hostile_depth_and_length_are_refused() -> None:
    with pytest.raises(QueryError, match="nested deeper"):
        parse("(" * 5000 + "1" + ")" * 5000)
    with pytest.raises(QueryError, match="nested deeper"):
        parse("-" * 5000 + "x")
    with pytest.raises(QueryError, match="longer than"):
        parse("1" * 300_000)
    assert parse("1" + "+1" * 150)


def test_a_long_chain_of_operators_is_refused_or_read_but_never_overflows() -> None:
    text = "x" + " + x" * 20_000
    with pytest.raises(QueryError):
        parse(text)


@pytest.mark.parametrize("text", ["5m", "1_000", "x[300]", "x offset 300", '{"quoted"}', "mad_over_time(x[5m])"])
def test_what_prometheus_2_did_not_know_is_refused_when_held_to_it(text: str) -> None:
    assert parse(text)
    with pytest.raises(QueryError):
        parse(text, 2)


def test_what_an_expression_reads_can_be_asked() -> None:
    tree = parse('sum(rate(a{b="c"}[5m])) / on() max_over_time(d[1h:1m]) + {__name__=~"e.*"} + a{b="c"}')
    assert metric_names(tree) == ["a", "d"]
    assert matchers_of(tree) == [
        (Matcher("__name__", MatchOp.EQUAL, "a"), Matcher("b", MatchOp.EQUAL, "c")),
        (Matcher("__name__", MatchOp.EQUAL, "d"),),
        (Matcher("__name__", MatchOp.REGEX, "e.*"),),
    ]
