"""`/explore`: any PromQL, as a table of now or a chart of a range; the address says it all, so that a link shows the same."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from opsconsole import promql
from opsconsole.clock import Clock
from opsconsole.model import Matcher, MatchOp, MetricsReader, QueryError
from opsconsole.web import completing
from opsconsole.web.api.prometheus_answer import while_connected
from opsconsole.web.completing import Place, Suggestion
from opsconsole.web.console import Console
from opsconsole.web.exploring import RANGES, Answer, Asked, Mistake, answer, asked
from opsconsole.web.linking import from_prometheus
from opsconsole.web.templating import Frame, Show

AT_ONCE = 8
"""Queries of all viewers that are evaluated at one time."""
_REMEMBERED = 10.0
"""Seconds that names and values found for a completion serve the next keystrokes too."""
_MOST_REMEMBERED = 50
_MOST_COMPARED = 5000
"""Metric names among which a mistyped one is looked for."""
_MOST_MISTYPED = 3
"""Mistyped names for which others are looked for: each costs up to a second."""


@dataclass(frozen=True)
class ExploreContext:
    """`answer` is None where nothing was asked yet."""

    asked: Asked
    ranges: list[str]
    answer: Answer | None


class Names:
    """Names and values for completion, kept for a few seconds: each keystroke asks for the same ones."""

    def __init__(self, reader: MetricsReader, clock: Clock) -> None:
        self._reader, self._clock = reader, clock
        self._known: dict[tuple[str, str], tuple[float, list[str]]] = {}

    async def fitting(self, at: Place) -> list[Suggestion]:
        match at.kind:
            case "expression":
                return completing.words(at, await self.metrics())
            case "label":
                return completing.labels(at, await self._of("", at.metric))
            case "value":
                return completing.values(at, await self._of(at.label, at.metric))
        return []

    async def metrics(self) -> list[str]:
        return await self._of("__name__", "")

    async def _of(self, label: str, metric: str) -> list[str]:
        """Values of the label, or with no label the names of labels; those that `metric` has, or any."""
        known, now = self._known.get((label, metric)), self._clock.monotonic()
        if known is not None and now - known[0] < _REMEMBERED:
            return known[1]
        matchers = [Matcher("__name__", MatchOp.EQUAL, metric)] if metric else []
        found = await (self._reader.label_values(label, matchers) if label else self._reader.label_names(matchers))
        while len(self._known) >= _MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[label, metric] = (now, found)
        return found


def build(console: Console, show: Show) -> APIRouter:
    router, turns, names = APIRouter(), asyncio.Semaphore(AT_ONCE), Names(console.reader, console.clock)

    async def answered(request: Request, question: Asked) -> Answer | None:
        """None where nothing was asked."""
        if not question.query:
            return None

        async def work() -> Answer:
            async with turns:
                return await answer(console.querier, question)

        try:
            found = await while_connected(request, work(), console.query_timeout.total_seconds())
            return await _hinted(found, names, console.compat)
        except QueryError as error:
            return Answer(question, mistake=Mistake(str(error)))

    @router.get("/explore")
    async def explore_page(request: Request) -> Response:
        now = console.clock.now()
        question = asked(request.query_params, now)
        ranges = [*RANGES, *([] if question.range in RANGES else [question.range])]
        context = ExploreContext(question, ranges, await answered(request, question))
        frame = Frame("Explore", charts=True, script="explore.js")
        return await show.page(request, "explore", frame, context, now)

    async def prometheus_page(request: Request) -> Response:
        """Where a Prometheus has its expression browser, whose links templates make (`graphLink`) and clients know."""
        return show.redirect("/explore", **from_prometheus(request.query_params))

    for path in ("/graph", "/prometheus/graph", "/prometheus/query", "/prometheus/", "/prometheus"):
        router.add_api_route(path, prometheus_page)

    @router.get("/explore/answer")
    async def explore_answer(request: Request) -> Response:
        """The page's part below the form."""
        question = asked(request.query_params, console.clock.now())
        return show.bare("explore_answer.html", answer=await answered(request, question))

    @router.get("/explore/complete")
    async def complete(before: str = "") -> Response:
        """What may follow the text `before` the cursor; a suggestion takes the place of what is `typed`."""
        at = completing.place(before)
        try:
            found = await names.fitting(at)
        except QueryError as error:
            return JSONResponse({"error": str(error)}, 503)
        listed = [{"text": one.text, "insert": one.insert, "kind": one.kind} for one in found]
        return JSONResponse({"typed": at.word, "suggestions": listed})

    return router


async def _hinted(found: Answer, names: Names, compat: int) -> Answer:
    """An empty answer with the metrics of the expression that are not there, and those whose names are near."""
    if not found.empty:
        return found
    known = await names.metrics()
    absent = sorted({*promql.metric_names(promql.parse(found.asked.query, compat))}.difference(known))
    near = await asyncio.to_thread(_near, absent[:_MOST_MISTYPED], known[:_MOST_COMPARED])
    return replace(found, absent=absent, near=near)


def _near(mistyped: Sequence[str], known: Sequence[str]) -> list[str]:
    """Up to three of the known names for each one."""
    return list(dict.fromkeys(one for name in mistyped for one in get_close_matches(name, known, n=3)))
