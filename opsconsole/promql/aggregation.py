"""Aggregation operators: series in groups, groups of like size reduced side by side at every step."""

from collections.abc import Callable, Iterator

import numpy as np

from opsconsole.model import Labels, QueryError, Values
from opsconsole.promql import limits
from opsconsole.promql.budget import Budget
from opsconsole.promql.heap import winners
from opsconsole.promql.labelsets import Groups, Indices, LabelSets
from opsconsole.promql.literals import format_value
from opsconsole.promql.nodes import Aggregate, start_of
from opsconsole.promql.notes import Notes
from opsconsole.promql.selectors import may_be_label
from opsconsole.promql.statistics import quantile_of_sorted, sorted_nan_first
from opsconsole.promql.vectors import Mask, Vector

_LARGEST_COUNT = 2.0**63
_SUSPECT = 1e3
_MANY = 200
_CELLS = 1 << 17
"""Elements that are reduced at a time: they stay within the processor's caches, and a query can be ended in between."""
_Reduction = Callable[[Values, Mask], Values]


def aggregate(node: Aggregate, vector: Vector, param: Values | str | None, notes: Notes, budget: Budget) -> Vector:
    if isinstance(param, np.ndarray) and not _sensible(node, param, notes):
        return Vector.empty(vector.values.shape[1])
    if node.op == "limit_ratio":
        return limits.limit_ratio(vector, np.asarray(param, dtype=float))
    if node.op in ("topk", "bottomk"):
        return _extremes(node, vector, np.asarray(param, dtype=float), budget)
    groups = vector.labels.grouped(node.grouping, by=not node.without)
    if node.op == "limitk":
        return limits.limitk(vector, [rows.tolist() for _, rows in groups.rows()], np.asarray(param, dtype=float))
    if node.op == "count_values":
        return _count_values(vector, groups, str(param), budget)
    steps = vector.values.shape[1]
    budget.hold(len(groups) * steps)
    values, present = np.empty((len(groups), steps)), np.empty((len(groups), steps), dtype=bool)
    for numbers, members, columns in _pieces(groups, steps, budget):
        given, here = _side_by_side(vector, members, columns)
        reduce = _reduction(node.op, param if param is None or isinstance(param, str) else param[columns])
        shape = (len(numbers), -1)
        values[numbers, columns] = reduce(given, here).reshape(shape)
        present[numbers, columns] = here.any(axis=0).reshape(shape)
    return Vector(groups.labels, values, present)


def _sensible(node: Aggregate, param: Values, notes: Notes) -> bool:
    """Whether the parameter lets anything through; one that is out of range is noted or raises QueryError."""
    assert node.param is not None
    if node.op == "quantile":
        notes.quantiles(param, start_of(node.param))
    elif node.op == "limit_ratio":
        limits.refuse_ratios(param)
        notes.ratios(param, start_of(node.param))
        return bool(param.any())
    elif (param < 1).all():
        return False
    else:
        limits.refuse_counts(param)
    return True


