"""Queries and look-ups through the cluster's API."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import quote

from opsconsole.clock import millis
from opsconsole.cluster import answers
from opsconsole.cluster.settings import Settings
from opsconsole.cluster.store import ClusterStore
from opsconsole.cluster.transport import Answer, AwayError, Form, Transport
from opsconsole.model import Labels, Matcher, MatchOp, Querier, QueryError, QueryResult

T = TypeVar("T")

_LARGE = 1_000_000
"""Bytes from which on an answer is read in a thread."""
_FRESH = [("nocache", "1")]
"""Has VictoriaMetrics answer an instant query from the newest samples too; others do not know the parameter."""
MOST_BEHIND = timedelta(seconds=5)
"""Rules that ask how old a sign of life is would take our own delay for Airflow's beyond this."""


class ClusterQuerier:
    """The cluster as a `model.Querier` and `model.MetricsReader`. What it answers is in its own PromQL."""

    def __init__(self, transport: Transport, settings: Settings) -> None:
        self._transport, self._base = transport, f"{settings.base}/api/v1"
        self._within = f"{settings.timeout.total_seconds():g}s"

    async def instant(self, expr: str, at: datetime) -> QueryResult:
        form = [("query", expr), ("time", _seconds(millis(at))), ("timeout", self._within), *_FRESH]
        return await self._asked("query", form, lambda answer: answers.result(answer, expr))

    async def range(self, expr: str, start: datetime, end: datetime, step: timedelta) -> QueryResult:
        form = [("query", expr), ("start", _seconds(millis(start))), ("end", _seconds(millis(end)))]
        form += [("step", f"{step.total_seconds():g}"), ("timeout", self._within), *_FRESH]
        return await self._asked("query_range", form, lambda answer: answers.result(answer, expr))

    async def labels(
        self, matchers: Sequence[Matcher] = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[Labels]:
        return await self._asked("series", _selected(matchers or _ANY, start_ms, end_ms), answers.label_sets)

    async def label_names(
        self, matchers: Sequence[Matcher] = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[str]:
        return await self._asked("labels", _selected(matchers, start_ms, end_ms), answers.texts)

    async def label_values(
        self, name: str, matchers: Sequence[Matcher] = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[str]:
        path = f"label/{quote(name, safe='')}/values"
        return await self._asked(path, _selected(matchers, start_ms, end_ms), answers.texts, method="GET")

    async def _asked(self, path: str, form: Form, read: Callable[[Answer], T], method: str = "POST") -> T:
        try:
            answer = await self._transport.ask(f"{self._base}/{path}", form, method=method)
        except AwayError as error:
            raise QueryError(f"the metrics cluster does not answer: {error}", "unavailable") from error
        return read(answer) if len(answer.content) < _LARGE else await asyncio.to_thread(read, answer)


class Careful:
    """A querier for rules: it answers nothing while the cluster lacks what was collected, since silence would look like a fault.

    A rule that gets no answer gives no verdict, and its alerts stay as they are.
    """

    def __init__(self, querier: Querier, store: ClusterStore) -> None:
        self._querier, self._store = querier, store

    async def instant(self, expr: str, at: datetime) -> QueryResult:
        self._hold(at)
        return await self._querier.instant(expr, at)

    async def range(self, expr: str, start: datetime, end: datetime, step: timedelta) -> QueryResult:
        self._hold(end)
        return await self._querier.range(expr, start, end, step)

    def _hold(self, at: datetime) -> None:
        behind = self._store.behind(at)
        if behind > MOST_BEHIND:
            reason = f": {self._store.refusal}" if self._store.refusal else ""
            seconds = behind.total_seconds()
            raise QueryError(f"the metrics cluster lacks what was collected in the last {seconds:.0f} s{reason}", "unavailable")


_ANY = (Matcher("__name__", MatchOp.NOT_EQUAL, ""),)


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.3f}"


def _selected(matchers: Sequence[Matcher], start_ms: int | None, end_ms: int | None) -> list[tuple[str, str]]:
    form = [("match[]", selector(matchers))] if matchers else []
    return form + [(key, _seconds(at_ms)) for key, at_ms in (("start", start_ms), ("end", end_ms)) if at_ms is not None]


def selector(matchers: Sequence[Matcher]) -> str:
    """Matchers as PromQL writes them."""
    return "{" + ",".join(f"{one.name}{one.op.value}{_quoted(one.value)}" for one in matchers) + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\0", "\\x00")
    return f'"{escaped}"'
