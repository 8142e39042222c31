"""A Pratt parser: text in, a typed tree out, or a `QueryError` that says where (docs/adr/0002-own-promql-parser.md).

It makes the complaint that Prometheus' own parser would make first, so it matters when a token is looked at, and in what the
complaint says is misplaced (prometheus/prometheus, `promql/parser/generated_parser.y`).
"""

from dataclasses import replace
from functools import lru_cache

from opsconsole.model import Matcher, QueryError
from opsconsole.promql import prometheus2, selectors
from opsconsole.promql.cursor import Cursor, numeral
from opsconsole.promql.nodes import (
    COMPARISONS,
    SET_OPERATORS,
    TRIMS,
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    Matching,
    Number,
    Paren,
    String,
    Unary,
    signed,
)
from opsconsole.promql.signatures import AGGREGATIONS, SIGNATURES
from opsconsole.promql.tokens import AGGREGATION_WORDS, QUERY_WORDS, Kind, Token, go_quoted
from opsconsole.promql.types import Checker

_POWERS = [("or",), ("and", "unless"), tuple(sorted(COMPARISONS | TRIMS)), ("+", "-"), ("*", "/", "%", "atan2"), ("^",)]
_POWER = {op: power for power, ops in enumerate(_POWERS, start=1) for op in ops}
_RIGHT_ASSOCIATIVE = "^"
_UNARY_POWER = _POWER["*"]
_LONGEST_CHAIN = 250
_LONGEST = 200_000


@lru_cache(maxsize=4096)
def parse(text: str, compat: int = 3) -> Expr:
    """The tree of a PromQL expression, its types checked. Raises QueryError of kind `bad_data` with a position."""
    if compat == 2:
        return prometheus2.parse(text)
    try:
        return _Parser(text).whole()
    except RecursionError:
        raise QueryError("the expression is too deeply nested", "bad_data") from None


def parse_selector(text: str, compat: int = 3) -> tuple[Matcher, ...]:
    """The matchers of a series selector that stands alone, as in `match[]`. Raises QueryError of kind `bad_data`."""
    if compat == 2:
        return prometheus2.parse_selector(text)
    cursor = Cursor(text)
    name = cursor.advance() if selectors.names_metric(cursor.token) else None
    if name is None and not cursor.sees("{"):
        cursor.unexpected()
    found = selectors.selector(cursor, name)
    if not cursor.ended():
        cursor.unexpected()
    return found.matchers


