"""What Prometheus 2.42 evaluates once for all steps, and where it does not look for `@` at all."""

from dataclasses import replace

from opsconsole.promql.nodes import (
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
)

_BY_THE_CLOCK = frozenset(
    {
        "day_of_month",
        "day_of_week",
        "day_of_year",
        "days_in_month",
        "hour",
        "minute",
        "month",
        "predict_linear",
        "time",
        "timestamp",
        "year",
    }
)
"""Functions whose result may change with the step though their arguments do not."""


def invariant(expr: Expr) -> bool:
    """Whether Prometheus 2.42 evaluates an expression once for all steps. An aggregation's parameter it does not look at."""
    match expr:
        case Number() | String():
            return True
        case Selector() | Subquery():
            return expr.at is not None
        case Range():
            return expr.selector.at is not None
        case Paren() | Unary() | Aggregate():
            return invariant(expr.expr)
        case Binary():
            return invariant(expr.left) and invariant(expr.right)
        case Call():
            return expr.name not in _BY_THE_CLOCK and all(map(invariant, expr.args))


def overlooked(expr: Expr) -> Expr:
    """An aggregation's parameter as it is evaluated: `@ start()` and `@ end()` mean nothing in it."""
    match expr:
        case Selector():
            return replace(expr, at=None) if isinstance(expr.at, str) else expr
        case Range():
            selector = overlooked(expr.selector)
            assert isinstance(selector, Selector)
            return replace(expr, selector=selector)
        case Subquery():
            return replace(expr, expr=overlooked(expr.expr), at=None if isinstance(expr.at, str) else expr.at)
        case Paren() | Unary():
            return replace(expr, expr=overlooked(expr.expr))
        case Call():
            return replace(expr, args=tuple(map(overlooked, expr.args)))
        case Binary():
            return replace(expr, left=overlooked(expr.left), right=overlooked(expr.right))
        case Aggregate():
            return replace(expr, expr=overlooked(expr.expr), param=None if expr.param is None else overlooked(expr.param))
        case Number() | String():
            return expr
