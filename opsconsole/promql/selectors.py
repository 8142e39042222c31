"""Parsing what selects series: names, label matchers, lists of labels, and the modifiers offset, `@` and brackets."""

import math
import re
from dataclasses import replace

from opsconsole.model import Matcher, MatchOp
from opsconsole.promql import durations
from opsconsole.promql.cursor import Cursor
from opsconsole.promql.lexer import Kind
from opsconsole.promql.matchers import pattern
from opsconsole.promql.nodes import At, Edges, Expr, Number, Range, Selector, Subquery

_NAME = "__name__"
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_METRIC = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_FARTHEST_MS = 2**53

NEVER_NAMES = frozenset({"bool", "on", "ignoring", "group_left", "group_right", "atan2", "inf", "nan"})
"""Words that are no metric's name unless quoted."""


def selector(cursor: Cursor) -> Selector:
    """`name`, `name{…}` or `{…}`."""
    start = cursor.token.position
    name = cursor.advance().text if cursor.token.kind is Kind.WORD else ""
    matchers = [Matcher(_NAME, MatchOp.EQUAL, name)] if name else []
    if cursor.accept("{"):
        matchers += _matchers(cursor, name)
    return Selector(tuple(matchers), position=start)


def _matchers(cursor: Cursor, name: str) -> list[Matcher]:
    found: list[Matcher] = []
    while not cursor.accept("}"):
        start = cursor.token.position
        matcher, is_name = _matcher(cursor)
        if name and matcher.name == _NAME:
            cursor.fail(f'metric name must not be set twice: "{name}" or "{matcher.value}"', start)
        name = matcher.value if is_name else name
        found.append(matcher)
        if not cursor.sees("}"):
            cursor.expect(",", "label matching")
    return found


def _matcher(cursor: Cursor) -> tuple[Matcher, bool]:
    """A matcher, and whether it is a metric name in quotes, as Prometheus 3 allows."""
    quoted = cursor.compat > 2 and cursor.token.kind is Kind.STRING
    label = cursor.string("label matching") if quoted else _word(cursor, "label matching", 'identifier or "}"')
    if quoted and cursor.sees(",", "}"):
        return Matcher(_NAME, MatchOp.EQUAL, label), True
    if not cursor.sees("=", "!=", "=~", "!~"):
        cursor.unexpected("label matching", "label matching operator")
    op = MatchOp(cursor.advance().text)
    start = cursor.token.position
    value = cursor.string("label matching")
    if op in (MatchOp.REGEX, MatchOp.NOT_REGEX):
        try:
            pattern(value)
        except ValueError as error:
            raise cursor.error(f"error parsing regexp: {error}", start) from None
    return Matcher(label, op, value), False


def _word(cursor: Cursor, context: str, expected: str) -> str:
    if cursor.token.kind is not Kind.WORD or not _LABEL.fullmatch(cursor.token.text):
        cursor.unexpected(context, expected)
    return cursor.advance().text


def labels(cursor: Cursor) -> tuple[str, ...]:
    """`(a, b, …)`, as `by` and `on` take them."""
    cursor.expect("(", "grouping opts")
    found: list[str] = []
    while not cursor.accept(")"):
        quoted = cursor.compat > 2 and cursor.token.kind is Kind.STRING
        found.append(cursor.string("grouping opts") if quoted else _word(cursor, "grouping opts", "label"))
        if not cursor.sees(")"):
            cursor.expect(",", "grouping opts")
    return tuple(found)


def modified(cursor: Cursor, expr: Expr) -> Expr:
    """What stands before the cursor, with every modifier that follows it."""
    while True:
        if cursor.sees("["):
            expr = _bracketed(cursor, expr)
        elif cursor.sees("offset"):
            expr = _offset(cursor, expr)
        elif cursor.sees("@"):
            expr = _at(cursor, expr)
        elif cursor.compat > 2 and cursor.sees("anchored", "smoothed"):
            expr = _edges(cursor, expr)
        else:
            return expr


