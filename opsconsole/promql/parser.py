"""A Pratt parser: text in, a typed tree out, or a `QueryError` that says where (docs/adr/0002-own-promql-parser.md)."""

from dataclasses import replace
from functools import lru_cache

from opsconsole.model import QueryError
from opsconsole.promql import prometheus2, selectors
from opsconsole.promql.cursor import Cursor
from opsconsole.promql.lexer import Kind
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
)
from opsconsole.promql.signatures import AGGREGATIONS, NEWER, SIGNATURES
from opsconsole.promql.types import Checker

_POWERS = [("or",), ("and", "unless"), tuple(sorted(COMPARISONS | TRIMS)), ("+", "-"), ("*", "/", "%", "atan2"), ("^",)]
_POWER = {op: power for power, ops in enumerate(_POWERS, start=1) for op in ops}
_RIGHT_ASSOCIATIVE = "^"
_UNARY_POWER = _POWER["*"]
_NOT_FUNCTIONS = selectors.NEVER_NAMES | {"and", "or", "unless", "by", "without", "offset"}
_ANY_CASE = frozenset({"start", "end", "step", "range", "min_of", "max_of"})
"""Functions whose names are keywords too, and keywords may be written in capitals."""
_LONGEST_CHAIN = 250
_LONGEST = 200_000


@lru_cache(maxsize=4096)
def parse(text: str, compat: int = 3) -> Expr:
    """The tree of a PromQL expression, its types checked. Raises QueryError of kind `bad_data` with a position."""
    if compat == 2:
        return prometheus2.parse(text)
    try:
        return _Parser(text, compat).whole()
    except RecursionError:
        raise QueryError("the expression is too deeply nested", "bad_data") from None


