"""`info`: series enriched with the labels of info metrics that name the same instance and job.

prometheus/prometheus, `promql/info.go`, `evalInfo` tells which info series count, and as of when.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from opsconsole.model import Labels, Matcher, MatchOp, QueryError, Values
from opsconsole.model.matching import fits, predicate
from opsconsole.promql.labelsets import Indices, LabelSets
from opsconsole.promql.nodes import At, Call, Expr, Selector, Subquery, children
from opsconsole.promql.vectors import Mask, Vector, grouped, merged

_NAME = "__name__"
_IDENTIFYING = ("instance", "job")
_POSITIVE = (MatchOp.EQUAL, MatchOp.REGEX)
_Key = tuple[str, ...]


def info_selector(call: Call) -> Selector:
    """What selects the info series; it looks at the time at which the first selector within the enriched expression does."""
    offset_ms, at = _reference(call.args[0]) or (0, None)
    return Selector((*_name_matchers(call), *_data_matchers(call)), offset_ms, at, position=call.position)


def _reference(expr: Expr) -> tuple[int, At] | None:
    """Offset and `@` of the first selector in the expression; subqueries around it move it as far as nothing pins it."""
    if isinstance(expr, Selector):
        return expr.offset_ms, expr.at
    for child in children(expr):
        if (found := _reference(child)) is not None:
            if isinstance(expr, Subquery) and found[1] is None:
                return found[0] + expr.offset_ms, expr.at
            return found
    return None


def _given(call: Call) -> tuple[Matcher, ...]:
    selector = call.args[1] if len(call.args) > 1 else None
    return selector.matchers if isinstance(selector, Selector) else ()


def _data_matchers(call: Call) -> tuple[Matcher, ...]:
    return tuple(matcher for matcher in _given(call) if matcher.name != _NAME)


def _name_matchers(call: Call) -> tuple[Matcher, ...]:
    """Names are those asked for; without a word `target_info`, and where names are only ruled out, any other `…_info`."""
    named = tuple(matcher for matcher in _given(call) if matcher.name == _NAME)
    if not named:
        return (Matcher(_NAME, MatchOp.EQUAL, "target_info"),)
    return named if any(matcher.op in _POSITIVE for matcher in named) else (Matcher(_NAME, MatchOp.REGEX, ".+_info"), *named)


def enriched(call: Call, base: Vector, infos: Vector, times: Values) -> Vector:
    """`base` with the labels of `infos`, whose samples' own times tell which of two is newer. Raises QueryError."""
    names = _name_matchers(call)
    plain = [row for row, labels in enumerate(base.labels) if fits(Labels({_NAME: labels.get(_NAME, "")}), names)]
    others = sorted(set(range(len(base))) - set(plain))
    found = _Infos(infos, times, _identified(infos, [base.labels[row] for row in others]), base.values.shape[1])
    wanted = _data_matchers(call)
    parts = [(base.labels[row], base.values[row], base.present[row]) for row in plain]
    for row in others:
        for labels, mask in _variants(base.labels[row], found, wanted):
            if (seen := base.present[row] & mask).any():
                parts.append((labels, base.values[row], seen))
    if not parts:
        return Vector.empty(base.values.shape[1])
    values, present = np.stack([values for _, values, _ in parts]), np.stack([seen for _, _, seen in parts])
    return merged(Vector(LabelSets([labels for labels, _, _ in parts]), values, present))


def _identified(infos: Vector, base: Sequence[Labels]) -> list[int]:
    """The info series that name an instance or job of the base's, in every label of these that the base has."""
    known = {name: {labels[name] for labels in base if name in labels} for name in _IDENTIFYING}
    if not any(known.values()):
        return []
    return [
        row
        for row, labels in enumerate(infos.labels)
        if all(labels.get(name, "") in values for name, values in known.items() if values)
    ]


class _Infos:
    """For each info metric and target the info series that is newest at each step."""

    def __init__(self, vector: Vector, times: Values, rows: list[int], steps: int) -> None:
        self.labels, self._nowhere = vector.labels, np.full(steps, -1, dtype=np.intp)
        self._names = sorted({vector.labels[row].get(_NAME, "") for row in rows})
        groups = grouped((vector.labels[row].get(_NAME, ""), *_target(vector.labels[row])) for row in rows)
        self._newest = {key: _newest(vector, times, [rows[at] for at in places]) for key, places in groups.items()}

    def of(self, target: _Key) -> list[Indices]:
        """For each info metric the row of its series at each step, -1 where there is none; all -1 if there is no info metric."""
        return [self._newest.get((name, *target), self._nowhere) for name in self._names] or [self._nowhere]


def _target(labels: Labels) -> _Key:
    return tuple(labels.get(name, "") for name in _IDENTIFYING)


def _newest(vector: Vector, times: Values, rows: list[int]) -> Indices:
    present = vector.present[rows]
    at = np.where(present, times[rows], -np.inf)
    best = at.max(axis=0)
    if (twice := present.any(axis=0) & ((at == best).sum(axis=0) > 1)).any():
        step = int(np.flatnonzero(twice)[0])
        one, other = (rows[row] for row in np.flatnonzero(at[:, step] == best[step])[:2])
        when = round(float(best[step]) * 1000)
        told = f"existing {vector.labels[one]!r} @ {when}, new {vector.labels[other]!r} @ {when}"
        raise QueryError(f"found duplicate series for info metric: {told}")
    return np.where(present.any(axis=0), np.asarray(rows, dtype=np.intp)[at.argmax(axis=0)], -1)


def _variants(base: Labels, infos: _Infos, wanted: Sequence[Matcher]) -> Iterator[tuple[Labels, Mask]]:
    """The label sets that a series bears, and at which steps."""
    patterns, inverse = np.unique(np.stack(infos.of(_target(base))), axis=1, return_inverse=True)
    for place, pattern in enumerate(patterns.T):
        rows = [int(row) for row in pattern if row >= 0]
        if not rows and not all(predicate(matcher)("") for matcher in wanted):
            continue
        yield _joined(base, [infos.labels[row] for row in rows], {matcher.name for matcher in wanted}), inverse.ravel() == place


def _joined(base: Labels, infos: Sequence[Labels], names: set[str]) -> Labels:
    added: dict[str, str] = {}
    for labels in infos:
        for name, value in labels.pairs:
            if name == _NAME or (names and name not in names):
                continue
            if added.get(name, value) != value:
                raise QueryError(f"conflicting label: {name}")
            if name not in base:
                added[name] = value
    return base.merged(added) if added else base