def _pieces(groups: Groups, steps: int, budget: Budget) -> Iterator[tuple[Indices, Indices, slice]]:
    """Groups' numbers, their members' places (member × group) and the steps, so that each piece has some _CELLS elements."""
    for numbers, members in groups.by_size:
        most = len(members)
        wide = max(1, min(steps, _CELLS // most))
        many = max(1, _CELLS // (most * wide))
        for at in range(0, len(numbers), many):
            for step in range(0, steps, wide):
                yield numbers[at : at + many], members[:, at : at + many], slice(step, step + wide)
                budget.check()


def _side_by_side(vector: Vector, members: Indices, columns: slice) -> tuple[Values, Mask]:
    """The groups' elements: one row for each member, for each group its steps one after the other."""
    values, present = vector.values[members, columns], vector.present[members, columns]
    if (members < 0).any():
        present &= (members >= 0)[:, :, None]
    return values.reshape(len(members), -1), present.reshape(len(members), -1)


def _reduction(op: str, param: Values | str | None) -> _Reduction:
    if op == "quantile":
        each = np.asarray(param, dtype=float)
        return lambda values, present: _quantile(values, present, np.resize(each, values.shape[1]))
    return _REDUCTIONS[op]


def _sum(values: Values, present: Mask) -> Values:
    """Compensated where terms cancel out (Neumaier, 1974)."""
    terms = np.where(present, values, 0.0)
    plain: Values = terms.sum(axis=0)
    np.abs(terms, out=terms)
    suspects = np.flatnonzero(np.isfinite(plain) & (terms.sum(axis=0) > _SUSPECT * np.abs(plain)))
    if len(suspects):
        plain[suspects] = _compensated(np.where(present[:, suspects], values[:, suspects], 0.0))
    return plain


def _compensated(terms: Values) -> Values:
    total, lost = np.zeros(terms.shape[1]), np.zeros(terms.shape[1])
    for term in terms:
        summed = total + term
        lost += np.where(np.abs(total) >= np.abs(term), (total - summed) + term, (term - summed) + total)
        total = summed
    return total + lost


def _average(values: Values, present: Mask) -> Values:
    """The sum by the count, unless the sum leaves a float's range: then each value is divided first."""
    count = present.sum(axis=0)
    means: Values = _sum(values, present) / count
    if np.isinf(means).any():
        means = np.where(np.isinf(means), np.where(present, values / count, 0.0).sum(axis=0), means)
    return means


def _variance(values: Values, present: Mask) -> Values:
    """The population's, by Welford's recurrence."""
    count, mean, squares = (np.zeros(values.shape[1]) for _ in range(3))
    for value, here in zip(values, present, strict=True):
        count = count + here
        step = value - mean
        moved = mean + step / count
        squares = np.where(here, squares + step * (value - moved), squares)
        mean = np.where(here, moved, mean)
    return squares / count


def _quantile(values: Values, present: Mask, quantile: Values) -> Values:
    order = np.argsort(~present, axis=0, kind="stable")
    counts = present.sum(axis=0)
    ordered = sorted_nan_first(np.take_along_axis(values, order, axis=0), counts)
    return quantile_of_sorted(ordered, counts, quantile)


_REDUCTIONS: dict[str, _Reduction] = {
    "sum": _sum,
    "avg": _average,
    "min": lambda values, present: np.fmin.reduce(np.where(present, values, np.nan), axis=0),
    "max": lambda values, present: np.fmax.reduce(np.where(present, values, np.nan), axis=0),
    "count": lambda values, present: present.sum(axis=0).astype(float),
    "group": lambda values, present: np.ones(values.shape[1]),
    "stdvar": _variance,
    "stddev": lambda values, present: np.sqrt(_variance(values, present)),
}


def _count_values(vector: Vector, groups: Groups, label: str, budget: Budget) -> Vector:
    if not may_be_label(label):
        raise QueryError(f'invalid label name "{label}"')
    steps = vector.values.shape[1]
    rows, columns = np.nonzero(vector.present)
    if not len(rows):
        return Vector.empty(steps)
    budget.hold(3 * len(rows))
    distinct, places = np.unique(vector.values[rows, columns], return_inverse=True)
    budget.write(32 * len(distinct))
    texts = [format_value(float(value)) for value in distinct]
    pairs, which = np.unique(groups.codes[rows] * len(distinct) + places, return_inverse=True)
    numbers: dict[Labels, int] = {}
    budget.name(len(pairs))
    named = [groups.labels[pair // len(texts)].merged({label: texts[pair % len(texts)]}) for pair in pairs.tolist()]
    place = np.array([numbers.setdefault(labels, len(numbers)) for labels in named], dtype=np.intp)
    budget.hold(len(numbers) * steps)
    counts = np.bincount(place[which] * steps + columns, minlength=len(numbers) * steps).reshape(-1, steps).astype(float)
    return Vector(LabelSets(numbers), counts, counts > 0)


def _extremes(node: Aggregate, vector: Vector, counts: Values, budget: Budget) -> Vector:
    """The k elements of each group that win at each step, best first at an instant; NaN loses to every number."""
    if (wrong := ~(np.abs(counts) < _LARGEST_COUNT)).any():
        raise QueryError(f"Scalar value {format_value(float(counts[wrong][0]))} overflows int64")
    largest, steps = node.op == "topk", len(counts)
    vector = vector.take(np.argsort(vector.labels.ranks(), kind="stable"))
    groups = vector.labels.grouped(node.grouping, by=not node.without)
    budget.hold(len(vector) * steps)
    kept = np.zeros(vector.present.shape, dtype=bool)
    for _, members, columns in _pieces(groups, steps, budget):
        values, present = _side_by_side(vector, members, columns)
        wanted = np.resize(np.clip(np.trunc(counts[columns]), 0, len(members)).astype(np.intp), values.shape[1])
        real = members >= 0
        narrow = np.repeat(real.sum(axis=0) <= _MANY, values.shape[1] // members.shape[1])
        won = _winning(values, present, wanted, narrow, largest=largest)
        kept[members[real], columns] = won.reshape(*members.shape, -1)[real]
    if steps == 1:
        vector, kept = _best_first(vector, kept, groups, largest=largest)
    return Vector(vector.labels, vector.values, kept).compact()


def _winning(values: Values, present: Mask, wanted: Indices, narrow: Mask, *, largest: bool) -> Mask:
    """Which of each column's elements are among the `wanted` best; of equals those that Prometheus keeps, where the group is
    `narrow`, and else the first by their labels."""
    keys = np.where(present, -values if largest else values, np.nan).T
    missing = np.isnan(keys)
    most = int(wanted.max(initial=0))
    if not most:
        return np.zeros(values.shape, dtype=bool)
    best = np.sort(np.partition(keys, most - 1, axis=1)[:, :most], axis=1) if most < keys.shape[1] else np.sort(keys, axis=1)
    edge = np.where(wanted > 0, np.take_along_axis(best, np.maximum(wanted - 1, 0)[:, None], axis=1)[:, 0], -np.inf)[:, None]
    won = np.where(np.isnan(edge), ~missing, keys < edge) & (wanted > 0)[:, None]
    equal = np.where(np.isnan(edge), missing & present.T, keys == edge) & (wanted > 0)[:, None]
    room = wanted - won.sum(axis=1)
    ties = (equal.sum(axis=1) > room) | (np.isnan(edge)[:, 0] & equal.any(axis=1))
    won |= equal if not ties.any() else equal & (np.cumsum(equal, axis=1) <= room[:, None])
    for column in np.flatnonzero(ties & narrow).tolist():
        here = np.flatnonzero(present[:, column])
        chosen = winners(values[here, column].tolist(), int(wanted[column]), largest=largest, compat=3)
        won[column] = False
        won[column, here[chosen]] = True
    return won.T


def _best_first(vector: Vector, kept: Mask, groups: Groups, *, largest: bool) -> tuple[Vector, Mask]:
    """The winners of an instant, group by group from best to worst, NaN last."""
    rows = np.flatnonzero(kept[:, 0])
    values = vector.values[rows, 0]
    keys = np.where(np.isnan(values), 0.0, -values if largest else values)
    rows = rows[np.lexsort((keys, np.isnan(values), groups.codes[rows]))]
    return vector.take(rows), kept[rows]
