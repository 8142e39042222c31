"""Alertmanager's matchers."""

import pytest

from opsconsole.alerts.matchers import Condition, parse_matchers
from opsconsole.model import Matcher, MatchOp


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('foo="bar"', [Matcher("foo", MatchOp.EQUAL, "bar")]),
        ("foo=bar", [Matcher("foo", MatchOp.EQUAL, "bar")]),
        ("{foo = bar, dings != bums, }", [Matcher("foo", MatchOp.EQUAL, "bar"), Matcher("dings", MatchOp.NOT_EQUAL, "bums")]),
        ('foo=~"a,b|c"', [Matcher("foo", MatchOp.REGEX, "a,b|c")]),
        ("foo!~5..", [Matcher("foo", MatchOp.NOT_REGEX, "5..")]),
        (r'q="She said: \"Hi, all!\""', [Matcher("q", MatchOp.EQUAL, 'She said: "Hi, all!"')]),
        (r'q="a\nb\\c\d"', [Matcher("q", MatchOp.EQUAL, "a\nb\\c\\d")]),
        ('foo=""', [Matcher("foo", MatchOp.EQUAL, "")]),
        ("foo=", [Matcher("foo", MatchOp.EQUAL, "")]),
        ("foo=trailing\\", [Matcher("foo", MatchOp.EQUAL, "trailing\\")]),
        ("", []),
        ("{}", []),
    ],
)
def test_what_alertmanager_reads_is_read_alike(text: str, expected: list[Matcher]) -> None:
    assert parse_matchers(text) == expected


@pytest.mark.parametrize(
    "text", ["foo", '"foo"=bar', "1a=b", 'foo="bar', 'foo=bar"', 'foo="ba"r"', "a=b,,c=d", 'foo="bar\\"', 'foo=~"("', 'foo="']
)
def test_what_alertmanager_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_matchers(text)


@pytest.mark.parametrize(
    ("matchers", "fits"),
    [
        ("a=x", True),
        ("a!=x", False),
        ("missing=", True),
        ('missing!=""', False),
        ("a=~x|y", True),
        ("a=~.", True),
        ("long=~ab", False),
        ("long!~ab", True),
        ("missing=~.*", True),
        ("missing=~.+", False),
        ("a=x,long=no", False),
        ("", True),
    ],
)
def test_expressions_are_anchored_and_a_missing_label_is_empty(matchers: str, fits: bool) -> None:
    assert Condition(parse_matchers(matchers)).fits({"a": "x", "long": "abc"}) is fits


def test_a_condition_reads_as_alertmanager_writes_it_whatever_the_order() -> None:
    assert str(Condition(parse_matchers('b=~"x\\"y",a!=1'))) == '{a!="1",b=~"x\\"y"}'
