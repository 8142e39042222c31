"""The tree walked once, every node computed for all steps together. Pure: samples in, vectors out."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from opsconsole.model import Block, Labels, Millis, QueryError, Series, Values, blocks_of
from opsconsole.promql import aggregation, binary, extended, fills, functions, histograms, labelling, overtime, rates
from opsconsole.promql.blocks import Tile, stale, tiles
from opsconsole.promql.budget import Budget
from opsconsole.promql.newer import NEWER
from opsconsole.promql.nodes import (
    SET_OPERATORS,
    TRIMS,
    Aggregate,
    Binary,
    Call,
    Expr,
    Number,
    Paren,
    Range,
    Selector,
    String,
    Subquery,
    Unary,
    ValueType,
    bare,
    start_of,
)
from opsconsole.promql.notes import Notes
from opsconsole.promql.plan import Fetched, Times
from opsconsole.promql.signatures import SIGNATURES
from opsconsole.promql.types import type_of
from opsconsole.promql.vectors import Grid, Mask, Vector
from opsconsole.promql.windows import Window, newest, window

Value = Vector | Values | str
"""An instant vector, a scalar (one number per step), or a string."""

_OVER_RANGE: dict[str, Callable[..., rates.Result]] = {
    **{
        name: getattr(overtime, name)
        for name, signature in SIGNATURES.items()
        if ValueType.MATRIX in signature.args and hasattr(overtime, name)
    },
    **{name: getattr(rates, name) for name, signature in SIGNATURES.items() if hasattr(rates, name) and signature.args},
    "holt_winters": overtime.double_exponential_smoothing,
}
_KEEP_NAMES = frozenset({"last_over_time", "first_over_time"})
_FEW = 16
"""Series up to which an instant's samples are looked up one by one: matrices cost more than they save there."""
_ONLY_NATIVE = frozenset({"histogram_avg", "histogram_count", "histogram_stddev", "histogram_stdvar", "histogram_sum"})


