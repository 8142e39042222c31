"""The syntax tree: frozen values, each knowing where in the text it starts (`position`, which does not count in comparisons)."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from opsconsole.model import Matcher


class ValueType(enum.StrEnum):
    """The four types, in the words of Prometheus' error messages."""

    SCALAR = "scalar"
    VECTOR = "instant vector"
    MATRIX = "range vector"
    STRING = "string"


class Cardinality(enum.StrEnum):
    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"
    ONE_TO_MANY = "one-to-many"
    MANY_TO_MANY = "many-to-many"


At = int | Literal["start", "end"] | None
"""What follows `@`: Unix milliseconds, or the start or end of the whole query."""

Edges = Literal["", "anchored", "smoothed"]
"""Where a selector's samples end: as they are, held from before the window, or interpolated to its edges."""


Notation = Literal["decimal", "general", "duration"]
"""How a number prints: without an exponent, with one where Go's `%v` has one, or as the duration that it was written as."""


@dataclass(frozen=True, slots=True)
class Number:
    value: float
    position: int = field(default=0, compare=False)
    notation: Notation = field(default="decimal", compare=False)


@dataclass(frozen=True, slots=True)
class String:
    value: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Selector:
    """An instant vector selector; a metric name is the matcher on `__name__` like any other.

    `named`: the first matcher stands in front of the braces.

    An `…_expr`, here and below, is a duration that depends on the query; `durations.resolved` puts its milliseconds in place.
    """

    matchers: tuple[Matcher, ...]
    offset_ms: int = 0
    at: At = None
    edges: Edges = ""
    offset_expr: "Expr | None" = None
    position: int = field(default=0, compare=False)
    named: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Range:
    """A range vector selector: `selector[range]`; the selector carries offset and `@`."""

    selector: Selector
    range_ms: int
    range_expr: "Expr | None" = None
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Subquery:
    """`expr[range:step]`; without a step (None) the engine's default interval is taken."""

    expr: "Expr"
    range_ms: int
    step_ms: int | None
    offset_ms: int = 0
    at: At = None
    range_expr: "Expr | None" = None
    step_expr: "Expr | None" = None
    offset_expr: "Expr | None" = None
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Paren:
    expr: "Expr"
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    args: tuple["Expr", ...]
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Unary:
    op: str
    expr: "Expr"
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Matching:
    """How series of two vectors find each other: on `labels`, or ignoring them; `include` are group_left's and group_right's.

    A fill is the value that stands in for a side's missing element. `shown`: 2.42 prints neither `ignoring ()` nor the grouping
    after it.
    """

    cardinality: Cardinality = Cardinality.ONE_TO_ONE
    on: bool = False
    labels: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None
    shown: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    op: str
    left: "Expr"
    right: "Expr"
    matching: Matching = Matching()
    returns_bool: bool = False
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Aggregate:
    op: str
    expr: "Expr"
    param: "Expr | None" = None
    grouping: tuple[str, ...] = ()
    without: bool = False
    position: int = field(default=0, compare=False)


Expr = Number | String | Selector | Range | Subquery | Paren | Call | Unary | Binary | Aggregate

COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
SET_OPERATORS = frozenset({"and", "or", "unless"})
TRIMS = frozenset({"</", ">/"})
"""Operators that cut native histograms; there is no number that they could work on."""


def signed(number: Number, sign: str, position: int) -> Number:
    """A number whose sign was taken into it."""
    return Number(-number.value if sign == "-" else number.value, position, number.notation)


def children(expr: Expr) -> tuple[Expr, ...]:
    match expr:
        case Range():
            return (expr.selector,)
        case Subquery() | Paren() | Unary():
            return (expr.expr,)
        case Call():
            return expr.args
        case Binary():
            return (expr.left, expr.right)
        case Aggregate():
            return (expr.param, expr.expr) if expr.param is not None else (expr.expr,)
        case _:
            return ()


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and everything in it, outermost first."""
    pending = [expr]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(children(node)))


def matchers_of(expr: Expr) -> list[tuple[Matcher, ...]]:
    """The matchers of every selector, in order of appearance, each once."""
    return list(dict.fromkeys(node.matchers for node in walk(expr) if isinstance(node, Selector)))


def metric_names(expr: Expr) -> list[str]:
    """The metric names that the expression reads by name, in order of appearance."""
    names = (m.value for matchers in matchers_of(expr) for m in matchers if m.name == "__name__" and m.op == "=")
    return list(dict.fromkeys(names))


def bare(expr: Expr) -> Expr:
    """The expression inside its parentheses."""
    while isinstance(expr, Paren):
        expr = expr.expr
    return expr


def start_of(expr: Expr) -> int:
    """Where the expression begins; an operator's own place is between its operands."""
    while isinstance(expr, Binary):
        expr = expr.left
    return expr.position
