"""Parsing what selects series: names, label matchers, lists of labels, and the modifiers offset, `@`, edges and brackets."""

import math
import re
from dataclasses import replace

from opsconsole.model import Matcher, MatchOp
from opsconsole.promql import durations
from opsconsole.promql.cursor import Cursor
from opsconsole.promql.literals import to_ms
from opsconsole.promql.nodes import At, Edges, Expr, Number, Range, Selector, Subquery, start_of
from opsconsole.promql.regexes import complaint_alone
from opsconsole.promql.tokens import (
    AGGREGATION_WORDS,
    KEYWORDS,
    NUMBER_WORDS,
    OPERATOR_WORDS,
    QUERY_WORDS,
    Kind,
    Token,
    go_quoted,
)

_NAME = "__name__"
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_METRIC = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_NAMES = (Kind.WORD, Kind.METRIC, Kind.LABEL)
_NEVER_NAMES = frozenset({"atan2", "bool", "group_left", "group_right", "ignoring", "on"})
"""Words that are no metric's name unless quoted."""
_CONTEXT, _GROUPING = "label matching", "grouping opts"


def names_metric(token: Token) -> bool:
    return token.kind in _NAMES and token.word not in _NEVER_NAMES


def is_identifier(token: Token) -> bool:
    """A word that is nothing but a name."""
    return token.word not in KEYWORDS | OPERATOR_WORDS | AGGREGATION_WORDS | QUERY_WORDS | NUMBER_WORDS


def selector(cursor: Cursor, name: Token | None) -> Selector:
    """`name`, which has been taken already, `name{…}` or `{…}`."""
    start = cursor.token.position if name is None else name.position
    matchers = [Matcher(_NAME, MatchOp.EQUAL, name.text)] if name else []
    if cursor.accept("{"):
        matchers += _matchers(cursor)
    return Selector(tuple(matchers), position=start, named=name is not None)


def _matchers(cursor: Cursor) -> list[Matcher]:
    found: list[Matcher] = []
    while not cursor.accept("}"):
        found.append(_matcher(cursor))
        if not cursor.accept(",") and not cursor.sees("}"):
            cursor.unexpected(_CONTEXT, '"," or "}"')
    return found


def _matcher(cursor: Cursor) -> Matcher:
    """A matcher; a string by itself is a metric's name."""
    start, quoted = cursor.token.position, cursor.token.kind is Kind.STRING
    if not quoted and cursor.token.kind is not Kind.LABEL:
        cursor.unexpected(_CONTEXT, 'identifier or "}"')
    label = cursor.string() if quoted else cursor.advance().text
    if quoted and cursor.sees(",", "}"):
        return Matcher(_NAME, MatchOp.EQUAL, label)
    if not cursor.sees("=", "!=", "=~", "!~"):
        cursor.unexpected(_CONTEXT, '"," or "}"' if quoted else "label matching operator")
    op = MatchOp(cursor.advance().text)
    value = cursor.string(_CONTEXT)
    if op in (MatchOp.REGEX, MatchOp.NOT_REGEX) and (told := complaint_alone(value)):
        cursor.fail(told, start)
    return Matcher(label, op, value)


def labels(cursor: Cursor) -> tuple[str, ...]:
    """`(a, b, …)`, as `by` and `on` take them."""
    cursor.expect("(", _GROUPING, '"("')
    found: list[str] = []
    while not cursor.accept(")"):
        found.append(_label(cursor))
        if not cursor.accept(",") and not cursor.sees(")"):
            cursor.unexpected(_GROUPING, '"," or ")"')
    return tuple(found)


def _label(cursor: Cursor) -> str:
    token = cursor.token
    if token.kind is not Kind.STRING and token.kind not in _NAMES:
        cursor.unexpected(_GROUPING, "label")
    label = cursor.string() if token.kind is Kind.STRING else cursor.advance().text
    if not label:
        cursor.fail(f"invalid label name for grouping: {go_quoted(label)}", token.position)
    return label


def modified(cursor: Cursor, expr: Expr) -> Expr:
    """What stands before the cursor, with every modifier that follows it."""
    while True:
        if cursor.sees("["):
            expr = _bracketed(cursor, expr)
        elif cursor.sees("offset"):
            expr = _offset(cursor, expr)
        elif cursor.sees("@"):
            expr = _at(cursor, expr)
        elif cursor.sees("anchored", "smoothed"):
            expr = _edges(cursor, expr)
        else:
            return expr


