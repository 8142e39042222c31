"""Durations that are computed: arithmetic in brackets and after `offset`, and what of a query its own times decide.

Such a duration is a small tree of numbers, signs, operators and the calls `step()`, `range()`, `min_of()` and `max_of()`.
"""

import math
from dataclasses import replace
from typing import NoReturn

from opsconsole.model import QueryError
from opsconsole.promql.cursor import LONGEST_SECONDS, Cursor, numeral
from opsconsole.promql.nodes import Aggregate, Binary, Call, Expr, Number, Paren, Range, Selector, Subquery, Unary, signed
from opsconsole.promql.tokens import Kind

_POWERS = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 3}
_EXPECTED = "number, duration, step(), or range()"


def bracketed(cursor: Cursor, context: str) -> Expr:
    """A duration within brackets; what is a plain number is greater than 0."""
    found = _sum(cursor, context, 0)
    if isinstance(found, Number) and not found.value > 0:
        cursor.fail("duration must be greater than 0", found.position)
    return found


def offset(cursor: Cursor) -> Expr:
    """A duration after `offset`: one term, so that what follows applies to the vector; more of it needs parentheses."""
    token = cursor.token
    if cursor.sees("("):
        return _sum(cursor, "offset", 0)
    if cursor.accept("-", "+"):
        return _signed(cursor, token.text, _term(cursor, "offset"), token.position)
    return _term(cursor, "offset")


def _sum(cursor: Cursor, context: str, power: int) -> Expr:
    with cursor.nested():
        left = _signable(cursor, context)
        while cursor.token.kind is Kind.SYMBOL and _POWERS.get(op := cursor.token.text, 0) > power:
            position = cursor.advance().position
            right = _sum(cursor, context, _POWERS[op] - (op == "^"))
            if op in "/%" and isinstance(right, Number) and right.value == 0:
                cursor.fail("division by zero" if op == "/" else "modulo by zero", position)
            left = Binary(op, left, right, position=position)
    return left


def _signable(cursor: Cursor, context: str) -> Expr:
    token = cursor.token
    if cursor.accept("-", "+"):
        return _signed(cursor, token.text, _sum(cursor, context, _POWERS["*"]), token.position)
    return _term(cursor, context)


def _signed(cursor: Cursor, op: str, term: Expr, position: int) -> Expr:
    if isinstance(term, Number):
        return signed(term, op, position)
    return Unary(op, term, position)


def _term(cursor: Cursor, context: str) -> Expr:
    token = cursor.token
    if token.kind in (Kind.NUMBER, Kind.DURATION):
        return _literal(cursor)
    if cursor.accept("("):
        inside = _sum(cursor, context, 0)
        cursor.expect(")", context)
        return Paren(inside, token.position)
    if token.kind is Kind.WORD and (name := token.text.lower()) in ("step", "range", "min_of", "max_of"):
        cursor.advance()
        cursor.expect("(", context, _EXPECTED)
        args = () if name in ("step", "range") else _pair(cursor, context)
        cursor.expect(")", context)
        return Call(name, args, token.position)
    return cursor.unexpected(context, _EXPECTED)


def _pair(cursor: Cursor, context: str) -> tuple[Expr, Expr]:
    first = _sum(cursor, context, 0)
    cursor.expect(",", context)
    return first, _sum(cursor, context, 0)


def _literal(cursor: Cursor) -> Number:
    found = numeral(cursor)
    if not -LONGEST_SECONDS <= found.value <= LONGEST_SECONDS:
        cursor.fail("duration out of range", found.position)
    return found


def resolved(expr: Expr, start_ms: int, end_ms: int, step_ms: int) -> Expr:
    """The tree with each of the query's own times as a number. Raises QueryError of kind `bad_data`."""
    return _Resolver(start_ms, end_ms, step_ms).tree(expr)


