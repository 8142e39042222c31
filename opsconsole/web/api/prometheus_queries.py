"""`query` and `query_range`, and what else concerns an expression as a whole."""

import asyncio
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from opsconsole import promql
from opsconsole.clock import millis
from opsconsole.model import QueryResult
from opsconsole.web.api.prometheus_answer import Handler, endpoint, success, while_connected
from opsconsole.web.api.prometheus_forms import BadData, Form, invalid
from opsconsole.web.api.prometheus_json import dumped, query_data
from opsconsole.web.console import Console

MOST_STEPS = 11_000
AT_ONCE = 20
"""Queries that are evaluated at one time, as in Prometheus; more wait for their turn."""
LONGEST = 120.0
"""Seconds that a query may take, waiting included; `timeout` can only shorten it."""
_MILLISECOND = 1_000_000


def handlers(console: Console) -> dict[str, Handler]:
    """By their path."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def query(request: Request, given: Form) -> Response:
        limit = given.limit()
        at = given.moment("time", console.clock.now())
        seconds = _seconds(given)

        async def work() -> QueryResult:
            async with turns:
                return await console.querier.instant(given.get("query"), at)

        result = await while_connected(request, work(), seconds)
        return _answer(request, result, millis(at), limit)

    async def query_range(request: Request, given: Form) -> Response:
        limit = given.limit()
        start, end = given.moment("start"), given.moment("end")
        if end < start:
            raise invalid("end", "end timestamp must not be before start time")
        step = given.nanoseconds("step")
        if step <= 0:
            raise invalid("step", "zero or negative query resolution step widths are not accepted. Try a positive integer")
        if (millis(end) - millis(start)) * _MILLISECOND // step > MOST_STEPS:
            raise BadData(
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"
            )
        seconds = _seconds(given)
        width = timedelta(milliseconds=max(1, step // _MILLISECOND))

        async def work() -> QueryResult:
            async with turns:
                return await console.querier.range(given.get("query"), start, end, width)

        result = await while_connected(request, work(), seconds)
        return _answer(request, result, millis(start), limit)

    async def query_exemplars(request: Request, given: Form) -> Response:
        """None are kept."""
        promql.parse(given.get("query"))
        return success(request, ["[]"])

    async def format_query(request: Request, given: Form) -> Response:
        return success(request, [dumped(promql.show(promql.parse(given.get("query"))))])

    return {
        "query": endpoint(query),
        "query_range": endpoint(query_range),
        "query_exemplars": endpoint(query_exemplars),
        "format_query": endpoint(format_query),
    }


def _seconds(given: Form) -> float:
    return min(LONGEST, given.nanoseconds("timeout") / 1e9) if given.get("timeout") else LONGEST


def _answer(request: Request, result: QueryResult, at_ms: int, limit: int) -> Response:
    warnings = list(result.warnings)
    if limit and max(len(result.points), len(result.rows)) > limit and result.kind in ("vector", "matrix"):
        result = QueryResult(result.kind, result.points[:limit], result.rows[:limit])
        warnings.append("results truncated due to limit")
    return success(request, query_data(result, at_ms), warnings)