def _bracketed(cursor: Cursor, expr: Expr) -> Expr:
    start = cursor.advance().position
    range_ms, range_expr = _duration(cursor, "subquery or range selector")
    if cursor.accept(":"):
        step, step_expr = (None, None) if cursor.sees("]") else _duration(cursor, "subquery selector")
        cursor.expect("]", "subquery selector")
        return Subquery(expr, range_ms, step, range_expr=range_expr, step_expr=step_expr, position=expr.position)
    if not cursor.sees("]"):
        cursor.unexpected("subquery or range", '":" or "]"')
    cursor.advance()
    if not isinstance(expr, Selector):
        cursor.fail("ranges only allowed for vector selectors", start)
    if expr.offset_ms or expr.offset_expr is not None:
        cursor.fail("no offset modifiers allowed before range", start)
    if expr.at is not None:
        cursor.fail("no @ modifiers allowed before range", start)
    return Range(expr, range_ms, range_expr, position=expr.position)


def _duration(cursor: Cursor, context: str) -> tuple[int, Expr | None]:
    """Milliseconds, or the expression that will tell them."""
    if cursor.compat == 2:
        return cursor.positive_duration_ms(context), None
    found = durations.bracketed(cursor, context)
    return (round(found.value * 1000), None) if isinstance(found, Number) else (0, found)


def _offset(cursor: Cursor, expr: Expr) -> Expr:
    cursor.advance()
    found = _plain_offset(cursor) if cursor.compat == 2 else durations.offset(cursor)
    target = _target(cursor, expr, "offset modifier")
    if target.offset_ms or target.offset_expr is not None:
        cursor.fail("offset may not be set multiple times", expr.position)
    if isinstance(found, Number):
        return _with(expr, replace(target, offset_ms=round(found.value * 1000)))
    return _with(expr, replace(target, offset_expr=found))


def _plain_offset(cursor: Cursor) -> Number:
    sign = -1 if cursor.sees("-") else 1
    cursor.accept("-", "+")
    return Number(sign * cursor.duration_ms("offset") / 1000)


def _edges(cursor: Cursor, expr: Expr) -> Expr:
    word: Edges = "anchored" if cursor.advance().text.lower() == "anchored" else "smoothed"
    if isinstance(expr, Subquery):
        cursor.fail(f"{word} modifier is not supported for subqueries", expr.position)
    if not isinstance(expr, Selector | Range):
        cursor.fail(f"{word} modifier not implemented", expr.position)
    target = expr.selector if isinstance(expr, Range) else expr
    if target.edges not in ("", word):
        cursor.fail("anchored and smoothed modifiers cannot be used together", expr.position)
    return _with(expr, replace(target, edges=word))


def _at(cursor: Cursor, expr: Expr) -> Expr:
    cursor.advance()
    at = _instant(cursor)
    target = _target(cursor, expr, "@ modifier")
    if target.at is not None:
        cursor.fail("@ <timestamp> may not be set multiple times", expr.position)
    return _with(expr, replace(target, at=at))


def _instant(cursor: Cursor) -> At:
    if cursor.sees("start", "end"):
        word = cursor.advance().text.lower()
        cursor.expect("(", "@")
        cursor.expect(")", "@")
        return "start" if word == "start" else "end"
    start, sign = cursor.token.position, -1 if cursor.sees("-") else 1
    cursor.accept("-", "+")
    infinite = cursor.sees("inf", "nan")
    if cursor.token.kind not in (Kind.NUMBER, Kind.DURATION) and not infinite:
        cursor.unexpected("@", "timestamp")
    seconds = float(cursor.advance().text) if infinite else cursor.number()
    if not math.isfinite(seconds) or seconds * 1000 > _FARTHEST_MS:
        cursor.fail(f"timestamp out of bounds for @ modifier: {sign * seconds:f}", start)
    return round(sign * seconds * 1000)


def _target(cursor: Cursor, expr: Expr, what: str) -> Selector | Subquery:
    if isinstance(expr, Range):
        return expr.selector
    if isinstance(expr, Selector | Subquery):
        return expr
    wanted = "must be preceded by an instant vector selector or range vector selector or a subquery"
    return cursor.fail(f"{what} {wanted}", expr.position)


def _with(expr: Expr, target: Selector | Subquery) -> Expr:
    return replace(expr, selector=target) if isinstance(expr, Range) and isinstance(target, Selector) else target


def is_label_name(text: str) -> bool:
    return _LABEL.fullmatch(text) is not None


def is_metric_name(text: str) -> bool:
    """Whether it can stand in an expression without quotes."""
    return _METRIC.fullmatch(text) is not None and text.lower() not in NEVER_NAMES
