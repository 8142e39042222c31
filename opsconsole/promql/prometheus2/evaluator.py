"""Evaluation as Prometheus 2.42 does it: its order of series, its rounding, and what it makes of `@` where steps differ."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from opsconsole.model import Block, Millis, QueryError, Row, Values
from opsconsole.promql import labelling, rates
from opsconsole.promql.evaluator import Evaluator, Value
from opsconsole.promql.labelsets import Indices
from opsconsole.promql.nodes import (
    Aggregate,
    Call,
    Expr,
    Paren,
    Range,
    Selector,
    Subquery,
    bare,
)
from opsconsole.promql.plan import WhatThereIs
from opsconsole.promql.prometheus2.aggregation import aggregate
from opsconsole.promql.prometheus2.histograms import histogram_quantile
from opsconsole.promql.prometheus2.overtime import OVER_RANGE
from opsconsole.promql.prometheus2.pinning import invariant
from opsconsole.promql.regexes import complaint, of_one_line
from opsconsole.promql.vectors import Grid, Vector
from opsconsole.promql.windows import Window

_T = TypeVar("_T")
_Pinned = TypeVar("_Pinned", Selector, Subquery)
MATH: dict[str, Callable[[Values], Values]] = {
    "deg": lambda values: values * 180 / np.pi,
    "rad": lambda values: values * np.pi / 180,
}
"""Where the order of operations shows in the last digit."""


class Evaluator2(Evaluator):
    """Series go through in the order of their labels, as Prometheus' storage hands them out."""

    _moving: frozenset[int] = frozenset()
    _in_parameter = False
    _pinned_at: int | None = None

    def evaluate(self, expr: Expr, grid: Grid) -> Value:
        if not isinstance(expr, Aggregate):
            return super().evaluate(expr, grid)
        param = None if expr.param is None else self._parameter(expr, expr.param, grid)
        return aggregate(expr, self.vector(expr.expr, grid), param, self.notes, self._budget)

    def _parameter(self, node: Aggregate, param: Expr, grid: Grid) -> Values | str:
        """Once for all steps if the aggregated is, and then as of the first; what `@` pins in it moves on with the steps."""
        outer, self._in_parameter = self._in_parameter, True
        try:
            if not invariant(node.expr):
                return self._plain(param, grid)
            value = self._plain(param, Grid(grid.times[:1], grid.step_ms))
            return value if isinstance(value, str) else np.full(grid.steps, value[0])
        finally:
            self._in_parameter = outer

    def _over_range_function(self, name: str) -> Callable[..., rates.Result]:
        return OVER_RANGE.get(name) or super()._over_range_function(name)

    def _over_range(self, node: Call, grid: Grid) -> Vector:
        """Where the call is not evaluated once, a window that `@` pins moves on with the steps, over the samples there were."""
        if not invariant(node):
            self._moving |= {id(bare(arg)) for arg in node.args}
        return super()._over_range(node, grid)

    def _ranged(self, expr: Expr, grid: Grid) -> tuple[list[Block], Millis]:
        node = bare(expr)
        if isinstance(node, Range) and node.selector.at is not None and self._moves(node):
            pinned = int(self._refs(node.selector, grid)[0])
            loose = replace(node, selector=self._loosened(node.selector, grid))
            blocks, ends = self._with_what_there_is(lambda: super(Evaluator2, self)._ranged(loose, grid))
            return _until(blocks, pinned), ends
        if isinstance(node, Subquery) and node.at is not None and self._moves(node):
            free = self._loosened(node, grid)
            return self._with_what_there_is(lambda: super(Evaluator2, self)._ranged(free, grid))
        return super()._ranged(expr, grid)

    def _loosened(self, node: _Pinned, grid: Grid) -> _Pinned:
        """The same at the first step, but moving on with the steps."""
        return replace(node, at=None, offset_ms=int(grid.times[0] - self._refs(node, grid)[0]))

    def _with_what_there_is(self, evaluate: Callable[[], _T]) -> _T:
        """Evaluates over the samples that were fetched, though others are asked for too."""
        fetched, self._fetched = self._fetched, WhatThereIs(self._fetched)
        try:
            return evaluate()
        finally:
            self._fetched = fetched

    def _moves(self, node: Expr) -> bool:
        return self._in_parameter or id(node) in self._moving

    def _windowed(self, expr: Expr, grid: Grid, function: Callable[[Window], rates.Result]) -> Vector:
        vector = super()._windowed(expr, grid, function)
        return vector.take(_by_labels(vector)) if isinstance(bare(expr), Range) else vector

    def selected(self, node: Selector, grid: Grid) -> tuple[Vector, Values]:
        if self._in_parameter and node.at is not None and grid.steps > 1:
            self._pinned_at, loose = int(self._refs(node, grid)[0]), self._loosened(node, grid)
            return self._with_what_there_is(lambda: super(Evaluator2, self).selected(loose, grid))
        return super().selected(node, grid)

    def _newest(self, blocks: list[Block], refs: Millis, grid: Grid) -> tuple[Vector, Values]:
        if self._pinned_at is not None:
            blocks, self._pinned_at = _until(blocks, self._pinned_at), None
        vector, times = super()._newest(blocks, refs, grid)
        order = _by_labels(vector)
        return vector.take(order), times[order]

    def _call_histogram_quantile(self, node: Call, grid: Grid) -> Value:
        return histogram_quantile(self.scalar(node.args[0], grid), self.vector(node.args[1], grid))

    def _call_histogram_fraction(self, node: Call, grid: Grid) -> Value:
        """For native histograms alone, which are not kept here."""
        self.scalar(node.args[0], grid), self.scalar(node.args[1], grid), self.vector(node.args[2], grid)
        return Vector.empty(grid.steps)

    def _call_label_replace(self, node: Call, grid: Grid) -> Value:
        target, replacement, source, regex = self._strings(node, grid)
        plain = regex if complaint(regex) else of_one_line(regex)
        vector = self.vector(node.args[0], grid)
        return labelling.label_replace(self._budget, vector, target, replacement, source, plain, self._compat)

    def _math(self, name: str) -> Callable[[Values], Values]:
        return MATH.get(name) or super()._math(name)

    def _call_timestamp(self, node: Call, grid: Grid) -> Value:
        """Of a pinned selector: looked back for from the pinned time, while the samples at hand are those for its offset."""
        inner = bare(node.args[0])
        if not isinstance(inner, Selector) or inner.at is None or not inner.offset_ms:
            return super()._call_timestamp(node, grid)
        shifted, lookback = self._refs(inner, grid), self._times.lookback_ms
        blocks = self._fetched.blocks(inner.matchers, int(shifted[0]) - lookback, int(shifted[0]))
        pinned = shifted + inner.offset_ms
        vector, times = super()._newest(_from(_until(blocks, int(shifted[0])), int(shifted[0]) - lookback), pinned, grid)
        return vector.mapped(times)


def refuse_wrapped(tree: Expr, rows: Sequence[Row]) -> None:
    """A pinned range in parentheses is taken for something with one value a step. Raises QueryError where it has not one."""
    if isinstance(tree, Paren) and invariant(tree) and any(len(row.timestamps) != 1 for row in rows):
        raise QueryError("unexpected number of samples")


def _until(blocks: Sequence[Block], last_ms: int) -> list[Block]:
    """Without the samples after `last_ms`."""
    return _cut(blocks, lambda times: slice(0, int(np.searchsorted(times, last_ms, side="right"))))


def _from(blocks: Sequence[Block], first_ms: int) -> list[Block]:
    return _cut(blocks, lambda times: slice(int(np.searchsorted(times, first_ms)), len(times)))


def _cut(blocks: Sequence[Block], part: Callable[[Millis], slice]) -> list[Block]:
    return [
        Block(block.labels, times, block.values[:, part(block.timestamps)])
        for block in blocks
        if len(times := block.timestamps[part(block.timestamps)])
    ]


def _by_labels(vector: Vector) -> Indices:
    return np.argsort(vector.labels.ranks(), kind="stable")
