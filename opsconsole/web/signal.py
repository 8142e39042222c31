"""What a rule watches, taken out of its expression: the measured side of `measured > limit`, and the limit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from opsconsole import promql
from opsconsole.model import QueryError
from opsconsole.promql import nodes
from opsconsole.promql.nodes import Expr


@dataclass(frozen=True, slots=True)
class Signal:
    """An expression to draw, and the limit that the rule compares it with, where it is a number."""

    expr: str
    limit: float | None = None
    lower_is_worse: bool = False


def signals(text: str, recorded: Mapping[str, str] = MappingProxyType({})) -> list[Signal]:
    """The comparisons that the rule's `or`s and `and`s put together, in order; the whole rule where there is none.

    A rule that is but the name of a recorded series (`recorded`: expressions by name) watches what that one is made of.
    """
    text = recorded.get(text.strip(), text)
    try:
        found = list(_comparisons(promql.parse(text), text))
    except QueryError:
        return []
    return [*found, Signal(text)]


def _comparisons(expr: Expr, text: str) -> Iterator[Signal]:
    expr = nodes.bare(expr)
    if not isinstance(expr, nodes.Binary):
        return
    if expr.op in nodes.SET_OPERATORS:
        yield from _comparisons(expr.left, text)
        if expr.op == "or":
            yield from _comparisons(expr.right, text)
    elif expr.op in nodes.COMPARISONS and isinstance(expr.right, nodes.Number):
        before = text[_start(expr.left) : expr.right.position].rstrip()
        measured = before.removesuffix("bool").rstrip().removesuffix(expr.op).rstrip()
        if _parses(measured):
            limit = expr.right.value if expr.op in (">", ">=", "<", "<=") else None
            yield Signal(measured, limit, expr.op in ("<", "<="))


def _start(expr: Expr) -> int:
    return _start(expr.left) if isinstance(expr, nodes.Binary) else expr.position


def _parses(text: str) -> bool:
    try:
        promql.parse(text)
    except QueryError:
        return False
    return True
