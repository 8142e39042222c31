"""Whether every part of an expression has the type that its place asks for, where Prometheus 2.42 says it otherwise than 3."""

from typing import NoReturn

from opsconsole.promql import types
from opsconsole.promql.nodes import Binary, Call, Expr, Subquery
from opsconsole.promql.signatures import SIGNATURES
from opsconsole.promql.tokens import go_quoted, parse_error


def starts(expr: Expr) -> int:
    """Where the text of an expression begins; a binary one's position is its operator's."""
    while isinstance(expr, Binary | Subquery):
        expr = expr.left if isinstance(expr, Binary) else expr.expr
    return expr.position


class Checker(types.Checker):
    """Raises QueryError for the first part that does not fit."""

    def _fail(self, expr: Expr, message: str) -> NoReturn:
        raise parse_error(self._text, starts(expr), message)

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
