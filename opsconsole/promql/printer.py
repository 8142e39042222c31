"""An expression as text in the one form that Prometheus gives it (`promql/parser/printer.go`); it reads back as the same tree."""

from opsconsole.model import Matcher, MatchOp
from opsconsole.promql.literals import format_duration_ms, format_general, format_value
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
from opsconsole.promql.regexes import as_written
from opsconsole.promql.selectors import is_label_name
from opsconsole.promql.tokens import go_quoted


def show(expr: Expr) -> str:
    match expr:
        case Number():
            return _number(expr)
        case String():
            return go_quoted(expr.value)
        case Paren():
            return f"({show(expr.expr)})"
        case Unary():
            return f"{expr.op}{show(expr.expr)}"
        case Call():
            return f"{expr.name}({', '.join(map(show, expr.args))})"
        case Selector():
            return _selector(expr) + _at(expr) + _edges(expr) + _offset(expr)
        case Range():
            inner = expr.selector
            return f"{_selector(inner)}[{_range(expr)}]{_edges(inner)}{_at(inner)}{_offset(inner)}"
        case Subquery():
            return show(expr.expr) + subquery_suffix(expr)
        case Aggregate():
            return _aggregate(expr)
        case Binary():
            return _binary(expr)


def _number(expr: Number) -> str:
    if expr.notation == "duration":
        return format_duration_ms(round(expr.value * 1000))
    return format_general(expr.value) if expr.notation == "general" else format_value(expr.value)


def _selector(expr: Selector) -> str:
    name = expr.matchers[0].value if expr.named else ""
    rest = (matcher for matcher in expr.matchers if not (expr.named and matcher is expr.matchers[0]))
    matchers = ",".join(sorted(map(_matcher, rest)))
    return name + (f"{{{matchers}}}" if matchers else "")


def _matcher(matcher: Matcher) -> str:
    regex = matcher.op in (MatchOp.REGEX, MatchOp.NOT_REGEX)
    return f"{_label(matcher.name)}{matcher.op}{go_quoted(as_written(matcher.value) if regex else matcher.value)}"


def _label(name: str) -> str:
    return name if is_label_name(name) else go_quoted(name)


def _labels(names: tuple[str, ...]) -> str:
    return "(" + ", ".join(map(_label, names)) + ")"


def subquery_suffix(expr: Subquery) -> str:
    step = "" if expr.step_ms is None else _duration(expr.step_ms, expr.step_expr)
    return f"[{_range(expr)}:{step}]{_at(expr)}{_offset(expr)}"


def _range(expr: Range | Subquery) -> str:
    return _duration(expr.range_ms, expr.range_expr)


def _at(expr: Selector | Subquery) -> str:
    if expr.at is None:
        return ""
    return f" @ {expr.at}()" if isinstance(expr.at, str) else f" @ {expr.at / 1000:.3f}"


def _edges(expr: Selector) -> str:
    return f" {expr.edges}" if expr.edges else ""


def _offset(expr: Selector | Subquery) -> str:
    return f" offset {_duration(expr.offset_ms, expr.offset_expr)}" if expr.offset_ms or expr.offset_expr is not None else ""


def _duration(ms: int, computed: Expr | None) -> str:
    return format_duration_ms(ms) if computed is None else _computed(computed)


def _computed(expr: Expr) -> str:
    """A duration that is computed: a plus in front of it goes unsaid."""
    match expr:
        case Unary():
            return ("-" if expr.op == "-" else "") + _computed(expr.expr)
        case Paren():
            return f"({_computed(expr.expr)})"
        case Binary():
            return f"{_computed(expr.left)} {expr.op} {_computed(expr.right)}"
        case Call():
            return f"{expr.name}({', '.join(map(_computed, expr.args))})"
    return show(expr)


def _aggregate(expr: Aggregate) -> str:
    param = "" if expr.param is None else f"{show(expr.param)}, "
    return f"{aggregation_head(expr)}({param}{show(expr.expr)})"


def aggregation_head(expr: Aggregate) -> str:
    """What stands in front of the parentheses."""
    grouping = f" {'without' if expr.without else 'by'} {_labels(expr.grouping)} " if expr.grouping or expr.without else ""
    return expr.op + grouping


def _binary(expr: Binary) -> str:
    return f"{show(expr.left)} {operator(expr)} {show(expr.right)}"


def operator(expr: Binary) -> str:
    """The operator with how its sides are matched."""
    matching = expr.matching
    words = [expr.op + (" bool" if expr.returns_bool else "")]
    grouped = matching.cardinality in (Cardinality.MANY_TO_ONE, Cardinality.ONE_TO_MANY)
    if not matching.shown:
        return words[0]
    if matching.on or matching.labels or grouped:
        words.append(f"{'on' if matching.on else 'ignoring'} {_labels(matching.labels)}")
    if grouped and expr.op not in SET_OPERATORS:
        side = "group_left" if matching.cardinality is Cardinality.MANY_TO_ONE else "group_right"
        words.append(f"{side} {_labels(matching.include)}")
    return " ".join(words + _fills(matching))


def _fills(matching: Matching) -> list[str]:
    left, right = matching.fill_left, matching.fill_right
    if left is not None and left == right:
        return [f"fill ({format_general(left)})"]
    return [f"fill_{side} ({format_general(value)})" for side, value in (("left", left), ("right", right)) if value is not None]