def _bracketed(cursor: Cursor, expr: Expr) -> Expr:
    start = cursor.advance().position
    range_ms, range_expr = _duration(cursor, "subquery or range selector")
    if cursor.accept(":"):
        step, step_expr = (None, None) if cursor.sees("]") else _duration(cursor, "subquery selector")
        cursor.expect("]", "subquery selector", '"]"')
        return Subquery(expr, range_ms, step, range_expr=range_expr, step_expr=step_expr, position=start_of(expr))
    cursor.expect("]", "subquery or range", '":" or "]"')
    if not isinstance(expr, Selector):
        cursor.fail("ranges only allowed for vector selectors", start)
    if expr.offset_ms or expr.offset_expr is not None:
        cursor.fail("no offset modifiers allowed before range", start)
    if expr.at is not None:
        cursor.fail("no @ modifiers allowed before range", start)
    return Range(expr, range_ms, range_expr, position=expr.position)


def _duration(cursor: Cursor, context: str) -> tuple[int, Expr | None]:
    """Milliseconds, or the expression that will tell them."""
    found = durations.bracketed(cursor, context)
    return (to_ms(found.value), None) if isinstance(found, Number) else (0, found)


def _offset(cursor: Cursor, expr: Expr) -> Expr:
    cursor.advance()
    found = durations.offset(cursor)
    target = _target(cursor, expr, "offset")
    if target.offset_ms or target.offset_expr is not None:
        cursor.fail("offset may not be set multiple times", start_of(expr))
    if isinstance(found, Number):
        return _with(expr, replace(target, offset_ms=to_ms(found.value)))
    return _with(expr, replace(target, offset_expr=found))


def _edges(cursor: Cursor, expr: Expr) -> Expr:
    word: Edges = "anchored" if cursor.advance().word == "anchored" else "smoothed"
    if isinstance(expr, Subquery):
        cursor.fail(f"{word} modifier is not supported for subqueries", start_of(expr))
    if not isinstance(expr, Selector | Range):
        cursor.fail(f"{word} modifier not implemented", start_of(expr))
    target = expr.selector if isinstance(expr, Range) else expr
    if target.edges not in ("", word):
        cursor.fail("anchored and smoothed modifiers cannot be used together", start_of(expr))
    return _with(expr, replace(target, edges=word))


def _at(cursor: Cursor, expr: Expr) -> Expr:
    cursor.advance()
    at = _instant(cursor, start_of(expr))
    target = _target(cursor, expr, "@")
    if target.at is not None:
        cursor.fail("@ <timestamp> may not be set multiple times", start_of(expr))
    return _with(expr, replace(target, at=at))


def _instant(cursor: Cursor, start: int) -> At:
    word = cursor.token.word
    if cursor.accept("start", "end"):
        for bracket in "()":
            cursor.expect(bracket, "@", "timestamp")
        return "start" if word == "start" else "end"
    sign = -1 if cursor.sees("-") else 1
    cursor.accept("-", "+")
    if cursor.token.kind not in (Kind.NUMBER, Kind.DURATION):
        cursor.unexpected("@", "timestamp")
    seconds = sign * cursor.number()
    if not math.isfinite(seconds) or abs(seconds) >= 2.0**63:
        told = {math.inf: "+Inf", -math.inf: "-Inf"}.get(seconds, "NaN" if seconds != seconds else f"{seconds:f}")
        cursor.fail(f"timestamp out of bounds for @ modifier: {told}", start)
    return to_ms(seconds)


def _target(cursor: Cursor, expr: Expr, what: str) -> Selector | Subquery:
    if isinstance(expr, Range):
        return expr.selector
    if isinstance(expr, Selector | Subquery):
        return expr
    wanted = "must be preceded by an instant vector selector or range vector selector or a subquery"
    return cursor.fail(f"{what} modifier {wanted}", start_of(expr))


def _with(expr: Expr, target: Selector | Subquery) -> Expr:
    return replace(expr, selector=target) if isinstance(expr, Range) and isinstance(target, Selector) else target


def is_label_name(text: str) -> bool:
    return _LABEL.fullmatch(text) is not None


def may_be_label(name: str, compat: int = 3) -> bool:
    """Whether a label may be called so: in Prometheus 3 by any text at all that is sound UTF-8."""
    if compat == 2:
        return is_label_name(name)
    return bool(name) and "\ufffd" not in name and not any("\ud800" <= char < "\ue000" for char in name)


def is_metric_name(text: str) -> bool:
    """Whether it can stand in an expression without quotes."""
    return _METRIC.fullmatch(text) is not None and text.lower() not in _NEVER_NAMES | NUMBER_WORDS
