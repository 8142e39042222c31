"""Binary operators between vectors and scalars, and how the series of two vectors find each other."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from opsconsole.model import Labels, QueryError, Values
from opsconsole.promql.arithmetic import ARITHMETIC, COMPARE
from opsconsole.promql.nodes import Binary, Cardinality, Matching
from opsconsole.promql.vectors import Indices, Mask, Vector, grouped, key_of, merged, nameless, relabelled

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
    key = key_of(node.matching.labels, on=node.matching.on)
    if node.op == "or":
        return _concatenated(left, right.where(~_present_like(right, left, key)))
    found = _present_like(left, right, key)
    return left.where(found if node.op == "and" else ~found)


def _present_like(vector: Vector, other: Vector, key: Callable[[Labels], object]) -> Mask:
    """Where, for each series of `vector`, some series of `other` with the same key has an element."""
    rows = grouped(map(key, other.labels))
    found = np.zeros(vector.present.shape, dtype=bool)
    for at, labels in enumerate(vector.labels):
        if alike := rows.get(key(labels)):
            found[at] = other.present[alike].any(axis=0)
    return found


def _concatenated(left: Vector, right: Vector) -> Vector:
    both = Vector(
        left.labels + right.labels,
        np.concatenate([left.values, right.values]),
        np.concatenate([left.present, right.present]),
    )
    return merged(both)


def _drops_name(node: Binary, compat: int) -> bool:
    """Prometheus 2 forgot to drop it for atan2."""
    return node.returns_bool or (node.op in ARITHMETIC and not (compat == 2 and node.op == "atan2"))


def vectors(node: Binary, left: Vector, right: Vector, compat: int) -> Vector:
    """Each series of the many side with its match on the one side.

    Two matches are an error even where a comparison then filters them out; Prometheus 2 looked after filtering.
    """
    swapped = node.matching.cardinality is Cardinality.ONE_TO_MANY
    many, one = (right, left) if swapped else (left, right)
    key = key_of(node.matching.labels, on=node.matching.on)
    ones = grouped(map(key, one.labels))
    if ambiguous := _ambiguous_ones(many, one, ones, "left" if swapped else "right"):
        if ambiguous.step:
            vectors(node, _first(left, ambiguous.step), _first(right, ambiguous.step), compat)
        raise QueryError(ambiguous.message)
    keys = [key(labels) for labels in many.labels]
    pairs = [(row, match) for row, k in enumerate(keys) for match in ones.get(k, ())]
    if not pairs:
        return Vector.empty(left.values.shape[1])
    index = np.asarray(pairs, dtype=np.intp)
    a, b = many.values[index[:, 0]], one.values[index[:, 1]]
    values, kept = _operated(node, b, a) if swapped else _operated(node, a, b)
    met = many.present[index[:, 0]] & one.present[index[:, 1]]
    counted = met & kept if compat == 2 else met
    if node.matching.cardinality is Cardinality.ONE_TO_ONE:
        _refuse_twice([keys[row] for row, _ in pairs], counted, _AMBIGUOUS)
    labels = _result_labels(node, many, one, index, compat)
    if node.matching.cardinality is not Cardinality.ONE_TO_ONE:
        _refuse_twice(labels, counted, _UNGROUPED)
    return merged(Vector(labels, values, met & kept).compact())


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


def _ambiguous_ones(
    many: Vector, one: Vector, ones: dict[tuple[tuple[str, str], ...], list[int]], side: str
) -> _Ambiguity | None:
    """The first series that comes second in its group, at the first step where one does."""
    meeting = many.present.any(axis=0)
    found: list[tuple[int, int, int, tuple[tuple[str, str], ...]]] = []
    for key, rows in ones.items():
        twice = (one.present[rows].sum(axis=0) > 1) & meeting if len(rows) > 1 else np.zeros(1, dtype=bool)
        if twice.any():
            step = int(np.argmax(twice))
            first, second = np.asarray(rows)[one.present[rows, step]][:2].tolist()
            found.append((step, second, first, key))
    if not found:
        return None
    step, second, first, key = min(found)
    return _Ambiguity(
        step,
        f"found duplicate series for the match group {Labels(dict(key))!r} on the {side} hand-side of the operation: "
        f"[{one.labels[second]!r}, {one.labels[first]!r}];"
        "many-to-many matching not allowed: matching labels must be unique on one side",
    )


def _refuse_twice(keys: list[Labels] | list[tuple[tuple[str, str], ...]], present: Mask, complaint: str) -> None:
    if len(set(keys)) == len(keys):
        return
    for rows in grouped(keys).values():
        if len(rows) > 1 and (present[rows].sum(axis=0) > 1).any():
            raise QueryError(complaint)


def _result_labels(node: Binary, many: Vector, one: Vector, pairs: Indices, compat: int) -> list[Labels]:
    matching = node.matching
    strip = nameless if _drops_name(node, compat) else _same
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        narrow = _narrowed(matching)
        return [narrow(strip(many.labels[row])) for row, _ in pairs]
    if not matching.include:
        return [strip(many.labels[row]) for row, _ in pairs]
    return [_including(strip(many.labels[row]), one.labels[other], matching.include) for row, other in pairs]


def _same(labels: Labels) -> Labels:
    return labels


def _narrowed(matching: Matching) -> Callable[[Labels], Labels]:
    if matching.on:
        return lambda labels: labels.only(*matching.labels)
    return (lambda labels: labels.without(*matching.labels)) if matching.labels else _same


def _including(labels: Labels, other: Labels, names: tuple[str, ...]) -> Labels:
    return labels.merged({name: other.get(name, "") for name in names})


def negated(vector: Vector) -> Vector:
    return relabelled(Vector(vector.labels, -vector.values, vector.present), nameless)
