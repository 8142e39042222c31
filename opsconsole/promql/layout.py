"""An expression over several lines, indented, where it is too long for one: the form of Prometheus' `format_query`.

prometheus/prometheus, `promql/parser/prettier.go`, tells what is split and where.
"""

from opsconsole.promql.nodes import Aggregate, Binary, Call, Expr, Paren, Subquery, Unary, children
from opsconsole.promql.printer import aggregation_head, operator, show, subquery_suffix

_WIDTH = 100
"""Bytes of an expression that stays on one line."""
_INDENT = "  "
_SPLIT = (Aggregate, Binary, Call, Paren)


def pretty(expr: Expr, width: int = _WIDTH) -> str:
    return _Layout(width).text(expr, 0)


class _Layout:
    def __init__(self, width: int) -> None:
        self._width = width
        self._fits: dict[int, bool] = {}

    def text(self, expr: Expr, level: int) -> str:
        indent = _INDENT * level
        match expr:
            case Unary():
                return f"{indent}{expr.op}{self.text(expr.expr, level).strip()}"
            case Subquery() if self._is_short(expr):
                return show(expr)
            case Subquery():
                return self.text(expr.expr, level) + subquery_suffix(expr)
        return self._split(expr, level, indent) if isinstance(expr, _SPLIT) and not self._is_short(expr) else indent + show(expr)

    def _split(self, expr: Aggregate | Binary | Call | Paren, level: int, indent: str) -> str:
        match expr:
            case Binary():
                return f"{self.text(expr.left, level + 1)}\n{indent}{operator(expr)}\n{self.text(expr.right, level + 1)}"
            case Aggregate():
                head = aggregation_head(expr)
            case Call():
                head = expr.name
            case Paren():
                head = ""
        inside = ",\n".join(self.text(child, level + 1) for child in children(expr))
        return f"{indent}{head}(\n{inside}\n{indent})"

    def _is_short(self, expr: Expr) -> bool:
        """Whether it fits on a line; what holds something that does not fit need not be written to know."""
        if (known := self._fits.get(id(expr))) is None:
            known = all(map(self._is_short, children(expr))) and len(show(expr).encode(errors="replace")) <= self._width
            self._fits[id(expr)] = known
        return known