class Evaluator:
    def __init__(self, fetched: Fetched, times: Times, budget: Budget, notes: Notes, compat: int = 3) -> None:
        self._fetched, self._times, self._budget, self._compat = fetched, times, budget, compat
        self.notes = notes

    def evaluate(self, expr: Expr, grid: Grid) -> Value:
        self._budget.check()
        match expr:
            case Number():
                return np.full(grid.steps, expr.value)
            case String():
                return expr.value
            case Paren():
                return self.evaluate(expr.expr, grid)
            case Selector():
                return self.selected(expr, grid)[0] if expr.edges != "smoothed" else self._smoothed(expr, grid)
            case Unary():
                return self._unary(expr, grid)
            case Binary():
                return self._binary(expr, grid)
            case Aggregate():
                param = None if expr.param is None else self._plain(expr.param, grid)
                return aggregation.aggregate(expr, self.vector(expr.expr, grid), param, self.notes, self._budget)
            case Call():
                return self._call(expr, grid)
        raise TypeError(f"{type(expr).__name__} has no value of its own")

    def vector(self, expr: Expr, grid: Grid) -> Vector:
        value = self.evaluate(expr, grid)
        assert isinstance(value, Vector)
        self._budget.hold(_elements(value))
        return value

    def scalar(self, expr: Expr, grid: Grid) -> Values:
        value = self.evaluate(expr, grid)
        assert isinstance(value, np.ndarray)
        return value

    def matrix(self, expr: Range | Subquery, grid: Grid) -> Iterator[tuple[Labels, Millis, Values]]:
        """The samples of a range vector at a single step."""
        blocks, ends = self._ranged(expr, grid)
        if isinstance(expr, Range) and expr.selector.edges:
            yield from extended.samples(expr, blocks, int(ends[0]), self._times.lookback_ms)
            return
        labels = self._fetched.labels(blocks)
        for tile in tiles(blocks, keep_stale=False):
            seen = self._window(tile, grid, ends, expr.range_ms)
            for at, row in enumerate(tile.rows):
                bounds = 0 if tile.shared else at
                cut = slice(int(seen.first[bounds, 0]), int(seen.last[bounds, 0]))
                if cut.start < cut.stop:
                    yield labels[row], tile.times[bounds, cut], tile.values[at, cut]

    def _plain(self, expr: Expr, grid: Grid) -> Values | str:
        value = self.evaluate(expr, grid)
        assert not isinstance(value, Vector)
        return value

    def _refs(self, node: Selector | Subquery, grid: Grid) -> Millis:
        anchor = self._times.anchor(node.at)
        times = grid.times if anchor is None else np.full(grid.steps, anchor, dtype=np.int64)
        return times - node.offset_ms

    def selected(self, node: Selector, grid: Grid) -> tuple[Vector, Values]:
        """The newest sample within the lookback at each step, and the samples' own times in seconds."""
        refs, lookback = self._refs(node, grid), self._times.lookback_ms
        _, after = self._times.beyond(node)
        blocks = self._fetched.blocks(node.matchers, int(refs.min()) - lookback, int(refs.max()) + after)
        return self._newest(blocks, refs, grid)

    def _newest(self, blocks: list[Block], refs: Millis, grid: Grid) -> tuple[Vector, Values]:
        labels, lookback = self._fetched.labels(blocks), self._times.lookback_ms
        shape = (len(labels), grid.steps)
        self._budget.hold(len(labels) * grid.steps)
        if grid.steps == 1 and len(labels) <= _FEW:
            return newest(blocks, labels, int(refs[0]), lookback, left_open=self._times.left_open)
        values, present, at = np.full(shape, np.nan), np.zeros(shape, dtype=bool), np.zeros(shape)
        for tile in tiles(blocks, keep_stale=True):
            for part in tile.parts(grid.steps):
                seen = self._window(part, grid, refs, lookback)
                found = seen.last_values()
                values[part.rows] = found
                present[part.rows] = seen.having(1) & ~stale(found)
                at[part.rows] = seen.times(seen.last - 1)
                self._budget.check()
        alive = present.any(axis=1)
        vector = Vector(labels, values, present)
        return vector.compact(), at if alive.all() else at[alive]

    def _smoothed(self, node: Selector, grid: Grid) -> Vector:
        refs, lookback = self._refs(node, grid), self._times.lookback_ms
        blocks = self._fetched.blocks(node.matchers, int(refs.min()) - lookback, int(refs.max()) + lookback)
        self._budget.hold(sum(len(block.labels) for block in blocks) * grid.steps)
        return extended.selected(node, blocks, refs, lookback)

    def _window(self, tile: Tile, grid: Grid, ends: Millis, range_ms: int) -> Window:
        return window(tile, grid.times, ends, range_ms, self._budget.check, left_open=self._times.left_open)

    def _ranged(self, expr: Expr, grid: Grid) -> tuple[list[Block], Millis]:
        """The samples of a range vector, and where each step's window ends."""
        match bare(expr):
            case Range() as node:
                refs = self._refs(node.selector, grid)
                before, after = self._times.beyond(node.selector)
                start, end = int(refs.min()) - node.range_ms - before, int(refs.max()) + after
                return self._fetched.blocks(node.selector.matchers, start, end), refs
            case Subquery() as node:
                return self._subquery(node, grid), self._refs(node, grid)
        raise TypeError("not a range vector")

    def _subquery(self, node: Subquery, grid: Grid) -> list[Block]:
        start, end, step = self._times.subquery_span(node, int(grid.times[0]), grid.end_ms)
        if start > end:
            return []
        self._budget.hold((end - start) // step)
        inner = Grid.of(start, end, step)
        vector = self.vector(node.expr, inner)
        self._budget.hold(int(vector.present.sum()))
        whole = vector.present.all(axis=1)
        found = [] if not whole.any() else [Block(vector.take(np.flatnonzero(whole)).labels, inner.times, vector.values[whole])]
        gaps = vector.take(np.flatnonzero(~whole))
        return found + blocks_of(
            Series(labels, inner.times[present], values[present])
            for labels, values, present in zip(gaps.labels, gaps.values, gaps.present, strict=True)
        )

    def _unary(self, node: Unary, grid: Grid) -> Value:
        value = self.evaluate(node.expr, grid)
        if node.op == "+" or isinstance(value, str):
            return value
        return binary.negated(value) if isinstance(value, Vector) else -value

    def _binary(self, node: Binary, grid: Grid) -> Value:
        left = self.evaluate(node.left, grid)
        with self._budget.keeping(_elements(left)):
            right = self.evaluate(node.right, grid)
        self._budget.hold(max(_elements(left), _elements(right)))
        assert not isinstance(left, str)
        assert not isinstance(right, str)
        if node.op in TRIMS:
            return self._trimmed(node, left, right, grid)
        if isinstance(left, Vector) and isinstance(right, Vector):
            if node.op in SET_OPERATORS:
                return binary.set_operation(node, left, right)
            if node.matching.fill_left is not None or node.matching.fill_right is not None:
                left, right = fills.filled(node.matching, left, right)
            return binary.vectors(node, left, right, self._compat, self._budget)
        if isinstance(left, Vector):
            assert not isinstance(right, Vector)
            return binary.with_scalar(node, left, right, self._compat, swapped=False)
        if isinstance(right, Vector):
            return binary.with_scalar(node, right, left, self._compat, swapped=True)
        return binary.scalars(node, left, right)

    def _trimmed(self, node: Binary, left: Vector | Values, right: Vector | Values, grid: Grid) -> Vector:
        """Numbers have no buckets to be cut."""
        if not isinstance(left, Vector) and not isinstance(right, Vector):
            raise QueryError(f'operator "{node.op}" not allowed for Scalar operations')
        if len(left) and len(right):
            told = f'incompatible sample types encountered for binary operator "{node.op}": float {node.op} float'
            self.notes.info(told, start_of(node))
        return Vector.empty(grid.steps)

    def _call(self, node: Call, grid: Grid) -> Value:
        if node.name in _OVER_RANGE:
            return self._over_range(node, grid)
        if node.name in functions.MATH:
            vector = self.vector(node.args[0], grid)
            return vector.mapped(self._math(node.name)(vector.values))
        if node.name in functions.DATES:
            return self._date(node, grid)
        if node.name in _ONLY_NATIVE:
            self.vector(node.args[0], grid)
            return Vector.empty(grid.steps)
        if node.name in NEWER:
            return NEWER[node.name](self, node, grid)
        special: Callable[[Call, Grid], Value] = getattr(self, f"_call_{node.name}")
        return special(node, grid)

    def _over_range(self, node: Call, grid: Grid) -> Vector:
        at = next(n for n, arg in enumerate(node.args) if type_of(arg) is ValueType.MATRIX)
        params = [self.scalar(arg, grid) for n, arg in enumerate(node.args) if n != at]
        inner = bare(node.args[at])
        if isinstance(inner, Range) and inner.selector.edges:
            return self._edged(node, inner, grid)
        function = self._over_range_function(node.name)
        vector = self._windowed(node.args[at], grid, lambda seen: function(seen, *params))
        self._annotate(node, params, vector)
        return vector if node.name in _KEEP_NAMES else vector.nameless()

    def _math(self, name: str) -> Callable[[Values], Values]:
        return functions.MATH[name]

    def _over_range_function(self, name: str) -> Callable[..., rates.Result]:
        return _OVER_RANGE[name]

    def _edged(self, node: Call, ranged: Range, grid: Grid) -> Vector:
        blocks, ends = self._ranged(ranged, grid)
        self._budget.hold(sum(len(block.labels) for block in blocks) * grid.steps)
        vector = extended.over_range(node.name, ranged, blocks, ends, self._times.lookback_ms)
        self._annotate(node, [], vector)
        return vector.nameless()

    def _annotate(self, node: Call, params: list[Values], vector: Vector) -> None:
        """What Prometheus would remark about a function over ranges that had something to work on."""
        if node.name == "quantile_over_time" and len(vector):
            self.notes.quantiles(params[0], start_of(node.args[0]))
        elif node.name in ("rate", "increase"):
            for name in vector.labels.derived("names", lambda: _names(vector.labels)):
                self.notes.counter(name, start_of(node.args[0]))

    def _windowed(self, expr: Expr, grid: Grid, function: Callable[[Window], rates.Result]) -> Vector:
        """`function` over every series' windows; labels as selected."""
        blocks, ends = self._ranged(expr, grid)
        labels = self._fetched.labels(blocks)
        range_expr = bare(expr)
        assert isinstance(range_expr, Range | Subquery)
        made = sum(block.values.size for block in blocks) if isinstance(range_expr, Subquery) else 0
        with self._budget.keeping(made):
            self._budget.hold(len(labels) * grid.steps)
        values = np.full((len(labels), grid.steps), np.nan)
        present = np.zeros(values.shape, dtype=bool)
        for tile in tiles(blocks, keep_stale=False):
            for part in tile.parts(grid.steps):
                values[part.rows], present[part.rows] = function(self._window(part, grid, ends, range_expr.range_ms))
                self._budget.check()
        return Vector(labels, values, present).compact()

    def _date(self, node: Call, grid: Grid) -> Vector:
        if not node.args:
            return Vector.single(functions.date(node.name, grid.times / 1000.0))
        vector = self.vector(node.args[0], grid)
        return vector.mapped(functions.date(node.name, vector.values))

    def _call_time(self, node: Call, grid: Grid) -> Value:
        return grid.times / 1000.0

    def _call_pi(self, node: Call, grid: Grid) -> Value:
        return np.full(grid.steps, np.pi)

    def _call_vector(self, node: Call, grid: Grid) -> Value:
        return Vector.single(self.scalar(node.args[0], grid))

    def _call_scalar(self, node: Call, grid: Grid) -> Value:
        return functions.scalar_of(self.vector(node.args[0], grid))

    def _call_timestamp(self, node: Call, grid: Grid) -> Value:
        """A selector's samples tell their own time, anything else the step's."""
        inner = bare(node.args[0])
        if isinstance(inner, Selector):
            vector, times = self.selected(inner, grid)
            return vector.mapped(times)
        vector = self.vector(node.args[0], grid)
        return vector.mapped(np.broadcast_to(grid.times / 1000.0, vector.values.shape))

    def _call_absent(self, node: Call, grid: Grid) -> Value:
        return self._absent(node.args[0], self.vector(node.args[0], grid))

    def _call_absent_over_time(self, node: Call, grid: Grid) -> Value:
        return self._absent(node.args[0], self._windowed(node.args[0], grid, overtime.present_over_time))

    def _absent(self, expr: Expr, vector: Vector) -> Vector:
        missing: Mask = ~np.any(vector.present, axis=0, keepdims=True)[0]
        return Vector.single(np.ones(len(missing)), missing, labelling.labels_told(bare(expr))).compact()

    def _sortable(self, node: Call, grid: Grid) -> Vector:
        if self._times.is_range:
            self.notes.ineffective_sort(node.position)
        return self.vector(node.args[0], grid)

    def _call_sort(self, node: Call, grid: Grid) -> Value:
        return functions.sorted_by_value(self._sortable(node, grid), descending=False)

    def _call_sort_desc(self, node: Call, grid: Grid) -> Value:
        return functions.sorted_by_value(self._sortable(node, grid), descending=True)

    def _call_sort_by_label(self, node: Call, grid: Grid) -> Value:
        return functions.sorted_by_label(self._sortable(node, grid), self._strings(node, grid), descending=False)

    def _call_sort_by_label_desc(self, node: Call, grid: Grid) -> Value:
        return functions.sorted_by_label(self._sortable(node, grid), self._strings(node, grid), descending=True)

    def _call_round(self, node: Call, grid: Grid) -> Value:
        vector = self.vector(node.args[0], grid)
        nearest = self.scalar(node.args[1], grid) if len(node.args) > 1 else np.ones(grid.steps)
        return vector.mapped(functions.rounded(vector.values, nearest))

    def _call_clamp(self, node: Call, grid: Grid) -> Value:
        low, high = self.scalar(node.args[1], grid), self.scalar(node.args[2], grid)
        return functions.clamp(self.vector(node.args[0], grid), low, high)

    def _call_clamp_min(self, node: Call, grid: Grid) -> Value:
        vector = self.vector(node.args[0], grid)
        return vector.mapped(functions.largest(vector.values, self.scalar(node.args[1], grid)))

    def _call_clamp_max(self, node: Call, grid: Grid) -> Value:
        vector = self.vector(node.args[0], grid)
        return vector.mapped(functions.smallest(vector.values, self.scalar(node.args[1], grid)))

    def _call_histogram_quantile(self, node: Call, grid: Grid) -> Value:
        quantile, vector = self.scalar(node.args[0], grid), self.vector(node.args[1], grid)
        self.notes.quantiles(quantile, start_of(node.args[0]))
        return histograms.histogram_quantile(quantile, vector, self._place(node.args[1], grid))

    def _place(self, expr: Expr, grid: Grid) -> histograms.Place:
        return histograms.Place(self.notes, start_of(expr), grid.times)

    def _call_histogram_fraction(self, node: Call, grid: Grid) -> Value:
        lower, upper, vector = self.scalar(node.args[0], grid), self.scalar(node.args[1], grid), self.vector(node.args[2], grid)
        return histograms.histogram_fraction(lower, upper, vector, self._place(node.args[2], grid))

    def _call_label_replace(self, node: Call, grid: Grid) -> Value:
        target, replacement, source, regex = self._strings(node, grid)
        vector = self.vector(node.args[0], grid)
        return labelling.label_replace(self._budget, vector, target, replacement, source, regex, self._compat)

    def _call_label_join(self, node: Call, grid: Grid) -> Value:
        vector = self.vector(node.args[0], grid)
        return labelling.label_join(self._budget, vector, *self._strings(node, grid), compat=self._compat)

    def _strings(self, node: Call, grid: Grid) -> tuple[str, ...]:
        return tuple(value for arg in node.args[1:] if isinstance(value := self.evaluate(arg, grid), str))


def _elements(value: Value) -> int:
    return value.values.size if isinstance(value, Vector) else 0


def _names(labels: Iterable[Labels]) -> list[str]:
    return list(dict.fromkeys(one.get("__name__", "") for one in labels))