class _Parser:
    def __init__(self, text: str, compat: int) -> None:
        self._cursor = Cursor(text, compat)
        self._aggregations = AGGREGATIONS.keys() - NEWER if compat == 2 else AGGREGATIONS.keys()
        if len(text) > _LONGEST:
            self._cursor.fail(f"the expression is longer than {_LONGEST} characters")

    def whole(self) -> Expr:
        if self._cursor.ended():
            self._cursor.fail("no expression found in input")
        expr = self._expression(0)
        if self._cursor.sees(")"):
            self._cursor.fail("unexpected right parenthesis ')'")
        if not self._cursor.ended():
            self._cursor.unexpected("")
        Checker(self._cursor.text).check(expr)
        return expr

    def _expression(self, power: int) -> Expr:
        """The longest expression whose operators bind tighter than `power`."""
        with self._cursor.nested():
            left, chained = self._operand(), 0
            while (op := self._operator()) and _POWER[op] > power:
                if (chained := chained + 1) > _LONGEST_CHAIN:
                    self._cursor.fail(f"more than {_LONGEST_CHAIN} operators in a row")
                left = self._binary(left, op)
        return left

    def _operator(self) -> str:
        token = self._cursor.token
        word = token.text.lower() if token.kind is Kind.WORD else token.text
        return word if token.kind in (Kind.WORD, Kind.SYMBOL) and word in _POWER else ""

    def _binary(self, left: Expr, op: str) -> Binary:
        position = self._cursor.advance().position
        returns_bool = self._cursor.accept("bool")
        if returns_bool and op not in COMPARISONS:
            self._cursor.fail("bool modifier can only be used on comparison operators", position)
        matching = self._filling(op, self._matching(op))
        right = self._expression(_POWER[op] - (op == _RIGHT_ASSOCIATIVE))
        return Binary(op, left, right, matching, returns_bool, position)

    def _matching(self, op: str) -> Matching:
        cardinality = Cardinality.MANY_TO_MANY if op in SET_OPERATORS else Cardinality.ONE_TO_ONE
        if not self._cursor.sees("on", "ignoring"):
            return Matching(cardinality)
        on, start = self._cursor.advance().text.lower() == "on", self._cursor.token.position
        labels = selectors.labels(self._cursor)
        if not self._cursor.sees("group_left", "group_right"):
            return Matching(cardinality, on, labels)
        left = self._cursor.advance().text.lower() == "group_left"
        include = selectors.labels(self._cursor) if self._cursor.sees("(") else ()
        if op in SET_OPERATORS:
            self._cursor.fail(f'no grouping allowed for "{op}" operation', start)
        if on and (both := set(labels) & set(include)):
            self._cursor.fail(f'label "{min(both)}" must not occur in ON and GROUP clause at once', start)
        return Matching(Cardinality.MANY_TO_ONE if left else Cardinality.ONE_TO_MANY, on, labels, include)

    def _filling(self, op: str, matching: Matching) -> Matching:
        """`fill(x)` for both sides, or `fill_left(x)` and `fill_right(x)` in any order."""
        fills: dict[str, float] = {}
        while (
            self._cursor.compat > 2
            and self._cursor.following.text == "("
            and self._cursor.sees("fill", "fill_left", "fill_right")
        ):
            token = self._cursor.token
            word = token.text.lower()
            if "fill" in fills or word in fills or (word == "fill" and fills):
                self._cursor.unexpected("")
            self._cursor.advance()
            fills[word] = self._fill_value()
        if fills and op in SET_OPERATORS:
            self._cursor.fail("filling in missing series not allowed for set operators")
        both = fills.get("fill")
        return replace(matching, fill_left=fills.get("fill_left", both), fill_right=fills.get("fill_right", both))

    def _fill_value(self) -> float:
        self._cursor.expect("(", "")
        negative = self._cursor.sees("-")
        self._cursor.accept("-", "+")
        value = float(self._cursor.advance().text) if self._cursor.sees("inf", "nan") else self._number()
        self._cursor.expect(")", "")
        return -value if negative else value

    def _number(self) -> float:
        if self._cursor.token.kind not in (Kind.NUMBER, Kind.DURATION):
            self._cursor.unexpected("")
        return self._cursor.number()

    def _operand(self) -> Expr:
        token = self._cursor.token
        match token.kind:
            case Kind.NUMBER | Kind.DURATION:
                return selectors.modified(self._cursor, Number(self._cursor.number(), token.position))
            case Kind.STRING:
                return selectors.modified(self._cursor, String(self._cursor.string(""), token.position))
            case Kind.WORD:
                return selectors.modified(self._cursor, self._named(token.text, token.position))
        if self._cursor.sees("{"):
            return selectors.modified(self._cursor, selectors.selector(self._cursor))
        if self._cursor.sees("("):
            return selectors.modified(self._cursor, self._parenthesised())
        if self._cursor.accept("+", "-"):
            return _signed(token.text, self._expression(_UNARY_POWER), token.position)
        return self._cursor.unexpected("")

    def _parenthesised(self) -> Paren:
        start = self._cursor.advance().position
        expr = self._expression(0)
        self._close("unclosed left parenthesis")
        return Paren(expr, start)

    def _close(self, complaint: str) -> None:
        if self._cursor.ended():
            self._cursor.fail(complaint)
        self._cursor.expect(")", "")

    def _named(self, word: str, position: int) -> Expr:
        """What begins with a word: an aggregation, a call, a special number, or a selector."""
        lower, following = word.lower(), self._cursor.following
        if lower in self._aggregations and (following.text == "(" or following.text.lower() in ("by", "without")):
            return self._aggregation(lower, position)
        if lower in ("inf", "nan") and following.text != "{":
            self._cursor.advance()
            return Number(float(lower), position)
        if following.text == "(" and following.kind is Kind.SYMBOL and lower not in _NOT_FUNCTIONS:
            return self._call(word, position)
        if lower in selectors.NEVER_NAMES:
            self._cursor.unexpected("")
        return selectors.selector(self._cursor)

    def _call(self, name: str, position: int) -> Call:
        name = name.lower() if name.lower() in _ANY_CASE else name
        if name not in SIGNATURES or (self._cursor.compat == 2 and name in NEWER):
            self._cursor.fail(f'unknown function with name "{name}"', position)
        self._cursor.advance()
        return Call(name, self._arguments(), position)

    def _arguments(self) -> tuple[Expr, ...]:
        self._cursor.expect("(", "function call")
        args: list[Expr] = []
        while not self._cursor.sees(")"):
            args.append(self._expression(0))
            if not self._cursor.accept(","):
                break
            if self._cursor.sees(")"):
                self._cursor.fail("trailing commas not allowed in function call args")
        self._close("unclosed left parenthesis")
        return tuple(args)

    def _aggregation(self, op: str, position: int) -> Aggregate:
        self._cursor.advance()
        grouping, without, grouped = self._grouping()
        args = self._arguments()
        if not grouped:
            grouping, without, _ = self._grouping()
        wanted = 1 if AGGREGATIONS[op] is None else 2
        if not args:
            self._cursor.fail("no arguments for aggregate expression provided", position)
        if len(args) != wanted:
            message = f"wrong number of arguments for aggregate expression provided, expected {wanted}, got {len(args)}"
            self._cursor.fail(message, position)
        return Aggregate(op, args[-1], args[0] if wanted == 2 else None, grouping, without, position)

    def _grouping(self) -> tuple[tuple[str, ...], bool, bool]:
        if not self._cursor.sees("by", "without"):
            return (), False, False
        without = self._cursor.advance().text.lower() == "without"
        return selectors.labels(self._cursor), without, True


def _signed(op: str, expr: Expr, position: int) -> Expr:
    if isinstance(expr, Number):
        return Number(-expr.value if op == "-" else expr.value, position)
    return Unary(op, expr, position)
