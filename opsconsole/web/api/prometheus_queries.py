"""`query` and `query_range`, and what else concerns an expression as a whole."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from opsconsole import promql
from opsconsole.clock import from_millis
from opsconsole.model import QueryError, QueryResult
from opsconsole.web.api.prometheus_answer import Handler, endpoints, success, while_connected
from opsconsole.web.api.prometheus_forms import BadData, Form, invalid
from opsconsole.web.api.prometheus_json import dumped, query_data
from opsconsole.web.api.prometheus_times import BEGINNING, END, at, between, evaluated_ms
from opsconsole.web.console import Console

MOST_STEPS = 11_000
AT_ONCE = 20
"""Queries that are evaluated at one time, as in Prometheus; more wait for their turn."""
_MILLISECOND = 1_000_000


def handlers(console: Console) -> dict[str, Handler]:
    """By their path."""
    endpoint = endpoints(console.compat)
    turns = asyncio.Semaphore(AT_ONCE)

    async def answered(
        request: Request, given: Form, ask: Callable[[], Awaitable[QueryResult]], *, over_range: bool
    ) -> QueryResult:
        async def work() -> QueryResult:
            async with turns:
                return await ask()

        seconds = _seconds(given, console.query_timeout)
        if seconds > 0:
            return await while_connected(request, work(), seconds)
        promql.check(given.get("query"), console.compat, over_range=over_range)
        raise QueryError("query timed out in query execution", "timeout")

    async def query(request: Request, given: Form) -> Response:
        limit = given.limit()
        at_ms = evaluated_ms(given.time("time", at(console.clock.now())))
        ask = partial(console.querier.instant, given.get("query"), from_millis(at_ms))
        result = await answered(request, given, ask, over_range=False)
        return _answer(request, result, at_ms, limit)

    async def query_range(request: Request, given: Form) -> Response:
        limit = given.limit()
        start, end = given.time("start"), given.time("end")
        if end < start:
            raise invalid("end", "end timestamp must not be before start time")
        step = given.duration("step")
        if step <= 0:
            raise invalid("step", "zero or negative query resolution step widths are not accepted. Try a positive integer")
        if between(start, end) // step > MOST_STEPS:
            raise BadData(
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"
            )
        first, last = from_millis(evaluated_ms(start)), from_millis(evaluated_ms(end))
        if step < _MILLISECOND and console.compat == 2:
            raise _without_steps(given)
        width = timedelta(milliseconds=max(1, step // _MILLISECOND))
        ask = partial(console.querier.range, given.get("query"), first, last, width)
        try:
            result = await answered(request, given, ask, over_range=True)
        except QueryError as error:
            raise _unnamed(error) if error.kind == "bad_data" and console.compat == 2 else error from None
        return _answer(request, result, evaluated_ms(start), limit)

    async def query_exemplars(request: Request, given: Form) -> Response:
        """None are kept."""
        start, end = given.time("start", BEGINNING), given.time("end", END)
        if end < start:
            raise BadData("end timestamp must not be before start timestamp")
        try:
            asked = promql.matchers_of(promql.parse(given.get("query"), console.compat))
        except QueryError as error:
            raise _unnamed(error) from None
        return success(request, ["[]"]) if asked else Response(status_code=204)

    async def format_query(request: Request, given: Form) -> Response:
        return success(request, [dumped(promql.pretty(promql.parse(given.get("query"), console.compat)))])

    return {
        "query": endpoint(query),
        "query_range": endpoint(query_range),
        "query_exemplars": endpoint(query_exemplars),
        "format_query": endpoint(format_query),
    }


def _unnamed(error: QueryError) -> BadData:
    """Without the parameter's name, where Prometheus does not tell it."""
    return BadData(str(error))


def _without_steps(given: Form) -> Exception:
    """Why Prometheus 2.42 refuses a step that is no whole millisecond: unless the query is wrong, it divides by that."""
    try:
        promql.check(given.get("query"), 2, over_range=True)
    except QueryError as error:
        return _unnamed(error)
    return QueryError("unexpected error: runtime error: integer divide by zero")


def _seconds(given: Form, longest: timedelta) -> float:
    """How long the query may take; `timeout` can only shorten it. Raises BadData."""
    asked = given.duration("timeout") / 1e9 if given.get("timeout") else longest.total_seconds()
    return min(longest.total_seconds(), asked)


def _answer(request: Request, result: QueryResult, at_ms: int, limit: int) -> Response:
    warnings = list(result.warnings)
    if limit and max(len(result.points), len(result.rows)) > limit and result.kind in ("vector", "matrix"):
        result = replace(result, points=result.points[:limit], rows=result.rows[:limit])
        warnings.append("results truncated due to limit")
    return success(request, query_data(result, at_ms), warnings, result.infos)
