"""Binary operators between vectors and scalars, and how the series of two vectors find each other."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from opsconsole.model import Labels, QueryError, Values
from opsconsole.promql.arithmetic import ARITHMETIC, COMPARE
from opsconsole.promql.budget import Budget
from opsconsole.promql.labelsets import Groups, Indices, LabelSets
from opsconsole.promql.nodes import Binary, Cardinality, Matching
from opsconsole.promql.vectors import Mask, Vector, merged

_AMBIGUOUS = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
_UNGROUPED = "multiple matches for labels: grouping labels must ensure unique matches"


def scalars(node: Binary, left: Values, right: Values) -> Values:
    if node.op in COMPARE:
        return COMPARE[node.op](left, right).astype(float)
    return ARITHMETIC[node.op](left, right)


def with_scalar(node: Binary, vector: Vector, scalar: Values, compat: int, *, swapped: bool) -> Vector:
    """The vector's elements against a number per step; a comparison filters the vector on whichever side it stands."""
    left, right = (scalar, vector.values) if swapped else (vector.values, scalar)
    if node.op in ARITHMETIC:
        computed = Vector(vector.labels, ARITHMETIC[node.op](left, right), vector.present)
        return computed.nameless() if _drops_name(node, compat) else computed
    true = COMPARE[node.op](left, right)
    return vector.mapped(true.astype(float)) if node.returns_bool else vector.where(true)


def set_operation(node: Binary, left: Vector, right: Vector) -> Vector:
    if node.op == "or":
        return _concatenated(left, right.where(~_present_like(node.matching, right, left)))
    found = _present_like(node.matching, left, right)
    return left.where(found if node.op == "and" else ~found)


def _present_like(matching: Matching, vector: Vector, other: Vector) -> Mask:
    """Where, for each series of `vector`, some series of `other` with the same key has an element."""
    theirs = other.labels.grouped(matching.labels, by=matching.on)
    there = np.zeros((len(theirs) + 1, other.present.shape[1]), dtype=bool)
    for numbers, members in theirs.by_size:
        for rows in members:
            there[numbers[rows >= 0]] |= other.present[rows[rows >= 0]]
    found: Mask = there[_meeting(matching, vector.labels, other.labels)]
    return found


def _meeting(matching: Matching, labels: LabelSets, others: LabelSets) -> Indices:
    """For each of `labels` the number of the group of `others` that has the same key, or one more than there are."""
    mine, theirs = (sets.grouped(matching.labels, by=matching.on) for sets in (labels, others))
    return mine.labels.beside("meeting", theirs.labels, lambda: _numbers(mine.labels, theirs.labels))[mine.codes]


def _numbers(keys: LabelSets, theirs: LabelSets) -> Indices:
    known = {labels: number for number, labels in enumerate(theirs)}
    return np.array([known.get(labels, len(known)) for labels in keys], dtype=np.intp)


def _concatenated(left: Vector, right: Vector) -> Vector:
    if not len(left) or not len(right):
        return left if len(left) else right
    both = Vector(
        left.labels + right.labels,
        np.concatenate([left.values, right.values]),
        np.concatenate([left.present, right.present]),
    )
    return merged(both)


def _drops_name(node: Binary, compat: int) -> bool:
    """Prometheus 2 forgot to drop it for atan2."""
    return node.returns_bool or (node.op in ARITHMETIC and not (compat == 2 and node.op == "atan2"))


def vectors(node: Binary, left: Vector, right: Vector, compat: int, budget: Budget) -> Vector:
    """Each series of the many side with its match on the one side.

    Two matches are an error even where a comparison then filters them out; Prometheus 2 looked after filtering.
    """
    swapped = node.matching.cardinality is Cardinality.ONE_TO_MANY
    many, one = (right, left) if swapped else (left, right)
    if ambiguous := _ambiguous_ones(node.matching, many, one, "left" if swapped else "right", compat):
        if ambiguous.step:
            vectors(node, _first(left, ambiguous.step), _first(right, ambiguous.step), compat, budget)
        raise QueryError(ambiguous.message)
    rows, matches = _pairs(node.matching, many.labels, one.labels, many.values.shape[1], budget)
    if not len(rows):
        return Vector.empty(left.values.shape[1])
    a, b = _rows_of(many.values, rows), _rows_of(one.values, matches)
    values, kept = _operated(node, b, a) if swapped else _operated(node, a, b)
    met = _rows_of(many.present, rows) & _rows_of(one.present, matches)
    counted = met & kept if compat == 2 else met
    if node.matching.cardinality is Cardinality.ONE_TO_ONE:
        _refuse_twice(many.labels.grouped(node.matching.labels, by=node.matching.on), rows, counted, _AMBIGUOUS)
    if node.matching.include:
        budget.name(len(rows))
    labels = _result_labels(node, many, one, rows, matches, compat)
    if node.matching.cardinality is not Cardinality.ONE_TO_ONE and not labels.distinct:
        _refuse_twice(labels.alike(), np.arange(len(labels)), counted, _UNGROUPED)
    return merged(Vector(labels, values, met & kept).compact())


