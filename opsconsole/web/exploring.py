"""What the explore page was asked, as its address says it, and what it answers: one frozen context."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Literal

from opsconsole.clock import from_millis, millis
from opsconsole.dashboards.figures import MOST_SERIES, Window, drawn
from opsconsole.dashboards.model import Panel
from opsconsole.model import Labels, Querier, QueryError, QueryResult
from opsconsole.settings import format_duration, parse_duration
from opsconsole.web import moments
from opsconsole.web.api.prometheus_json import number

RANGES = ("15m", "1h", "3h", "12h", "1d", "7d", "30d")
USUAL = "1h"
MOST_ROWS = 500
MOST_POINTS = 30
"""Samples of one series that a table shows, the newest."""
LONGEST_QUERY = 10_000
"""Characters."""
_CHART = Panel("", ())


@dataclass(frozen=True, slots=True)
class Asked:
    """The address, as it was typed: `end` empty is now, `step` empty is a fitting one. `problem` says what is no time."""

    query: str = ""
    tab: Literal["table", "chart"] = "table"
    range: str = USUAL
    end: str = ""
    step: str = ""
    at: datetime | None = None
    length: timedelta = timedelta(hours=1)
    width: timedelta = timedelta(seconds=15)
    problem: str = ""

    @property
    def window(self) -> Window:
        """The range on a grid of whole steps, so that the same question draws the same points again."""
        assert self.at is not None
        step = max(1, self.width // timedelta(milliseconds=1))
        last = millis(self.at) // step * step
        first = last - self.length // timedelta(milliseconds=1) // step * step
        return Window(from_millis(first), from_millis(last), self.width)

    @property
    def width_in_words(self) -> str:
        return format_duration(self.width)

    @property
    def address(self) -> dict[str, str]:
        """The query of the address that shows the same; what is usual is left out."""
        usual = {"tab": "table", "range": USUAL}
        given = {"query": self.query, "tab": self.tab, "range": self.range, "end": self.end, "step": self.step}
        return {name: value for name, value in given.items() if value and usual.get(name) != value}


@dataclass(frozen=True, slots=True)
class Mistake:
    """An error with the expression around its place; all of it in `before` where the place is not known."""

    message: str
    before: str = ""
    at: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a table: its values, each with its time where it has several."""

    name: str
    labels: Sequence[tuple[str, str]]
    values: Sequence[tuple[str, datetime | None]]
    left_out: int = 0


@dataclass(frozen=True)
class Answer:
    """`figure` is the chart for the page's script; `left_out` how many series the table does not show.

    Of an empty answer, `absent` are metrics of the expression that nobody has, `near` those with names like theirs.
    """

    asked: Asked
    kind: str = ""
    text: str = ""
    lines: Sequence[Line] = ()
    series: int = 0
    left_out: int = 0
    figure: Mapping[str, Any] | None = None
    window: Window | None = None
    warnings: Sequence[str] = ()
    mistake: Mistake | None = None
    absent: Sequence[str] = ()
    near: Sequence[str] = ()

    @property
    def empty(self) -> bool:
        return not self.mistake and not self.series


def asked(parameters: Mapping[str, str], now: datetime) -> Asked:
    """What the address asks for. What in it is no time or no length is told as `problem`; nothing raises."""
    query, tab = parameters.get("query", "").strip()[: LONGEST_QUERY + 1], parameters.get("tab", "table")
    given = {name: parameters.get(name, "").strip()[:60] for name in ("range", "end", "step")}
    plain = Asked(query, "chart" if tab == "chart" else "table", given["range"] or USUAL, given["end"], given["step"])
    values = {"query": plain.query, "tab": plain.tab, "range": plain.range, "end": plain.end, "step": plain.step}
    try:
        if len(query) > LONGEST_QUERY:
            raise ValueError(f"the expression is longer than {LONGEST_QUERY:,} characters")
        at = moments.moment(plain.end or "now", now)
        length = parse_duration(plain.range)
        if not timedelta(seconds=1) <= length <= timedelta(days=36_500):
            raise ValueError(f"{plain.range!r} is no length of time to look at")
        width = moments.step(plain.step) if plain.step else moments.fitting_step(length)
        return _within_calendar(Asked(**values, at=at, length=length, width=width))  # type: ignore[arg-type]
    except (ValueError, OverflowError) as error:
        return Asked(**values, problem=str(error))  # type: ignore[arg-type]


def _within_calendar(question: Asked) -> Asked:
    """Raises ValueError for a range that begins before the year 1, the steps of its grid included."""
    try:
        _ = question.window
    except (ValueError, OverflowError) as error:
        raise ValueError("the range reaches beyond the calendar: choose a shorter one, or a shorter step") from error
    return question


async def answer(querier: Querier, question: Asked) -> Answer:
    """Ask, and shape for the page. What cannot be answered is a `mistake`; only a query that nobody waits for raises."""
    if question.problem or question.at is None:
        return Answer(question, mistake=Mistake(question.problem))
    try:
        if question.tab == "chart":
            window = question.window
            return _charted(question, await querier.range(question.query, window.start, window.end, window.step), window)
        return _tabled(question, await querier.instant(question.query, question.at))
    except QueryError as error:
        if error.kind == "canceled":
            raise
        told = mistake(error, question.query)
        wider = moments.with_step(told.message, question.length, "a step of {} or more, or a shorter range")
        return Answer(question, mistake=replace(told, message=wider))


def mistake(error: QueryError, query: str) -> Mistake:
    if error.position is None:
        return Mistake(str(error))
    at = min(max(0, error.position), len(query))
    end = at + 1
    while at < len(query) and (query[at].isalnum() or query[at] in "_:") and end < len(query) and _of_word(query[end]):
        end += 1
    return Mistake(str(error), query[:at], query[at:end], query[end:])


def _of_word(char: str) -> bool:
    return char.isalnum() or char in "_:"


def _tabled(question: Asked, result: QueryResult) -> Answer:
    warnings = (*result.warnings, *result.infos)
    if result.kind in ("scalar", "string"):
        text = result.text if result.kind == "string" else number(result.points[0].value)
        return Answer(question, result.kind, text, series=1, warnings=warnings)
    series = len(result.points) + len(result.rows)
    lines = [
        Line(named(point.labels), point.labels.pairs, ((number(point.value), None),))
        for point in islice(result.points, MOST_ROWS)
    ]
    for row in result.rows[: MOST_ROWS - len(lines)]:
        times, values = row.timestamps[-MOST_POINTS:].tolist(), row.values[-MOST_POINTS:].tolist()
        points = [(number(value), from_millis(at)) for at, value in zip(times, values, strict=True)]
        lines.append(Line(named(row.labels), row.labels.pairs, points, len(row.timestamps) - len(times)))
    return Answer(question, result.kind, lines=lines, series=series, left_out=series - len(lines), warnings=warnings)


def _charted(question: Asked, result: QueryResult, window: Window) -> Answer:
    drawable = [row for row in result.rows if len(row.timestamps)]
    rows = [(named(row.labels) if index < MOST_SERIES else "", row) for index, row in enumerate(drawable)]
    made = drawn(_CHART, rows, window, MOST_SERIES, least_named=1)
    warnings = (*result.warnings, *result.infos)
    return Answer(question, "matrix", series=len(rows), figure=made, window=window, warnings=warnings)


def named(labels: Labels) -> str:
    """A series as PromQL writes it."""
    rest = labels.without("__name__")
    return labels.get("__name__", "") + (repr(rest) if rest or "__name__" not in labels else "")
