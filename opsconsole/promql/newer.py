"""Functions that came after Prometheus 3.0 and want more of a query than their arguments' values."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from opsconsole.model import Labels, Values
from opsconsole.promql import functions, histograms, info
from opsconsole.promql.labelsets import LabelSets
from opsconsole.promql.literals import format_bound
from opsconsole.promql.nodes import Call, Expr, Selector, String, bare, start_of
from opsconsole.promql.notes import Notes
from opsconsole.promql.vectors import Grid, Vector, merged


class Host(Protocol):
    """What of the evaluator these functions use."""

    notes: Notes

    def vector(self, expr: Expr, grid: Grid) -> Vector: ...

    def scalar(self, expr: Expr, grid: Grid) -> Values: ...

    def selected(self, node: Selector, grid: Grid) -> tuple[Vector, Values]: ...


def _info(host: Host, node: Call, grid: Grid) -> Vector:
    base = host.vector(node.args[0], grid)
    return info.enriched(node, base, *host.selected(info.info_selector(node), grid))


def _histogram_quantiles(host: Host, node: Call, grid: Grid) -> Vector:
    """Each quantile of each histogram, told apart by a label."""
    vector, label = host.vector(node.args[0], grid), bare(node.args[1])
    assert isinstance(label, String)
    found = [_quantile_named(host, node, arg, vector, label.value, grid) for arg in node.args[2:]]
    return merged(
        Vector(
            LabelSets([labels for part in found for labels in part.labels]),
            np.concatenate([part.values for part in found]),
            np.concatenate([part.present for part in found]),
        )
    )


def _quantile_named(host: Host, node: Call, arg: Expr, vector: Vector, label: str, grid: Grid) -> Vector:
    quantiles = host.scalar(arg, grid)
    host.notes.quantiles(quantiles, start_of(arg))
    place = histograms.Place(host.notes, start_of(node.args[0]), grid.times)
    part = histograms.histogram_quantile(quantiles, vector, place)
    values, inverse = np.unique(quantiles, return_inverse=True)
    labels: list[Labels] = []
    masks = []
    for index, value in enumerate(values):
        labels += [one.merged({label: format_bound(float(value))}) for one in part.labels]
        masks.append(part.present & (inverse.ravel() == index))
    return Vector(LabelSets(labels), np.concatenate([part.values] * len(values)), np.concatenate(masks)).compact()


def _start_timestamp(host: Host, node: Call, grid: Grid) -> Vector:
    """Samples are kept without the time at which their counter began."""
    return Vector.empty(grid.steps)


def _extreme(pick: Callable[[Values, Values], Values]) -> Callable[[Host, Call, Grid], Values]:
    return lambda host, node, grid: pick(host.scalar(node.args[0], grid), host.scalar(node.args[1], grid))


NEWER: dict[str, Callable[[Host, Call, Grid], Vector | Values]] = {
    "histogram_quantiles": _histogram_quantiles,
    "info": _info,
    "max_of": _extreme(functions.largest),
    "min_of": _extreme(functions.smallest),
    "start_timestamp": _start_timestamp,
}
