"""Whether every part of an expression has the type that its place asks for; messages are worded as Prometheus words them."""

from typing import NoReturn

from opsconsole.promql.lexer import parse_error
from opsconsole.promql.matchers import predicate
from opsconsole.promql.nodes import (
    COMPARISONS,
    SET_OPERATORS,
    Aggregate,
    Binary,
    Call,
    Expr,
    Number,
    Paren,
    Range,
    Selector,
    String,
    Subquery,
    Unary,
    ValueType,
    children,
)
from opsconsole.promql.signatures import AGGREGATIONS, SIGNATURES


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


class Checker:
    """Raises QueryError for the first part, innermost first, that does not fit."""

    def __init__(self, text: str) -> None:
        self._text = text

    def check(self, expr: Expr) -> None:
        if not isinstance(expr, Call):
            for child in children(expr):
                self.check(child)
        match expr:
            case Call():
                self._call(expr)
            case Selector():
                self._selector(expr)
            case Aggregate():
                self._aggregate(expr)
            case Binary():
                self._binary(expr)
            case Unary():
                self._unary(expr)
            case Subquery():
                self._subquery(expr)

    def _fail(self, expr: Expr, message: str) -> NoReturn:
        raise parse_error(self._text, expr.position, message)

    def _expect(self, expr: Expr, wanted: ValueType, context: str) -> None:
        if (got := type_of(expr)) is not wanted:
            self._fail(expr, f"expected type {wanted} in {context}, got {got}")

    def _call(self, call: Call) -> None:
        signature, given = SIGNATURES[call.name], len(call.args)
        fewest, most = signature.fewest, signature.most
        if fewest == most != given:
            self._fail(call, f'expected {most} argument(s) in call to "{call.name}", got {given}')
        if given < fewest:
            self._fail(call, f'expected at least {fewest} argument(s) in call to "{call.name}", got {given}')
        if given > most:
            self._fail(call, f'expected at most {most} argument(s) in call to "{call.name}", got {given}')
        if call.name == "info" and given > 1:
            self._label_selector(call, call.args[1])
        for index, arg in enumerate(call.args):
            if call.name != "info" or index == 0:
                self.check(arg)
            self._expect(arg, signature.arg(index), f'call to function "{call.name}"')

    def _label_selector(self, call: Call, arg: Expr) -> None:
        """The second argument of `info`: matchers in braces, any at all."""
        if type_of(arg) is not ValueType.VECTOR:
            self._fail(call, f'expected type {ValueType.VECTOR} in call to function "info", got {type_of(arg)}')
        if not isinstance(arg, Selector):
            self._fail(arg, "expected label selectors only")
        if self._text[arg.position] != "{":
            self._fail(arg, "expected label selectors only, got vector selector instead")

    def _selector(self, expr: Selector) -> None:
        if all(predicate(matcher)("") for matcher in expr.matchers):
            self._fail(expr, "vector selector must contain at least one non-empty matcher")

    def _aggregate(self, expr: Aggregate) -> None:
        self._expect(expr.expr, ValueType.VECTOR, "aggregation expression")
        wanted = AGGREGATIONS[expr.op]
        if wanted is not None and expr.param is not None:
            self._expect(expr.param, wanted, "aggregation parameter")

    def _binary(self, expr: Binary) -> None:
        sides = [type_of(expr.left), type_of(expr.right)]
        for side, kind in zip((expr.left, expr.right), sides, strict=True):
            if kind not in (ValueType.SCALAR, ValueType.VECTOR):
                self._fail(side, "binary expression must contain only scalar and instant vector types")
        scalars = sides.count(ValueType.SCALAR)
        if scalars and expr.op in SET_OPERATORS:
            self._fail(expr, f'set operator "{expr.op}" not allowed in binary scalar expression')
        if scalars and expr.matching.labels:
            self._fail(expr, "vector matching only allowed between instant vectors")
        if scalars and expr.matching.fill_left is expr.matching.fill_right is not None:
            self._fail(expr, "filling in missing series only allowed between instant vectors")
        if scalars == 2 and expr.op in COMPARISONS and not expr.returns_bool:
            self._fail(expr, "comparisons between scalars must use BOOL modifier")

    def _unary(self, expr: Unary) -> None:
        kind = type_of(expr.expr)
        if kind not in (ValueType.SCALAR, ValueType.VECTOR):
            self._fail(expr, f'unary expression only allowed on expressions of type scalar or instant vector, got "{kind}"')

    def _subquery(self, expr: Subquery) -> None:
        kind = type_of(expr.expr)
        if kind is not ValueType.VECTOR:
            self._fail(expr, f"subquery is only allowed on instant vector, got {kind} instead")
