"""The thin rim: parse, fetch what the expression needs, evaluate, shape the answer."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import numpy as np

from opsconsole.clock import Clock, millis
from opsconsole.model import Block, Labels, Point, QueryError, QueryResult, Row, SeriesSource
from opsconsole.promql.budget import Budget, Memory, Queue
from opsconsole.promql.durations import resolved
from opsconsole.promql.evaluator import Evaluator, Value
from opsconsole.promql.fading import settled
from opsconsole.promql.labelsets import Known
from opsconsole.promql.nodes import Expr, Range, Subquery, ValueType, bare, children
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


def check(expr: str, compat: int = 3, *, over_range: bool = False) -> None:
    """Raises QueryError for a text that is no query, or none that can be asked over a range of time."""
    tree = parse(expr, compat)
    if over_range:
        _check_kind(tree)


def _check_kind(tree: Expr) -> None:
    if (kind := type_of(tree)) not in (ValueType.SCALAR, ValueType.VECTOR):
        raise QueryError(f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector', "bad_data")


class Engine:
    """Answers PromQL from a `SeriesSource`; the embedded `model.Querier`."""

    def __init__(self, source: SeriesSource, clock: Clock, settings: Settings | None = None, known: Known | None = None) -> None:
        self._source, self._clock, self._settings = source, clock, settings or Settings()
        self._known = known or Known()
        self._memory, self._queue = Memory(self._settings.max_memory), Queue(self._settings.max_concurrent)

    def apart(self) -> "Engine":
        """Another engine over the same source, whose queries wait for none of these and share no memory with them."""
        return Engine(self._source, self._clock, self._settings, self._known)

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
        _check_kind(tree)
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
        fading = settings.delayed_name_removal and settings.compat == 3
        kind = Evaluator2 if settings.compat == 2 else Evaluator
        with Budget(self._clock, self._memory, settings.max_samples, settings.timeout.total_seconds()) as budget:
            async with self._queue.turn(budget):
                answers = await self._fetch(requests(tree, times), budget)
                fetched = Fetched(answers, self._known, fading=fading)
                evaluator = kind(fetched, times, budget, notes, settings.compat)
                compute = partial(_computed, evaluator, tree, grid, shape)
                return compute() if _quick(tree, answers, grid, budget) else await _beside(compute, budget)

    async def _fetch(self, wanted: list[Request], budget: Budget) -> list[tuple[Request, list[Block]]]:
        answers = []
        for request in wanted:
            before = budget.loaded
            blocks = await self._source.blocks(request.matchers, request.start_ms, request.end_ms, budget.load)
            budget.load(max(0, sum(block.values.size for block in blocks) - (budget.loaded - before)))
            answers.append((request, blocks))
        return answers


def _quick(tree: Expr, answers: Sequence[tuple[Request, list[Block]]], grid: Grid, budget: Budget) -> bool:
    """Whether computing takes no longer than handing it over; a subquery has steps of its own, nobody knows how many."""
    work = sum(len(block.labels) for _, blocks in answers for block in blocks) * grid.steps + budget.loaded
    return work <= _QUICK and not _has_subquery(tree)


def _has_subquery(expr: Expr) -> bool:
    return isinstance(expr, Subquery) or any(map(_has_subquery, children(expr)))


async def _beside(compute: Callable[[], QueryResult], budget: Budget) -> QueryResult:
    """In a thread. Whoever is cancelled leaves only when the thread has ended: until then its memory is not free."""
    running = asyncio.get_running_loop().run_in_executor(None, compute)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        budget.cancel()
        await asyncio.wait([running])
        running.exception()
        raise


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
