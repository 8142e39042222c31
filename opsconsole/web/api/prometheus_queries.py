"""`query` and `query_range`, and what else concerns an expression as a whole."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from opsconsole import promql
from opsconsole.clock import millis
from opsconsole.model import QueryError, QueryResult
from opsconsole.web.api.prometheus_answer import Handler, endpoints, success, while_connected
from opsconsole.web.api.prometheus_forms import FAR, BadData, Form, invalid
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
    endpoint = endpoints(console.compat)
    turns = asyncio.Semaphore(AT_ONCE)

    async def asked(answer: Awaitable[QueryResult]) -> QueryResult:
        """Prometheus 2 does not say that it is the parameter `query` of a range that is wrong."""
        try:
            return await answer
        except QueryError as error:
            if error.kind == "bad_data" and console.compat == 2:
                raise BadData(str(error)) from None
            raise

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
                return await asked(console.querier.range(given.get("query"), start, end, width))

        result = await while_connected(request, work(), seconds)
        return _answer(request, result, millis(start), limit)

    async def query_exemplars(request: Request, given: Form) -> Response:
        """None are kept."""
        start_ms, end_ms = given.time_ms("start", -FAR), given.time_ms("end", FAR)
        if end_ms < start_ms:
            raise BadData("end timestamp must not be before start timestamp")
        try:
            asked = promql.matchers_of(promql.parse(given.get("query"), console.compat))
        except QueryError as error:
            raise BadData(str(error)) from None
        return success(request, ["[]"]) if asked else Response(status_code=204)

    async def format_query(request: Request, given: Form) -> Response:
        return success(request, [dumped(promql.pretty(promql.parse(given.get("query"), console.compat)))])

    return {
        "query": endpoint(query),
        "query_range": endpoint(query_range),
        "query_exemplars": endpoint(query_exemplars),
        "format_query": endpoint(format_query),
    }


def _seconds(given: Form) -> float:
    """How long the query may take. Raises QueryError where there is no time at all."""
    seconds = min(LONGEST, given.nanoseconds("timeout") / 1e9) if given.get("timeout") else LONGEST
    if seconds <= 0:
        raise QueryError("query timed out in query execution", "timeout")
    return seconds


def _answer(request: Request, result: QueryResult, at_ms: int, limit: int) -> Response:
    warnings = list(result.warnings)
    if limit and max(len(result.points), len(result.rows)) > limit and result.kind in ("vector", "matrix"):
        result = replace(result, points=result.points[:limit], rows=result.rows[:limit])
        warnings.append("results truncated due to limit")
    return success(request, query_data(result, at_ms), warnings, result.infos)
