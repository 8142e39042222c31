"""The grammar of Prometheus 2.42: the same tree as the other parser's, or the complaint that the original would make first.

Its parser is an automaton made by yacc that looks one item ahead only where it must, and names the nearest place that knows
what it wanted. Hence the care here for when an item is looked at, and for what lies open: that decides which of several
mistakes is told (prometheus/prometheus v2.42, `promql/parser/generated_parser.y`).
"""

import math
from dataclasses import replace
from functools import lru_cache
from typing import NoReturn

from opsconsole.model import Matcher, QueryError
from opsconsole.promql.literals import to_ms
from opsconsole.promql.nodes import (
    COMPARISONS,
    SET_OPERATORS,
    Aggregate,
    At,
    Binary,
    Call,
    Cardinality,
    Expr,
    Matching,
    Number,
    Paren,
    Range,
    Selector,
    String,
    Subquery,
    Unary,
    signed,
)
from opsconsole.promql.prometheus2.checks import Checker, starts
from opsconsole.promql.prometheus2.items import Items
from opsconsole.promql.prometheus2.pinning import overlooked
from opsconsole.promql.prometheus2.selecting import grouping, selector
from opsconsole.promql.prometheus2.words import OPERATORS, Item, Kind, may_name_metric
from opsconsole.promql.signatures import AGGREGATIONS, NEWER, SIGNATURES
from opsconsole.promql.tokens import go_quoted

_POWERS = [("or",), ("and", "unless"), tuple(COMPARISONS), ("+", "-"), ("*", "/", "%", "atan2"), ("^",)]
_POWER = {op: power for power, ops in enumerate(_POWERS, start=1) for op in ops}
_UNARY_POWER = _POWER["*"]
_DEEPEST = 100
_LONGEST_CHAIN = 250
_LONGEST = 200_000
_MISPLACED = "modifier must be preceded by an instant vector selector or range vector selector or a subquery"


@lru_cache(maxsize=4096)
def parse(text: str) -> Expr:
    """The tree of an expression, its types checked. Raises QueryError of kind `bad_data` with a position."""
    try:
        return _Parser(text).whole()
    except RecursionError:
        raise QueryError("the expression is too deeply nested", "bad_data") from None


def parse_selector(text: str) -> tuple[Matcher, ...]:
    """The matchers of a series selector that stands alone. Raises QueryError of kind `bad_data`."""
    items = Items(text)
    name = items.take() if may_name_metric(items.peek()) else None
    if name is None and not items.sees("{"):
        items.unexpected()
    found = selector(items, name)
    if items.peek().kind is not Kind.END:
        items.unexpected()
    return found.matchers