def _pairs(matching: Matching, many: LabelSets, one: LabelSets, steps: int, budget: Budget) -> tuple[Indices, Indices]:
    """Places of series that match, of the many side and of the one side."""
    groups, number = one.grouped(matching.labels, by=matching.on), _meeting(matching, many, one)
    sizes = np.append(groups.sizes, 0)[number]
    budget.hold(int(sizes.sum()) * steps)
    rows = np.repeat(np.arange(len(many)), sizes)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return rows, groups.sorted[np.append(groups.starts, 0)[number[rows]] + nth]


def _rows_of(matrix: Any, rows: Indices) -> Any:
    """The matrix itself where it is asked for all its rows in order."""
    return matrix if len(rows) == len(matrix) and (rows == np.arange(len(rows))).all() else matrix[rows]


def _operated(node: Binary, left: Values, right: Values) -> tuple[Values, Mask]:
    """Values, and where an element is kept: a comparison without `bool` filters and lets the left value through."""
    if node.op in ARITHMETIC:
        return ARITHMETIC[node.op](left, right), np.ones(left.shape, dtype=bool)
    true = COMPARE[node.op](left, right)
    return (true.astype(float), np.ones(left.shape, dtype=bool)) if node.returns_bool else (left, true)


@dataclass(frozen=True, slots=True)
class _Ambiguity:
    """Another mistake at an earlier step is told instead."""

    step: int
    message: str


def _first(vector: Vector, steps: int) -> Vector:
    return Vector(vector.labels, vector.values[:, :steps], vector.present[:, :steps])


def _ambiguous_ones(matching: Matching, many: Vector, one: Vector, side: str, compat: int) -> _Ambiguity | None:
    """The first series that comes second in its group, at the first step where one does; Prometheus 3 tells the two in order."""
    groups = one.labels.grouped(matching.labels, by=matching.on)
    if len(groups) == len(one):
        return None
    meeting = many.present.any(axis=0)
    found: list[tuple[int, int, int, Labels]] = []
    for key, rows in groups.rows():
        twice = (one.present[rows].sum(axis=0) > 1) & meeting if len(rows) > 1 else np.zeros(1, dtype=bool)
        if twice.any():
            step = int(np.argmax(twice))
            first, second = rows[one.present[rows, step]][:2].tolist()
            found.append((step, second, first, key))
    if not found:
        return None
    step, second, first, key = min(found)
    told = [repr(one.labels[second]), repr(one.labels[first])]
    return _Ambiguity(
        step,
        f"found duplicate series for the match group {key!r} on the {side} hand-side of the operation: "
        f"[{', '.join(told if compat == 2 else sorted(told))}];"
        "many-to-many matching not allowed: matching labels must be unique on one side",
    )


def _refuse_twice(groups: Groups, rows: Indices, present: Mask, complaint: str) -> None:
    """Raise where two of the elements at a step belong to one group; element i is of the series `rows[i]`."""
    codes = groups.codes[rows]
    if len(np.unique(codes)) == len(codes):
        return
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    for start, end in zip(starts, np.append(starts[1:], len(order)), strict=True):
        if end - start > 1 and (present[order[start:end]].sum(axis=0) > 1).any():
            raise QueryError(complaint)


def _result_labels(node: Binary, many: Vector, one: Vector, rows: Indices, matches: Indices, compat: int) -> LabelSets:
    matching = node.matching
    labels = many.labels.nameless() if _drops_name(node, compat) else many.labels
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        if matching.on:
            labels = labels.changed(("only", matching.labels), lambda one: one.only(*matching.labels))
        elif matching.labels:
            labels = labels.changed(("without", matching.labels), lambda one: one.without(*matching.labels))
        return labels.part(rows)
    if not matching.include:
        return labels.part(rows)
    pairs = zip(rows.tolist(), matches.tolist(), strict=True)
    return LabelSets([_including(labels[row], one.labels[other], matching.include) for row, other in pairs])


def _including(labels: Labels, other: Labels, names: tuple[str, ...]) -> Labels:
    return labels.merged({name: other.get(name, "") for name in names})


def negated(vector: Vector) -> Vector:
    return Vector(vector.labels, -vector.values, vector.present).nameless()
