"""Whether every part of an expression has the type that its place asks for; messages are worded as Prometheus words them."""

from collections.abc import Mapping
from typing import NoReturn

from opsconsole.model.matching import predicate
from opsconsole.promql.nodes import (
    COMPARISONS,
    SET_OPERATORS,
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    Number,
    Paren,
    Range,
    Selector,
    String,
    Subquery,
    Unary,
    ValueType,
    start_of,
)
from opsconsole.promql.signatures import AGGREGATIONS, SIGNATURES
from opsconsole.promql.tokens import go_quoted, parse_error


def type_of(expr: Expr) -> ValueType:
    match expr:
        case Number():
            return ValueType.SCALAR
        case String():
            return ValueType.STRING
        case Range() | Subquery():
            return ValueType.MATRIX
        case Paren() | Unary():
            return type_of(expr.expr)
        case Call():
            return SIGNATURES[expr.name].returns
        case Binary():
            both = {type_of(expr.left), type_of(expr.right)}
            return ValueType.SCALAR if both == {ValueType.SCALAR} else ValueType.VECTOR
        case _:
            return ValueType.VECTOR


_COMPUTABLE = (ValueType.SCALAR, ValueType.VECTOR)
_SHORT = {ValueType.SCALAR: "scalar", ValueType.VECTOR: "vector", ValueType.MATRIX: "matrix", ValueType.STRING: "string"}


class Checker:
    """Raises QueryError for the first part that does not fit. `ends` has each expression's end, by its identity."""

    def __init__(self, text: str, ends: Mapping[int, tuple[Expr, int]]) -> None:
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
        raise parse_error(self._text, start_of(expr), message)

    def _fail_at_operator(self, expr: Binary, message: str) -> NoReturn:
        """From the end of the left side, past white space only: a comment there is where Prometheus points to."""
        rest = self._text[self._ends[id(expr.left)][1] :]
        raise parse_error(self._text, len(self._text) - len(rest.lstrip(" \t\n\r")), message)

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
        fewest, most = signature.fewest, signature.most
        if fewest == most != given:
            self._fail(call, f'expected {most} argument(s) in call to "{call.name}", got {given}')
        if given < fewest:
            self._fail(call, f'expected at least {fewest} argument(s) in call to "{call.name}", got {given}')
        if given > most:
            self._fail(call, f'expected at most {most} argument(s) in call to "{call.name}", got {given}')
        args = call.args
        if call.name == "info" and given > 1:
            self._label_selector(call, args[1])
            args = args[:1]
        for index, arg in enumerate(args):
            self._expect(arg, signature.arg(index), f'call to function "{call.name}"')

    def _label_selector(self, call: Call, arg: Expr) -> None:
        """The second argument of `info`: matchers in braces, any at all."""
        if type_of(arg) is not ValueType.VECTOR:
            self._fail(call, f'expected type {ValueType.VECTOR} in call to function "info", got {type_of(arg)}')
        if not isinstance(arg, Selector):
            self._fail(arg, "expected label selectors only")
        if self._named(arg):
            self._fail(arg, "expected label selectors only, got vector selector instead")

    def _binary(self, expr: Binary) -> None:
        left, right = self.check(expr.left), self.check(expr.right)
        if expr.returns_bool and expr.op not in COMPARISONS:
            self._fail_at_operator(expr, "bool modifier can only be used on comparison operators")
        if left is right is ValueType.SCALAR and expr.op in COMPARISONS and not expr.returns_bool:
            self._fail_at_operator(expr, "comparisons between scalars must use BOOL modifier")
        for label in expr.matching.labels:
            if expr.matching.on and label in expr.matching.include:
                self._fail_at_operator(expr, f"label {go_quoted(label)} must not occur in ON and GROUP clause at once")
        for side, kind in ((expr.left, left), (expr.right, right)):
            if kind not in _COMPUTABLE:
                self._fail(side, "binary expression must contain only scalar and instant vector types")
        self._matching(expr, vectors=left is right is ValueType.VECTOR)

    def _matching(self, expr: Binary, *, vectors: bool) -> None:
        matching, setting = expr.matching, expr.op in SET_OPERATORS
        filling = matching.fill_left is not None or matching.fill_right is not None
        if not vectors and matching.labels:
            self._fail(expr, "vector matching only allowed between instant vectors")
        if not vectors and filling:
            self._fail(expr, "filling in missing series only allowed between instant vectors")
        if vectors and setting and matching.cardinality is not Cardinality.MANY_TO_MANY:
            self._fail(expr, f'no grouping allowed for "{expr.op}" operation')
        if vectors and setting and filling:
            self._fail(expr, "filling in missing series not allowed for set operators")
        if not vectors and setting:
            self._fail(expr, f'set operator "{expr.op}" not allowed in binary scalar expression')

    def _unary(self, expr: Unary) -> None:
        if (kind := self.check(expr.expr)) not in _COMPUTABLE:
            self._fail(expr, f'unary expression only allowed on expressions of type scalar or instant vector, got "{kind}"')

    def _subquery(self, expr: Subquery) -> None:
        if (kind := self.check(expr.expr)) is not ValueType.VECTOR:
            self._fail(expr, f"subquery is only allowed on instant vector, got {_SHORT[kind]} instead")

    def _named(self, expr: Selector) -> bool:
        """Whether a name stands before the braces; it is the first matcher then."""
        return not self._text.startswith("{", expr.position)

    def _selector(self, expr: Selector) -> None:
        if not self._named(expr):
            if all(predicate(matcher)("") for matcher in expr.matchers):
                self._fail(expr, "vector selector must contain at least one non-empty matcher")
            return
        for matcher in expr.matchers[1:]:
            if matcher.name == "__name__":
                both = f"{go_quoted(expr.matchers[0].value)} or {go_quoted(matcher.value)}"
                self._fail(expr, f"metric name must not be set twice: {both}")