class _Parser:
    def __init__(self, text: str) -> None:
        self._cursor = Cursor(text)
        self._ends: dict[int, tuple[Expr, int]] = {}
        if len(text) > _LONGEST:
            self._cursor.fail(f"the expression is longer than {_LONGEST} characters", 0)

    def whole(self) -> Expr:
        if self._cursor.ended():
            self._cursor.fail("no expression found in input", 0)
        expr = self._expression(0)
        if not self._cursor.ended():
            self._cursor.unexpected()
        Checker(self._cursor.text, self._ends).check(expr)
        return expr

    def _ended(self, expr: Expr) -> Expr:
        """Remembers where the expression ends; the tree knows beginnings only."""
        self._ends[id(expr)] = (expr, self._cursor.ended_at)
        return expr

    def _expression(self, power: int) -> Expr:
        """The longest expression whose operators bind tighter than `power`."""
        with self._cursor.nested():
            left, chained = self._modified(self._operand()), 0
            while (op := self._operator()) and _POWER[op] > power:
                if (chained := chained + 1) > _LONGEST_CHAIN:
                    self._cursor.fail(f"more than {_LONGEST_CHAIN} operators in a row", self._cursor.token.position)
                left = self._binary(left, op)
        return left

    def _operator(self) -> str:
        token = self._cursor.token
        return token.word if token.kind in (Kind.WORD, Kind.SYMBOL) and token.word in _POWER else ""

    def _binary(self, left: Expr, op: str) -> Expr:
        position = self._cursor.advance().position
        returns_bool = self._cursor.accept("bool")
        matching = self._filling(self._matching(op))
        right = self._expression(_POWER[op] - (op == _RIGHT_ASSOCIATIVE))
        return self._ended(Binary(op, left, right, matching, returns_bool, position))

    def _matching(self, op: str) -> Matching:
        """Grouping with a set operator is a mistake that the checks tell; until then its cardinality is kept."""
        plain = Cardinality.MANY_TO_MANY if op in SET_OPERATORS else Cardinality.ONE_TO_ONE
        if not self._cursor.sees("on", "ignoring"):
            return Matching(plain)
        on = self._cursor.advance().word == "on"
        labels = selectors.labels(self._cursor)
        if not self._cursor.sees("group_left", "group_right"):
            return Matching(plain, on, labels)
        left = self._cursor.advance().word == "group_left"
        include = selectors.labels(self._cursor) if self._cursor.sees("(") or not self._begins() else ()
        return Matching(Cardinality.MANY_TO_ONE if left else Cardinality.ONE_TO_MANY, on, labels, include)

    def _filling(self, matching: Matching) -> Matching:
        """`fill(x)` for both sides, or `fill_left(x)` and `fill_right(x)` in any order."""
        if self._cursor.accept("fill"):
            both = self._fill_value()
            return replace(matching, fill_left=both, fill_right=both)
        fills: dict[str, float] = {}
        while self._cursor.sees("fill_left", "fill_right") and self._cursor.token.word not in fills:
            side = self._cursor.advance().word
            fills[side] = self._fill_value()
        return replace(matching, fill_left=fills.get("fill_left"), fill_right=fills.get("fill_right"))

    def _fill_value(self) -> float:
        self._cursor.expect("(")
        negative = self._cursor.sees("-")
        self._cursor.accept("-", "+")
        if self._cursor.token.kind not in (Kind.NUMBER, Kind.DURATION):
            self._cursor.unexpected()
        value = self._cursor.number()
        self._cursor.expect(")")
        return -value if negative else value

    def _modified(self, expr: Expr) -> Expr:
        return self._ended(selectors.modified(self._cursor, expr))

    def _operand(self) -> Expr:
        token = self._cursor.token
        if token.kind in (Kind.NUMBER, Kind.DURATION):
            return self._ended(numeral(self._cursor))
        if token.kind is Kind.STRING:
            return self._ended(String(self._cursor.string(), token.position))
        if self._cursor.sees("("):
            return self._parenthesised()
        if self._cursor.sees("+", "-"):
            return self._signed()
        if selectors.names_metric(token):
            return self._named()
        if self._cursor.sees("{"):
            return self._ended(selectors.selector(self._cursor, None))
        return self._cursor.unexpected()

    def _begins(self) -> bool:
        """Whether the next token can be an expression's first."""
        token = self._cursor.token
        literal = token.kind in (Kind.NUMBER, Kind.DURATION, Kind.STRING)
        return literal or self._cursor.sees("(", "{", "+", "-") or selectors.names_metric(token)

    def _parenthesised(self) -> Expr:
        start = self._cursor.advance().position
        expr = self._expression(0)
        self._cursor.expect(")")
        return self._ended(Paren(expr, start))

    def _signed(self) -> Expr:
        sign = self._cursor.advance()
        expr = self._expression(_UNARY_POWER)
        if isinstance(expr, Number):
            return self._ended(signed(expr, sign.text, sign.position))
        return self._ended(Unary(sign.text, expr, sign.position))

    def _named(self) -> Expr:
        """What begins with a word: an aggregation, a call, or a selector."""
        name = self._cursor.advance()
        if name.kind is Kind.WORD and name.word in AGGREGATION_WORDS and self._cursor.sees("by", "without", "("):
            return self._aggregation(name)
        callable_name = selectors.is_identifier(name) or name.word in QUERY_WORDS
        if name.kind is Kind.WORD and callable_name and self._cursor.sees("("):
            return self._call(name)
        return self._ended(selectors.selector(self._cursor, name))

    def _call(self, name: Token) -> Expr:
        args = self._arguments()
        function = name.word if name.word in QUERY_WORDS else name.text
        if function not in SIGNATURES:
            self._cursor.fail(f"unknown function with name {go_quoted(name.text)}", name.position)
        return self._ended(Call(function, args, name.position))

    def _arguments(self) -> tuple[Expr, ...]:
        self._cursor.expect("(")
        args: list[Expr] = []
        while not self._cursor.accept(")"):
            args.append(self._expression(0))
            if self._cursor.sees(","):
                self._comma()
            elif not self._cursor.sees(")"):
                self._cursor.unexpected()
        return tuple(args)

    def _comma(self) -> None:
        """Whatever cannot begin an expression is told of as a comma too many."""
        position = self._cursor.advance().position
        if not self._begins():
            self._cursor.fail("trailing commas not allowed in function call args", position)

    def _aggregation(self, name: Token) -> Expr:
        with self._cursor.aggregating():
            grouping, without, grouped = self._grouping()
            args = self._arguments()
            if not grouped:
                grouping, without, _ = self._grouping()
        return self._ended(self._aggregate(name, args, grouping, without))

    def _grouping(self) -> tuple[tuple[str, ...], bool, bool]:
        if not self._cursor.sees("by", "without"):
            return (), False, False
        without = self._cursor.advance().word == "without"
        return selectors.labels(self._cursor), without, True

    def _aggregate(self, name: Token, args: tuple[Expr, ...], grouping: tuple[str, ...], without: bool) -> Aggregate:
        wanted = 1 if AGGREGATIONS[name.word] is None else 2
        if not args:
            self._cursor.fail("no arguments for aggregate expression provided", name.position)
        if len(args) != wanted:
            message = f"wrong number of arguments for aggregate expression provided, expected {wanted}, got {len(args)}"
            self._cursor.fail(message, name.position)
        return Aggregate(name.word, args[-1], args[0] if wanted == 2 else None, grouping, without, name.position)
