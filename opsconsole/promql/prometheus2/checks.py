"""Whether every part of an expression has the type that its place asks for, looked at in Prometheus 2.42's order."""

from typing import NoReturn

from opsconsole.promql.matchers import predicate
from opsconsole.promql.nodes import (
    COMPARISONS,
    SET_OPERATORS,
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    Paren,
    Range,
    Selector,
    Subquery,
    Unary,
    ValueType,
)
from opsconsole.promql.prometheus2.words import go_quoted, parse_error
from opsconsole.promql.signatures import AGGREGATIONS, SIGNATURES
from opsconsole.promql.types import type_of

_COMPUTABLE = (ValueType.SCALAR, ValueType.VECTOR)
_SHORT = {ValueType.SCALAR: "scalar", ValueType.VECTOR: "vector", ValueType.MATRIX: "matrix", ValueType.STRING: "string"}


def starts(expr: Expr) -> int:
    """Where the text of an expression begins; a binary one's position is its operator's."""
    while isinstance(expr, Binary | Subquery):
        expr = expr.left if isinstance(expr, Binary) else expr.expr
    return expr.position


class Checker:
    """Raises QueryError for the first part that does not fit. `ends` has each expression's end, by its identity."""

    def __init__(self, text: str, ends: dict[int, tuple[Expr, int]]) -> None:
        self._text, self._ends = text, ends

    def check(self, expr: Expr) -> ValueType:
        match expr:
            case Aggregate():
                self._aggregate(expr)
            case Binary():
                self._binary(expr)
            case Call():
                self._call(expr)
            case Paren():
                self.check(expr.expr)
            case Unary():
                self._unary(expr)
            case Subquery():
                self._subquery(expr)
            case Range():
                self.check(expr.selector)
            case Selector():
                self._selector(expr)
        return type_of(expr)

    def _fail(self, expr: Expr, message: str) -> NoReturn:
        raise parse_error(self._text, starts(expr), message)

    def _expect(self, expr: Expr, wanted: ValueType, context: str) -> None:
        if (got := self.check(expr)) is not wanted:
            self._fail(expr, f"expected type {wanted} in {context}, got {got}")

    def _aggregate(self, expr: Aggregate) -> None:
        self._expect(expr.expr, ValueType.VECTOR, "aggregation expression")
        wanted = AGGREGATIONS[expr.op]
        if wanted is not None and expr.param is not None:
            self._expect(expr.param, wanted, "aggregation parameter")

    def _call(self, call: Call) -> None:
        signature, given = SIGNATURES[call.name], len(call.args)
        most, named = len(signature.args), go_quoted(call.name)
        fixed = signature.fewest == most and not signature.repeats
        if fixed and given != most:
            self._fail(call, f"expected {most} argument(s) in call to {named}, got {given}")
        if given < signature.fewest:
            self._fail(call, f"expected at least {signature.fewest} argument(s) in call to {named}, got {given}")
        if given > most and not signature.repeats:
            self._fail(call, f"expected at most {most} argument(s) in call to {named}, got {given}")
        for index, arg in enumerate(call.args):
            self._expect(arg, signature.arg(index), f"call to function {named}")

    def _binary(self, expr: Binary) -> None:
        left, right = self.check(expr.left), self.check(expr.right)
        if expr.returns_bool and expr.op not in COMPARISONS:
            self._fail_at_operator(expr, "bool modifier can only be used on comparison operators")
        if left is right is ValueType.SCALAR and expr.op in COMPARISONS and not expr.returns_bool:
            self._fail_at_operator(expr, "comparisons between scalars must use BOOL modifier")
        self._labels(expr)
        for side, kind in ((expr.left, left), (expr.right, right)):
            if kind not in _COMPUTABLE:
                self._fail(side, "binary expression must contain only scalar and instant vector types")
        self._vector_matching(expr, vectors=left is right is ValueType.VECTOR)

    def _labels(self, expr: Binary) -> None:
        for label in expr.matching.labels:
            if expr.matching.on and label in expr.matching.include:
                self._fail_at_operator(expr, f"label {go_quoted(label)} must not occur in ON and GROUP clause at once")

    def _vector_matching(self, expr: Binary, *, vectors: bool) -> None:
        op = go_quoted(expr.op)
        if not vectors and expr.matching.labels:
            self._fail(expr, "vector matching only allowed between instant vectors")
        grouped = expr.matching.cardinality in (Cardinality.ONE_TO_MANY, Cardinality.MANY_TO_ONE)
        if vectors and expr.op in SET_OPERATORS and grouped:
            self._fail(expr, f"no grouping allowed for {op} operation")
        if not vectors and expr.op in SET_OPERATORS:
            self._fail(expr, f"set operator {op} not allowed in binary scalar expression")

    def _fail_at_operator(self, expr: Binary, message: str) -> NoReturn:
        """From the end of the left side, past white space only: a comment there is where the original points to."""
        end = self._ends[id(expr.left)][1]
        raise parse_error(self._text, end + len(self._text[end:]) - len(self._text[end:].lstrip(" \t\n\r")), message)

    def _unary(self, expr: Unary) -> None:
        if (kind := self.check(expr.expr)) not in _COMPUTABLE:
            told = f'unary expression only allowed on expressions of type scalar or instant vector, got "{kind}"'
            self._fail(expr, told)

    def _subquery(self, expr: Subquery) -> None:
        if (kind := self.check(expr.expr)) is not ValueType.VECTOR:
            self._fail(expr, f"subquery is only allowed on instant vector, got {_SHORT[kind]} instead")

    def _selector(self, expr: Selector) -> None:
        """A name before the braces is the first matcher, and stands where the selector stands."""
        named = not self._text.startswith("{", expr.position)
        if not named and not any(not predicate(matcher)("") for matcher in expr.matchers):
            self._fail(expr, "vector selector must contain at least one non-empty matcher")
        for matcher in expr.matchers[1:] if named else ():
            if matcher.name == "__name__":
                both = f"{go_quoted(expr.matchers[0].value)} or {go_quoted(matcher.value)}"
                self._fail(expr, f"metric name must not be set twice: {both}")
