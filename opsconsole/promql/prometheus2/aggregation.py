"""Aggregation in the order of operations of Prometheus 2.42: series after series, in the order that they have."""

from collections.abc import Callable

import numpy as np

from opsconsole.model import Labels, QueryError, Values
from opsconsole.promql import aggregation
from opsconsole.promql.budget import Budget
from opsconsole.promql.heap import winners
from opsconsole.promql.labelsets import LabelSets
from opsconsole.promql.literals import format_general, format_value
from opsconsole.promql.nodes import Aggregate
from opsconsole.promql.notes import Notes
from opsconsole.promql.selectors import is_label_name
from opsconsole.promql.tokens import go_quoted
from opsconsole.promql.vectors import Mask, Vector, grouped

_LARGEST_COUNT, _LEAST_COUNT = 9223372036854774784.0, -(2.0**63)
_SORTED_BY_INSERTION = 12
_Reduction = Callable[[Values, Mask], Values]


def aggregate(node: Aggregate, vector: Vector, param: Values | str | None, notes: Notes, budget: Budget) -> Vector:
    """Raises QueryError."""
    if node.op == "count_values":
        return _count_values(node, vector, str(param))
    if node.op in ("topk", "bottomk"):
        return _extremes(node, vector, np.asarray(param, dtype=float))
    if (reduction := _REDUCTIONS.get(node.op)) is None:
        return aggregation.aggregate(node, vector, param, notes, budget)
    groups = vector.labels.grouped(node.grouping, by=not node.without)
    if not len(groups):
        return Vector.empty(vector.values.shape[1])
    budget.hold(len(groups) * vector.values.shape[1])
    values = np.stack([reduction(vector.values[rows], vector.present[rows]) for _, rows in groups.rows()])
    present = np.stack([vector.present[rows].any(axis=0) for _, rows in groups.rows()])
    return Vector(groups.labels, values, present)


def _sum(values: Values, present: Mask) -> Values:
    total, started = np.zeros(values.shape[1]), np.zeros(values.shape[1], dtype=bool)
    for value, here in zip(values, present, strict=True):
        total = np.where(here, np.where(started, total + value, value), total)
        started = started | here
    return total


def _average(values: Values, present: Mask) -> Values:
    """A running mean, which an infinity decides until the opposite one or NaN comes."""
    mean, count = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for value, here in zip(values, present, strict=True):
        count = count + here
        opposite = np.isinf(value) & ((mean > 0) != (value > 0))
        moves = here & (~np.isinf(mean) | opposite | np.isnan(value))
        moved = np.where(count == 1, value, mean + (value / count - mean / count))
        mean = np.where(moves, moved, mean)
    return mean


def _variance(values: Values, present: Mask) -> Values:
    """A single element has none, were it NaN or infinite."""
    count, mean, squares = (np.zeros(values.shape[1]) for _ in range(3))
    for value, here in zip(values, present, strict=True):
        count = count + here
        step = value - mean
        moved = np.where(count == 1, value, mean + step / count)
        squares = np.where(here & (count > 1), squares + step * (value - moved), squares)
        mean = np.where(here, moved, mean)
    return squares / count


def _extreme(values: Values, present: Mask, beats: Callable[[Values, Values], Mask]) -> Values:
    """The first of equals stays, which shows with zeros of different sign."""
    best = np.full(values.shape[1], np.nan)
    for value, here in zip(values, present, strict=True):
        best = np.where(here & (beats(value, best) | np.isnan(best)), value, best)
    return best


_REDUCTIONS: dict[str, _Reduction] = {
    "sum": _sum,
    "avg": _average,
    "stdvar": _variance,
    "stddev": lambda values, present: np.sqrt(_variance(values, present)),
    "min": lambda values, present: _extreme(values, present, np.less),
    "max": lambda values, present: _extreme(values, present, np.greater),
}


def _count_values(node: Aggregate, vector: Vector, label: str) -> Vector:
    """The value's label is one of those that `by` keeps, and that `without` may take away again."""
    if not is_label_name(label):
        raise QueryError(f"invalid label name {go_quoted(label)}")
    steps = vector.values.shape[1]
    counts: dict[Labels, Values] = {}
    for labels, values, present in zip(vector.labels, vector.values, vector.present, strict=True):
        for text, here in _by_text(values, present):
            valued = labels.merged({label: text})
            kept = valued.without("__name__", *node.grouping) if node.without else valued.only(label, *node.grouping)
            counts[kept] = counts.get(kept, np.zeros(steps)) + here
    if not counts:
        return Vector.empty(steps)
    stacked = np.stack(list(counts.values()))
    return Vector(LabelSets(counts), stacked, stacked > 0)


def _by_text(values: Values, present: Mask) -> list[tuple[str, Mask]]:
    """Where each value stands, by how it prints: zeros differ by their sign."""
    steps = np.flatnonzero(present)
    return [
        (text, np.isin(np.arange(len(values)), steps[places]))
        for text, places in grouped(map(format_value, values[steps].tolist())).items()
    ]


def _extremes(node: Aggregate, vector: Vector, counts: Values) -> Vector:
    """The k elements of each group that win at each step, best first."""
    wrong = ~((counts <= _LARGEST_COUNT) & (counts >= _LEAST_COUNT))
    if wrong.any():
        raise QueryError(f"Scalar value {format_general(float(counts[wrong][0]))} overflows int64")
    kept, ordered = np.zeros(vector.present.shape, dtype=bool), []
    for _, rows in vector.labels.grouped(node.grouping, by=not node.without).rows():
        for step in np.flatnonzero(vector.present[rows].any(axis=0) & (counts >= 1)):
            here = rows[vector.present[rows, step]]
            values = vector.values[here, step].tolist()
            chosen = winners(values, int(counts[step]), largest=node.op == "topk", compat=2)
            kept[here[chosen], step] = True
            if len(counts) == 1:
                ordered += [int(here[at]) for at in _best_first(chosen, values, largest=node.op == "topk")]
    won = Vector(vector.labels, vector.values, kept)
    return won.take(ordered) if len(counts) == 1 else won.compact()


def _best_first(heap: list[int], values: list[float], *, largest: bool) -> list[int]:
    """Sorted as Go sorts a few, by insertion; of more than it sorts so, equal ones may stand otherwise there."""
    ordered = list(heap)
    if len(heap) > _SORTED_BY_INSERTION:
        sign = -1 if largest else 1
        return sorted(heap, key=lambda at: (values[at] != values[at], sign * values[at]))
    for end in range(1, len(ordered)):
        at = end
        while at > 0 and _worse(values[ordered[at - 1]], values[ordered[at]], largest=largest):
            ordered[at - 1], ordered[at] = ordered[at], ordered[at - 1]
            at -= 1
    return ordered


def _worse(one: float, other: float, *, largest: bool) -> bool:
    return one != one or (one < other if largest else one > other)
