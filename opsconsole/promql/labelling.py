"""Functions that rewrite labels, and the labels of a series that is not there."""

import re
from collections.abc import Callable
from typing import Any

from opsconsole.model import Labels, QueryError
from opsconsole.model.matching import pattern
from opsconsole.promql.budget import Budget
from opsconsole.promql.fading import nameless
from opsconsole.promql.nodes import Expr, Range, Selector
from opsconsole.promql.selectors import may_be_label
from opsconsole.promql.vectors import Vector, relabelled

_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)

_SHORT = 200
"""Characters that a query may add to every label set and still have them remembered."""


def label_replace(budget: Budget, vector: Vector, target: str, replacement: str, source: str, regex: str, compat: int) -> Vector:
    try:
        compiled = pattern(regex)
    except ValueError:
        raise QueryError(f"invalid regular expression in label_replace(): {regex}") from None
    _check(target, compat, "invalid destination label name in label_replace(): ")
    expand = _expander(compiled, replacement)

    def change(labels: Labels) -> Labels:
        match = compiled.search(labels.get(source, ""))
        return labels if match is None else _written(budget, labels, target, expand(match))

    short = len(replacement) <= _SHORT
    return relabelled(vector, ("label_replace", target, replacement, source, regex) if short else None, change)


def _expander(compiled: Any, template: str) -> Callable[[Any], str]:
    """Go's `Expand`: `$1`, `$name`, `${name}`; a group that is not there is empty."""
    names = compiled.groupindex

    def expand(match: Any) -> str:
        def value(reference: re.Match[str]) -> str:
            if reference[1]:
                return "$"
            word = reference[2] or reference[3]
            if word.isdigit():
                return str(match.group(int(word)) or "") if int(word) <= compiled.groups else ""
            return str(match.group(names[word]) or "") if word in names else ""

        return _REFERENCE.sub(value, template)

    return expand


def label_join(budget: Budget, vector: Vector, target: str, separator: str, *sources: str, compat: int) -> Vector:
    for source in sources:
        _check(source, compat, "invalid source label name in label_join(): ")
    _check(target, compat, "invalid destination label name in label_join(): ")

    def change(labels: Labels) -> Labels:
        return _written(budget, labels, target, separator.join([labels.get(source, "") for source in sources]))

    short = len(separator) * len(sources) <= _SHORT
    return relabelled(vector, ("label_join", target, separator, sources) if short else None, change)


def _written(budget: Budget, labels: Labels, target: str, value: str) -> Labels:
    budget.write(len(value))
    return labels.merged({target: value})


def _check(name: str, compat: int, complaint: str) -> None:
    if not may_be_label(name, compat):
        raise QueryError(complaint + name)


def labels_told(expr: Expr) -> Labels:
    """The labels that an absent series would surely have: those matched by equality, and only once."""
    inner: Any = expr.selector if isinstance(expr, Range) else expr
    if not isinstance(inner, Selector):
        return Labels()
    told: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in inner.matchers:
        equal = matcher.op == "=" and matcher.name not in seen
        told[matcher.name] = matcher.value if equal else ""
        seen |= {matcher.name} if equal else set()
    return nameless(Labels(told))