class _Resolver:
    def __init__(self, start_ms: int, end_ms: int, step_ms: int) -> None:
        self._step, self._range = step_ms / 1000.0, (end_ms - start_ms) / 1000.0
        self._calls = {
            "start": start_ms / 1000.0,
            "end": end_ms / 1000.0,
            "range": self._range,
            "step": 0.0 if start_ms == end_ms else self._step,
        }

    def tree(self, expr: Expr) -> Expr:
        match expr:
            case Call(name=name) if name in self._calls:
                return Number(self._calls[name], expr.position)
            case Call():
                args = tuple(map(self.tree, expr.args))
                return expr if all(a is b for a, b in zip(args, expr.args, strict=True)) else replace(expr, args=args)
            case Paren() | Unary():
                inner = self.tree(expr.expr)
                return expr if inner is expr.expr else replace(expr, expr=inner)
            case Binary():
                left, right = self.tree(expr.left), self.tree(expr.right)
                return expr if left is expr.left and right is expr.right else replace(expr, left=left, right=right)
            case Aggregate():
                inner, param = self.tree(expr.expr), None if expr.param is None else self.tree(expr.param)
                return expr if inner is expr.expr and param is expr.param else replace(expr, expr=inner, param=param)
            case Selector() | Range() | Subquery():
                return self._selecting(expr)
        return expr

    def _selecting(self, expr: Selector | Range | Subquery) -> Expr:
        match expr:
            case Selector():
                if expr.offset_expr is not None:
                    return replace(expr, offset_ms=self._ms(expr.offset_expr, signed=True), offset_expr=None)
                return expr
            case Range():
                selector = self._selecting(expr.selector)
                assert isinstance(selector, Selector)
                if expr.range_expr is not None:
                    return replace(expr, selector=selector, range_ms=self._ms(expr.range_expr), range_expr=None)
                return expr if selector is expr.selector else replace(expr, selector=selector)
            case Subquery():
                return self._subquery(expr)

    def _subquery(self, expr: Subquery) -> Subquery:
        inner = self.tree(expr.expr)
        if inner is expr.expr and expr.range_expr is expr.step_expr is expr.offset_expr is None:
            return expr
        return replace(
            expr,
            expr=inner,
            range_ms=expr.range_ms if expr.range_expr is None else self._ms(expr.range_expr),
            step_ms=expr.step_ms if expr.step_expr is None else self._ms(expr.step_expr),
            offset_ms=expr.offset_ms if expr.offset_expr is None else self._ms(expr.offset_expr, signed=True),
            range_expr=None,
            step_expr=None,
            offset_expr=None,
        )

    def _ms(self, expr: Expr, *, signed: bool = False) -> int:
        """Whole milliseconds, what is beyond them cut off."""
        seconds = self._value(expr)
        if not math.isfinite(seconds):
            _refuse("duration is NaN or infinite")
        if seconds <= 0 and not signed:
            _refuse("duration must be greater than 0")
        if abs(seconds) > LONGEST_SECONDS:
            _refuse("duration is out of range")
        return int(seconds * 1000)

    def _value(self, expr: Expr) -> float:
        match expr:
            case Number():
                return expr.value
            case Paren():
                return self._value(expr.expr)
            case Unary():
                return -self._value(expr.expr) if expr.op == "-" else self._value(expr.expr)
            case Binary():
                return _operated(expr.op, self._value(expr.left), self._value(expr.right))
            case Call(name="step"):
                return self._step
            case Call(name="range"):
                return self._range
            case Call():
                one, other = map(self._value, expr.args)
                return (min if expr.name == "min_of" else max)(one, other)
        raise TypeError(f"{type(expr).__name__} is no part of a duration")


def _operated(op: str, left: float, right: float) -> float:
    if op in "/%" and right == 0:
        _refuse("division by zero" if op == "/" else "modulo by zero")
    try:
        match op:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case "/":
                return left / right
            case "%":
                return math.fmod(left, right)
        return math.pow(left, right)
    except (ValueError, OverflowError):
        return math.nan


def _refuse(message: str) -> NoReturn:
    raise QueryError(message, "bad_data")
