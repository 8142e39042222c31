"""Aggregation operators: series in groups, each group reduced at every step."""

from collections.abc import Callable

import numpy as np

from opsconsole.model import Labels, QueryError, Values
from opsconsole.promql import limits
from opsconsole.promql.heap import winners
from opsconsole.promql.literals import format_value
from opsconsole.promql.nodes import Aggregate, start_of
from opsconsole.promql.notes import Notes
from opsconsole.promql.selectors import is_label_name
from opsconsole.promql.statistics import quantile_of_sorted, sorted_nan_first
from opsconsole.promql.vectors import Indices, Mask, Vector, grouped

_LARGEST_COUNT = 2.0**63
_SUSPECT = 1e3
_MANY = 200
_Reduction = Callable[[Values, Mask], Values]


def aggregate(node: Aggregate, vector: Vector, param: Values | str | None, compat: int, notes: Notes) -> Vector:
    if isinstance(param, np.ndarray) and compat > 2 and not _sensible(node, param, notes):
        return Vector.empty(vector.values.shape[1])
    groups = _groups(node, vector)
    if node.op == "limitk":
        return limits.limitk(vector, list(groups.values()), np.asarray(param, dtype=float))
    if node.op == "limit_ratio":
        return limits.limit_ratio(vector, np.asarray(param, dtype=float))
    if node.op == "count_values":
        return _count_values(vector, groups, str(param))
    if node.op in ("topk", "bottomk"):
        return _extremes(vector, list(groups.values()), np.asarray(param, dtype=float), compat, largest=node.op == "topk")
    if not groups:
        return Vector.empty(vector.values.shape[1])
    reduction = _reduction(node.op, param, compat)
    values = np.stack([reduction(vector.values[rows], vector.present[rows]) for rows in groups.values()])
    present = np.stack([vector.present[rows].any(axis=0) for rows in groups.values()])
    return Vector(list(groups), values, present)


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


def _groups(node: Aggregate, vector: Vector) -> dict[Labels, list[int]]:
    if not node.grouping and not node.without:
        return {Labels(): list(range(len(vector)))} if len(vector) else {}
    names = node.grouping
    if node.without:
        return grouped(labels.without("__name__", *names) for labels in vector.labels)
    return grouped(labels.only(*names) for labels in vector.labels)


def _reduction(op: str, param: Values | str | None, compat: int) -> _Reduction:
    if op == "quantile":
        return lambda values, present: _quantile(values, present, np.asarray(param, dtype=float))
    return _PROMETHEUS_2.get(op, _REDUCTIONS[op]) if compat == 2 else _REDUCTIONS[op]


def _sum(values: Values, present: Mask) -> Values:
    """Compensated where terms cancel out (Neumaier, 1974)."""
    terms = np.where(present, values, 0.0)
    plain: Values = terms.sum(axis=0)
    if (np.isfinite(plain) & (np.abs(terms).sum(axis=0) > _SUSPECT * np.abs(plain))).any():
        total, lost = np.zeros_like(plain), np.zeros_like(plain)
        for term in terms:
            summed = total + term
            lost += np.where(np.abs(total) >= np.abs(term), (total - summed) + term, (term - summed) + total)
            total = summed
        return np.where(np.isfinite(plain), total + lost, plain)
    return plain


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


def _variance_2(values: Values, present: Mask) -> Values:
    """Prometheus 2 gave a single element no variance, were it NaN or infinite."""
    return np.where(present.sum(axis=0) == 1, 0.0, _variance(values, present))


_PROMETHEUS_2: dict[str, _Reduction] = {
    "sum": lambda values, present: np.cumsum(np.where(present, values, 0.0), axis=0)[-1],
    "stdvar": _variance_2,
    "stddev": lambda values, present: np.sqrt(_variance_2(values, present)),
}


def _count_values(vector: Vector, groups: dict[Labels, list[int]], label: str) -> Vector:
    if not is_label_name(label):
        raise QueryError(f'invalid label name "{label}"')
    counts: dict[Labels, Values] = {}
    for labels, rows in groups.items():
        for row in rows:
            for value in np.unique(vector.values[row][vector.present[row]]):
                same = vector.values[row] == value if value == value else np.isnan(vector.values[row])
                named = labels.merged({label: format_value(float(value))})
                counts[named] = counts.get(named, np.zeros(vector.values.shape[1])) + (same & vector.present[row])
    if not counts:
        return Vector.empty(vector.values.shape[1])
    values = np.stack(list(counts.values()))
    return Vector(list(counts), values, values > 0)


def _extremes(vector: Vector, groups: list[list[int]], counts: Values, compat: int, *, largest: bool) -> Vector:
    """The k elements of each group that win at each step, best first; NaN loses to every number."""
    if (wrong := ~(np.abs(counts) < _LARGEST_COUNT)).any():
        raise QueryError(f"Scalar value {format_value(float(counts[wrong][0]))} overflows int64")
    kept = np.zeros(vector.present.shape, dtype=bool)
    ordered: list[int] = []
    for rows in groups:
        rows = sorted(rows, key=lambda row: vector.labels[row].pairs)
        values, present = vector.values[rows], vector.present[rows]
        order = _ranked(values, present, largest=largest)
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(len(rows))[:, None], axis=0)
        won = present & (ranks < np.trunc(counts))
        _settle_ties(won, values, present, counts, compat, largest=largest)
        kept[rows] = won
        ordered += [rows[at] for at in order[:, 0]]
    return Vector(vector.labels, vector.values, kept).take(ordered).compact()


def _ranked(values: Values, present: Mask, *, largest: bool) -> Indices:
    """For each step the rows from best to worst, those without an element last."""
    tier = np.where(present, np.isnan(values).astype(int), 2)
    keys = np.where(np.isnan(values), 0.0, -values if largest else values)
    order: Indices = np.lexsort((keys, tier), axis=0)
    return order


def _settle_ties(won: Mask, values: Values, present: Mask, counts: Values, compat: int, *, largest: bool) -> None:
    """Where the last to win equals the first to lose, keep the one that Prometheus keeps (in wide groups the first by labels)."""
    if len(won) > _MANY:
        return
    lost = present & ~won
    for step in np.flatnonzero(won.any(axis=0) & lost.any(axis=0)):
        inside, outside = values[won[:, step], step], values[lost[:, step], step]
        edge = (np.fmin if largest else np.fmax).reduce(inside)
        if np.isnan(inside).any() or (outside == edge).any():
            here = np.flatnonzero(present[:, step])
            chosen = winners(values[here, step].tolist(), int(counts[step]), largest=largest, compat=compat)
            won[:, step] = False
            won[here[chosen], step] = True
