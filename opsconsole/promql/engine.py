"""The thin rim: parse, fetch what the expression needs, evaluate, shape the answer."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from opsconsole.clock import Clock, millis
from opsconsole.model import Block, Labels, Point, QueryError, QueryResult, Row, SeriesSource
from opsconsole.promql.budget import Budget
from opsconsole.promql.durations import resolved
from opsconsole.promql.evaluator import Evaluator, Value
from opsconsole.promql.fading import settled
from opsconsole.promql.labelsets import Known
from opsconsole.promql.nodes import Expr, Range, Subquery, ValueType, bare
from opsconsole.promql.notes import Notes
from opsconsole.promql.parser import parse
from opsconsole.promql.plan import Fetched, Request, Times, requests
from opsconsole.promql.prometheus2.evaluator import Evaluator2, refuse_wrapped
from opsconsole.promql.settings import Settings
from opsconsole.promql.types import type_of
from opsconsole.promql.vectors import SAME_LABELS, Grid, Vector

_Shape = Callable[[Evaluator, Expr, Grid], QueryResult]

_QUICK = 200_000
"""Cells of work up to which evaluation stays on the event loop; more of it goes to a thread."""


class Engine:
    """Answers PromQL from a `SeriesSource`; the embedded `model.Querier`."""

    def __init__(self, source: SeriesSource, clock: Clock, settings: Settings | None = None) -> None:
        self._source, self._clock, self._settings = source, clock, settings or Settings()
        self._known = Known()

    async def instant(self, expr: str, at: datetime) -> QueryResult:
        tree, at_ms = self._parsed(expr), millis(at)
        grid = Grid(np.array([at_ms], dtype=np.int64))
        return await self._answer(expr, tree, grid, at_ms, _instant_result)

    async def range(self, expr: str, start: datetime, end: datetime, step: timedelta) -> QueryResult:
        tree, step_ms = self._parsed(expr), step // timedelta(milliseconds=1)
        if step_ms <= 0:
            raise QueryError("zero or negative query resolution step widths are not accepted. Try a positive integer", "bad_data")
        if end < start:
            raise QueryError("end timestamp must not be before start time", "bad_data")
        if (end - start) // step > self._settings.max_steps:
            limit = f"exceeded maximum resolution of {self._settings.max_steps:,} points per timeseries"
            raise QueryError(f"{limit}. Try decreasing the query resolution (?step=XX)", "bad_data")
        if (kind := type_of(tree)) not in (ValueType.SCALAR, ValueType.VECTOR):
            raise QueryError(f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector', "bad_data")
        return await self._answer(expr, tree, Grid.of(millis(start), millis(end), step_ms), millis(end), _range_result)

    def _parsed(self, expr: str) -> Expr:
        return parse(expr, self._settings.compat)

    async def _answer(self, text: str, tree: Expr, grid: Grid, end_ms: int, shape: _Shape) -> QueryResult:
        settings, notes = self._settings, Notes(text, self._settings.compat)
        tree = resolved(tree, int(grid.times[0]), end_ms, grid.step_ms)
        times = Times(
            int(grid.times[0]),
            end_ms,
            _ms(settings.lookback),
            _ms(settings.subquery_step),
            left_open=settings.compat == 3,
        )
        budget = Budget(self._clock, settings.max_samples, settings.timeout.total_seconds())
        answers = await self._fetch(requests(tree, times), budget)
        fading = settings.delayed_name_removal and settings.compat == 3
        kind = Evaluator2 if settings.compat == 2 else Evaluator
        evaluator = kind(Fetched(answers, self._known, fading=fading), times, budget, notes, settings.compat)
        work = sum(len(block.labels) for _, blocks in answers for block in blocks) * grid.steps + budget.loaded
        if work <= _QUICK:
            return _computed(evaluator, tree, grid, shape)
        try:
            return await asyncio.to_thread(_computed, evaluator, tree, grid, shape)
        except asyncio.CancelledError:
            budget.cancel()
            raise

    async def _fetch(self, wanted: list[Request], budget: Budget) -> list[tuple[Request, list[Block]]]:
        answers = []
        for request in wanted:
            blocks = await self._source.blocks(request.matchers, request.start_ms, request.end_ms)
            budget.load(sum(block.values.size for block in blocks))
            answers.append((request, blocks))
        return answers


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


def _computed(evaluator: Evaluator, tree: Expr, grid: Grid, shape: _Shape) -> QueryResult:
    try:
        with np.errstate(all="ignore"):
            result = shape(evaluator, tree, grid)
    except RecursionError:
        raise QueryError("the expression is too deeply nested") from None
    return replace(result, warnings=evaluator.notes.warnings, infos=evaluator.notes.infos)


def _instant_result(evaluator: Evaluator, tree: Expr, grid: Grid) -> QueryResult:
    at_ms, inner = int(grid.times[0]), bare(tree)
    if isinstance(inner, Range | Subquery):
        rows = [Row(settled(labels), times, values) for labels, times, values in evaluator.matrix(inner, grid)]
        if len({row.labels for row in rows}) < len(rows):
            raise QueryError(SAME_LABELS)
        if isinstance(evaluator, Evaluator2):
            refuse_wrapped(tree, rows)
        return QueryResult("matrix", rows=sorted(rows, key=_by_labels))
    value = evaluator.evaluate(tree, grid)
    if isinstance(value, str):
        return QueryResult("string", text=value)
    if isinstance(value, Vector):
        value = value.settled()
        there = zip(value.labels, value.values[:, 0].tolist(), value.present[:, 0].tolist(), strict=True)
        return QueryResult("vector", [Point(labels, at_ms, number) for labels, number, present in there if present])
    return QueryResult("scalar", [Point(Labels(), at_ms, float(value[0]))])


def _range_result(evaluator: Evaluator, tree: Expr, grid: Grid) -> QueryResult:
    value = evaluator.evaluate(tree, grid)
    vector = _as_vector(value).settled()
    rows = [
        Row(labels, grid.times, values) if present.all() else Row(labels, grid.times[present], values[present])
        for labels, values, present in zip(vector.labels, vector.values, vector.present, strict=True)
        if present.any()
    ]
    return QueryResult("matrix", rows=sorted(rows, key=_by_labels))


def _as_vector(value: Value) -> Vector:
    if isinstance(value, Vector):
        return value
    assert isinstance(value, np.ndarray)
    return Vector.single(value)


def _by_labels(row: Row) -> tuple[tuple[str, str], ...]:
    return row.labels.pairs