class _Parser:
    def __init__(self, text: str) -> None:
        self._items = Items(text)
        self._depth = 0
        self._ends: dict[int, tuple[Expr, int]] = {}
        if len(text) > _LONGEST:
            self._items.fail(0, f"the expression is longer than {_LONGEST} characters")

    def whole(self) -> Expr:
        if self._items.peek().kind is Kind.END:
            self._items.fail(0, "no expression found in input")
        expr = self._expression(0)
        if self._items.peek().kind is not Kind.END:
            self._items.unexpected()
        Checker(self._items.text, self._ends).check(expr)
        return expr

    def _expression(self, power: int) -> Expr:
        """The longest expression whose operators bind tighter than `power`."""
        self._depth += 1
        if self._depth > _DEEPEST:
            self._items.fail(self._items.peek().position, f"the expression is nested deeper than {_DEEPEST} levels")
        left, chained = self._modified(self._operand()), 0
        while (op := self._operator()) and _POWER[op] > power:
            if (chained := chained + 1) > _LONGEST_CHAIN:
                self._items.fail(self._items.peek().position, f"more than {_LONGEST_CHAIN} operators in a row")
            left = self._binary(left, op)
        self._depth -= 1
        return left

    def _operator(self) -> str:
        item = self._items.peek()
        return item.word if item.kind is Kind.OPERATOR and item.word in OPERATORS else ""

    def _ended(self, expr: Expr) -> Expr:
        """Remembers where the expression ends; the tree knows beginnings only."""
        self._ends[id(expr)] = (expr, self._items.taken.end)
        return expr

    def _binary(self, left: Expr, op: str) -> Expr:
        position = self._items.take().position
        returns_bool = self._items.accept("bool")
        matching = self._matching(op)
        right = self._expression(_POWER[op] - (op == "^"))
        return self._ended(Binary(op, left, right, matching, returns_bool, position=position))

    def _matching(self, op: str) -> Matching:
        """Grouping with a set operator is a mistake that the checks tell; until then its cardinality is kept."""
        plain = Cardinality.MANY_TO_MANY if op in SET_OPERATORS else Cardinality.ONE_TO_ONE
        if not self._items.sees("on", "ignoring"):
            return Matching(plain)
        on = self._items.take().word == "on"
        labels = grouping(self._items)
        if not self._items.sees("group_left", "group_right"):
            return Matching(plain, on, labels)
        left = self._items.take().word == "group_left"
        include = grouping(self._items) if self._items.sees("(") or not self._begins() else ()
        cardinality = Cardinality.MANY_TO_ONE if left else Cardinality.ONE_TO_MANY
        return Matching(cardinality, on, labels, include, shown=bool(on or labels))

    def _operand(self) -> Expr:
        item = self._items.peek()
        if item.kind is Kind.NUMBER:
            return self._ended(Number(self._items.number(), item.position, "general"))
        if item.kind is Kind.STRING:
            return self._ended(String(self._items.string(), position=item.position))
        if self._items.sees("("):
            return self._parenthesised()
        if self._items.sees("+", "-"):
            return self._signed()
        if may_name_metric(item):
            return self._named()
        if self._items.sees("{"):
            return self._ended(selector(self._items, None))
        return self._items.unexpected()

    def _parenthesised(self) -> Expr:
        start = self._items.take().position
        expr = self._expression(0)
        self._items.expect(")")
        return self._ended(Paren(expr, position=start))

    def _signed(self) -> Expr:
        sign = self._items.take()
        expr = self._expression(_UNARY_POWER)
        end = self._ends[id(expr)][1]
        if isinstance(expr, Number):
            found: Expr = signed(expr, sign.text, sign.position)
        else:
            found = Unary(sign.text, expr, position=sign.position)
        self._ends[id(found)] = (found, end)
        return found

    def _named(self) -> Expr:
        """What begins with a word: an aggregation, a call, or a selector."""
        name = self._items.take()
        if name.kind is Kind.AGGREGATION and self._items.sees("by", "without", "("):
            return self._aggregation(name)
        if name.kind is Kind.IDENTIFIER and self._items.sees("("):
            return self._call(name)
        return self._ended(selector(self._items, name))

    def _call(self, name: Item) -> Expr:
        args = self._arguments()
        if name.text not in SIGNATURES or name.text in NEWER:
            self._items.fail(name.position, f"unknown function with name {go_quoted(name.text)}")
        return self._ended(Call(name.text, args, position=name.position))

    def _arguments(self) -> tuple[Expr, ...]:
        self._items.expect("(")
        args: list[Expr] = []
        while not self._items.accept(")"):
            args.append(self._expression(0))
            if self._items.sees(","):
                self._comma()
            elif not self._items.sees(")"):
                self._items.unexpected()
        return tuple(args)

    def _comma(self) -> None:
        """Whatever cannot begin an expression is told of as a comma too many."""
        position = self._items.take().position
        if not self._begins():
            self._items.fail(position, "trailing commas not allowed in function call args")

    def _begins(self) -> bool:
        """Whether the next item can be an expression's first."""
        item = self._items.peek()
        return item.kind in (Kind.NUMBER, Kind.STRING) or self._items.sees("(", "{", "+", "-") or may_name_metric(item)

    def _aggregation(self, name: Item) -> Expr:
        with self._items.aggregating():
            labels, without, grouped = self._grouping()
            args = self._arguments()
            if not grouped:
                labels, without, _ = self._grouping()
        return self._ended(self._aggregate(name, args, labels, without))

    def _grouping(self) -> tuple[tuple[str, ...], bool, bool]:
        if not self._items.sees("by", "without"):
            return (), False, False
        without = self._items.take().word == "without"
        return grouping(self._items), without, True

    def _aggregate(self, name: Item, args: tuple[Expr, ...], labels: tuple[str, ...], without: bool) -> Aggregate:
        wanted = 1 if AGGREGATIONS[name.word] is None else 2
        if not args:
            self._items.fail(name.position, "no arguments for aggregate expression provided")
        if len(args) != wanted:
            told = f"wrong number of arguments for aggregate expression provided, expected {wanted}, got {len(args)}"
            self._items.fail(name.position, told)
        param = overlooked(args[0]) if wanted == 2 else None
        return Aggregate(name.word, args[-1], param, labels, without, position=name.position)

    def _modified(self, expr: Expr) -> Expr:
        """With every range, offset and `@` that follows."""
        while True:
            if self._items.sees("["):
                expr = self._ended(self._bracketed(expr))
            elif self._items.peek().kind is Kind.KEYWORD and self._items.sees("offset"):
                expr = self._ended(self._offset(expr))
            elif self._items.peek().kind is Kind.AT:
                expr = self._ended(self._pinned(expr))
            else:
                return expr

    def _bracketed(self, expr: Expr) -> Expr:
        start = self._items.take().position
        range_ms = self._items.duration_ms("subquery selector", "duration")
        if self._items.accept("]"):
            return self._range(expr, start, range_ms)
        if self._items.peek().text not in _COLONS or self._items.peek().kind is not Kind.MARK:
            self._items.unexpected("subquery or range", '":" or "]"')
        self._items.take()
        step_ms = None
        if not self._items.sees("]"):
            step_ms = self._items.duration_ms("subquery selector", 'duration or "]"')
        if not self._items.accept("]"):
            self._items.unexpected("subquery selector", '"]"')
        return Subquery(expr, range_ms, step_ms, position=starts(expr))

    def _range(self, expr: Expr, bracket: int, range_ms: int) -> Range:
        if not isinstance(expr, Selector):
            self._items.fail(bracket, "ranges only allowed for vector selectors")
        if expr.offset_ms:
            self._items.fail(bracket, "no offset modifiers allowed before range")
        if isinstance(expr.at, int):
            self._items.fail(bracket, "no @ modifiers allowed before range")
        return Range(expr, range_ms, position=expr.position)

    def _offset(self, expr: Expr) -> Expr:
        self._items.take()
        sign = -1 if self._items.accept("-") else 1
        offset = sign * self._items.duration_ms("offset", "duration")
        target = self._target(expr, "offset")
        if target.offset_ms:
            self._items.fail(starts(expr), "offset may not be set multiple times")
        return _with(expr, replace(target, offset_ms=offset))

    def _pinned(self, expr: Expr) -> Expr:
        self._items.take()
        at = self._instant(starts(expr))
        target = self._target(expr, "@")
        if target.at is not None:
            self._items.fail(starts(expr), "@ <timestamp> may not be set multiple times")
        return _with(expr, replace(target, at=at))

    def _instant(self, start: int) -> At:
        word = self._items.peek().word
        if self._items.accept("start", "end"):
            for bracket in "()":
                self._items.expect(bracket, "@", "timestamp")
            return "start" if word == "start" else "end"
        sign = -1 if self._items.sees("-") else 1
        self._items.accept("-", "+")
        if self._items.peek().kind is not Kind.NUMBER:
            self._items.unexpected("@", "timestamp")
        seconds = sign * self._items.number()
        if not math.isfinite(seconds) or abs(seconds) >= 2.0**63:
            told = {math.inf: "+Inf", -math.inf: "-Inf"}.get(seconds, "NaN" if seconds != seconds else f"{seconds:f}")
            self._items.fail(start, f"timestamp out of bounds for @ modifier: {told}")
        return to_ms(seconds)

    def _target(self, expr: Expr, what: str) -> Selector | Subquery:
        if isinstance(expr, Range):
            return expr.selector
        if isinstance(expr, Selector | Subquery):
            return expr
        return self._misplaced(expr, what)

    def _misplaced(self, expr: Expr, what: str) -> NoReturn:
        self._items.fail(starts(expr), f"{what} {_MISPLACED}")


_COLONS = frozenset(":ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")


def _with(expr: Expr, target: Selector | Subquery) -> Expr:
    return replace(expr, selector=target) if isinstance(expr, Range) and isinstance(target, Selector) else target
