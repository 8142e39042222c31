"""Reading dashboard files, with every problem at its line.

A dashboard is a title, the question it answers, and panels; `$deployment` in a query stands for the chosen deployment.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from opsconsole import documents, promql
from opsconsole.model import ConfigError, QueryError
from opsconsole.settings import Settings

VARIABLES = ("deployment",)
_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")

Show = Literal["line", "bar", "number", "table", "state"]
Needs = Literal["", "statsd"]
Unit = Literal["", "seconds", "ratio", "bytes", "count", "per_second", "timestamp"]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where a value turns bad; a `critical` below `warning` says that lower is worse."""

    warning: float | None = None
    critical: float | None = None


@dataclass(frozen=True, slots=True)
class PanelQuery:
    """One expression of a panel; `legend` names its series with `{{label}}`s, or is empty for all labels."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """`state` shows 1 as up and 0 as down; `number` and `table` show now, `line` and `bar` a range of time.

    `needs` names the one source of all its series, so that an empty panel can say what is missing.
    """

    title: str
    queries: tuple[PanelQuery, ...]
    show: Show = "line"
    unit: Unit = ""
    thresholds: Thresholds = field(default_factory=Thresholds)
    description: str = ""
    needs: Needs = ""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`slug` is the file's name without its ending, and the dashboard's address."""

    slug: str
    title: str
    question: str
    panels: tuple[Panel, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that its queries use."""
        used = {name for panel in self.panels for query in panel.queries for name in references(query.expr)}
        return tuple(name for name in VARIABLES if name in used)


def bind(expr: str, variables: Mapping[str, str]) -> str:
    """The expression with its variables' values put in, escaped for the quotes around them; others stay as they are."""

    def value(match: re.Match[str]) -> str:
        text = variables.get(match[1] or match[2])
        return match[0] if text is None else _escaped(text)

    return _REFERENCE.sub(value, expr)


def _escaped(text: str) -> str:
    """Fit to stand between either kind of PromQL's quotes."""
    return text.translate({ord("\\"): "\\\\", ord('"'): "\\x22", ord("'"): "\\x27", ord("\n"): "\\n"})


def references(expr: str) -> set[str]:
    return {match[1] or match[2] for match in _REFERENCE.finditer(expr)}


def _expr(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


class _Thresholds(Settings):
    warning: float | None = None
    critical: float | None = None


class _Query(Settings):
    query: Annotated[str, BeforeValidator(_expr)] = Field(min_length=1)
    legend: str = ""


class _Panel(Settings):
    title: str = Field(min_length=1)
    query: Annotated[str | None, BeforeValidator(_expr)] = None
    legend: str = ""
    queries: tuple[_Query, ...] = ()
    show: Show = "line"
    unit: Unit = ""
    thresholds: _Thresholds = _Thresholds()
    description: str = ""
    needs: Needs = ""

    @model_validator(mode="after")
    def _one_form(self) -> "_Panel":
        if bool(self.query) == bool(self.queries):
            raise ValueError("give query or queries" + (", not both" if self.query else ""))
        if self.legend and not self.query:
            raise ValueError("with queries, each has its own legend")
        return self


class _File(Settings):
    title: str = Field(min_length=1)
    question: str = Field(min_length=1)
    panels: tuple[_Panel, ...] = Field(min_length=1)


def load(paths: Sequence[Path]) -> tuple[Dashboard, ...]:
    """All dashboards, in order of the files. Raises `ConfigError` with every problem of every file."""
    dashboards: dict[str, Dashboard] = {}
    problems: list[str] = []
    for path in paths:
        try:
            dashboard = parse(documents.read(path), path.stem)
        except ConfigError as error:
            problems += error.problems
            continue
        if dashboard.slug in dashboards:
            problems.append(f"{path}:1: another dashboard file is called {path.stem} too")
        dashboards[dashboard.slug] = dashboard
    if problems:
        raise ConfigError(problems)
    return tuple(dashboards.values())


def parse(document: documents.Document, slug: str) -> Dashboard:
    """The dashboard of one document. Raises `ConfigError`."""
    file = documents.validated(document, _File)
    problems = [problem for index, panel in enumerate(file.panels) for problem in _query_problems(document, index, panel)]
    if problems:
        raise ConfigError(problems)
    return Dashboard(slug, file.title, file.question, tuple(_panel(panel) for panel in file.panels))


def _query_problems(document: documents.Document, index: int, panel: _Panel) -> list[str]:
    place: documents.Place = ("panels", index)
    if panel.query:
        return _problem(document, (*place, "query"), panel.query)
    return [
        problem
        for nth, query in enumerate(panel.queries)
        for problem in _problem(document, (*place, "queries", nth, "query"), query.query)
    ]


def _problem(document: documents.Document, place: documents.Place, expr: str) -> list[str]:
    if unknown := references(expr) - set(VARIABLES):
        return [document.problem(place, f"unknown variable ${min(unknown)}")]
    try:
        promql.parse(bind(expr, dict.fromkeys(VARIABLES, "x")))
    except QueryError as error:
        return [document.problem(place, f"query: {error}")]
    return []


def _panel(panel: _Panel) -> Panel:
    queries = [PanelQuery(query.query, query.legend) for query in panel.queries]
    if panel.query:
        queries = [PanelQuery(panel.query, panel.legend)]
    thresholds = Thresholds(panel.thresholds.warning, panel.thresholds.critical)
    return Panel(panel.title, tuple(queries), panel.show, panel.unit, thresholds, panel.description, panel.needs)
