"""An expression as canonical text: reads back as the same tree, and equal trees print alike."""

from opsconsole.model import Matcher
from opsconsole.promql.literals import format_duration_ms, format_value, quote
from opsconsole.promql.nodes import (
    SET_OPERATORS,
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    Matching,
    Number,
    Paren,
    Range,
    Selector,
    String,
    Subquery,
    Unary,
)
from opsconsole.promql.selectors import is_label_name, is_metric_name


def show(expr: Expr) -> str:
    match expr:
        case Number():
            return format_value(expr.value)
        case String():
            return quote(expr.value)
        case Paren():
            return f"({show(expr.expr)})"
        case Unary():
            return f"{expr.op}{show(expr.expr)}"
        case Call():
            return f"{expr.name}({', '.join(map(show, expr.args))})"
        case Selector():
            return _selector(expr) + _modifiers(expr)
        case Range():
            return f"{_selector(expr.selector)}[{_duration(expr.range_ms, expr.range_expr)}]{_modifiers(expr.selector)}"
        case Subquery():
            step = "" if expr.step_ms is None else _duration(expr.step_ms, expr.step_expr)
            return f"{show(expr.expr)}[{_duration(expr.range_ms, expr.range_expr)}:{step}]{_modifiers(expr)}"
        case Aggregate():
            return _aggregate(expr)
        case Binary():
            return _binary(expr)


def _selector(expr: Selector) -> str:
    first, rest = expr.matchers[0], list(expr.matchers)
    named = [matcher for matcher in rest if matcher.name == "__name__" and matcher.op == "="]
    if named != [first] or not is_metric_name(first.value):
        return "{" + ", ".join(map(_matcher, rest)) + "}"
    return first.value + ("{" + ", ".join(map(_matcher, rest[1:])) + "}" if rest[1:] else "")


def _matcher(matcher: Matcher) -> str:
    return f"{_label(matcher.name)}{matcher.op}{quote(matcher.value)}"


def _label(name: str) -> str:
    return name if is_label_name(name) else quote(name)


def _labels(names: tuple[str, ...]) -> str:
    return "(" + ", ".join(map(_label, names)) + ")"


def _modifiers(expr: Selector | Subquery) -> str:
    at = "" if expr.at is None else f" @ {expr.at}()" if isinstance(expr.at, str) else f" @ {expr.at / 1000:.3f}"
    offset = f" offset {_duration(expr.offset_ms, expr.offset_expr)}" if expr.offset_ms or expr.offset_expr is not None else ""
    edges = f" {expr.edges}" if isinstance(expr, Selector) and expr.edges else ""
    return edges + at + offset


def _duration(ms: int, computed: Expr | None) -> str:
    return format_duration_ms(ms) if computed is None else show(computed)


def _aggregate(expr: Aggregate) -> str:
    grouping = f" {'without' if expr.without else 'by'} {_labels(expr.grouping)} " if expr.grouping or expr.without else ""
    param = "" if expr.param is None else f"{show(expr.param)}, "
    return f"{expr.op}{grouping}({param}{show(expr.expr)})"


def _binary(expr: Binary) -> str:
    matching = expr.matching
    words = [expr.op + (" bool" if expr.returns_bool else "")]
    grouped = matching.cardinality in (Cardinality.MANY_TO_ONE, Cardinality.ONE_TO_MANY)
    if matching.on or matching.labels or grouped:
        words.append(f"{'on' if matching.on else 'ignoring'} {_labels(matching.labels)}")
    if grouped and expr.op not in SET_OPERATORS:
        side = "group_left" if matching.cardinality is Cardinality.MANY_TO_ONE else "group_right"
        words.append(f"{side} {_labels(matching.include)}")
    words += _fills(matching)
    return f"{show(expr.left)} {' '.join(words)} {show(expr.right)}"


def _fills(matching: Matching) -> list[str]:
    sides = [("left", matching.fill_left), ("right", matching.fill_right)]
    return [f"fill_{side} ({format_value(value)})" for side, value in sides if value is not None]
