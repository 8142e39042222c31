"""Whatever the text, parsing gives a tree that prints and reads back as itself, or one kind of error with a place in the text."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opsconsole.model import QueryError
from opsconsole.promql import parse, show
from opsconsole.promql.nodes import Expr
from opsconsole.promql.signatures import AGGREGATIONS, SIGNATURES
from tests.support.promql import normal

_WORDS = [
    *[
        "+",
        "-",
        "*",
        "/",
        "%",
        "^",
        "==",
        "!=",
        "<=",
        ">=",
        "<",
        ">",
        "=~",
        "!~",
        "=",
        "!",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "@",
        "</",
        ">/",
        "#",
        ".",
    ],
    *[
        "and",
        "or",
        "unless",
        "atan2",
        "bool",
        "on",
        "ignoring",
        "group_left",
        "group_right",
        "fill",
        "fill_left",
        "fill_right",
        "by",
        "without",
        "offset",
    ],
    *[
        "start",
        "end",
        "step",
        "range",
        "min_of",
        "max_of",
        "anchored",
        "smoothed",
        "inf",
        "NaN",
        "x",
        "metric:name",
        "__name__",
        "le",
        "job",
    ],
    *["1", "0", "1.5", "1e3", "0x1f", "017", "1_000", "1e999", ".5", "5m", "1h30m", "1x", "5m5m", "99999999999999999999"],
    *sorted(AGGREGATIONS),
    *sorted(SIGNATURES),
    '"text"',
    "'text'",
    "`raw`",
    '"\\x41"',
    '"\\q"',
    '"open',
    "[5m]",
    "[5m:1m]",
    "[5m:]",
    '{a="b"}',
    '{a=~"("}',
    '{"quoted"}',
    "\x00",
    "\ud800",
    "\ufeff",
    "ä",
    "\U0001f600",
    "\n",
    "\t",
]
_LEAVES = st.sampled_from(
    ["x", "1", "5m", "-2", "Inf", 'x{a="b"}', '{"a b", c!="d"}', "x offset 1m", "x @ 10", "x @ end()", "x smoothed"]
)
_MATCHINGS = st.sampled_from(
    ["", "on(a)", "ignoring(a, b)", "on(a) group_left(c)", "ignoring(a) group_right", "fill(0)", "on(a) fill_left(NaN)"]
)
_RANGES = st.sampled_from(["5m", "1h30m", "60", "5m+1s", "step()*2", "max_of(1m, range())", "-(1m)+2m", "2^3^2"])


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "-", "*", "/", "%", "^", "==", "> bool", "atan2", "and", "unless", "or"])
    return st.one_of(
        st.builds("{} {} {} {}".format, inner, operators, _MATCHINGS, inner),
        st.builds("({})".format, inner),
        st.builds("-{}".format, inner),
        st.builds('sum by (a, "b c") ({})'.format, inner),
        st.builds("topk without () (3, {})".format, inner),
        st.builds("abs({})".format, inner),
        st.builds('label_replace({}, "a", "$1", "b", "(.*)")'.format, inner),
        st.builds("rate(x[{}])".format, _RANGES),
        st.builds("rate(x[{}] anchored @ start() offset -5m)".format, _RANGES),
        st.builds("max_over_time(({})[{}:{}] offset ({}))".format, inner, _RANGES, _RANGES, _RANGES),
    )


def _read(text: str) -> None:
    tree = _tree(text)
    if isinstance(tree, QueryError):
        assert tree.kind == "bad_data"
        assert tree.position is None or 0 <= tree.position <= len(text)
        return
    shown = show(tree)
    assert show(parse(shown)) == shown
    assert "NaN" in shown or normal(parse(shown)) == normal(tree)


def _tree(text: str) -> Expr | QueryError:
    try:
        return parse(text)
    except QueryError as error:
        return error


@given(st.lists(st.sampled_from(_WORDS), max_size=14).map(" ".join))
@settings(max_examples=600, deadline=None, derandomize=True)
def test_a_soup_of_tokens_is_read_or_refused(text: str) -> None:
    _read(text)


@given(st.text(max_size=60))
@settings(max_examples=400, deadline=None, derandomize=True)
@example("\x00")
@example("x{a='\ud800'}")
@example("1" * 5000)
@example("x offset " + "9" * 400)
@example("x[" + "9" * 400 + "d]")
@example("x @ " + "9" * 400)
@example("0x" + "f" * 400)
@example('"' + "\\" * 99)
def test_any_text_at_all_is_read_or_refused(text: str) -> None:
    _read(text)


@given(st.recursive(_LEAVES, _larger, max_leaves=8))
@settings(max_examples=400, deadline=None, derandomize=True)
def test_what_is_printed_reads_back_as_itself(text: str) -> None:
    _read(text)


@pytest.mark.parametrize(
    "opening", ["(", "-", "sum(", "abs(", "x[", "x{", "x + ", "x offset (", "x[(", "x[-", "x[1m:(", "2^", "min_of(1,"]
)
@pytest.mark.parametrize("compat", [2, 3])
def test_no_depth_overflows(opening: str, compat: int) -> None:
    with pytest.raises(QueryError):
        parse(opening * 20_000, compat)
