"""Reading dashboard files, with every problem at its line.

A dashboard is a title, the question it answers, and panels, or a dashboard of Grafana's; `$deployment` in a query stands for
the chosen deployment.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from opsconsole import documents, promql
from opsconsole.dashboards import grafana, variables
from opsconsole.dashboards.model import Dashboard, Needs, Panel, PanelQuery, Show, Thresholds, Unit
from opsconsole.model import ConfigError, QueryError
from opsconsole.settings import Settings


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


def load(paths: Sequence[Path], compat: int = 3) -> tuple[Dashboard, ...]:
    """All dashboards, in order of the files; `compat` is the grammar of queries.

    Raises `ConfigError` with every problem of every file.
    """
    dashboards: dict[str, Dashboard] = {}
    problems: list[str] = []
    for path in paths:
        try:
            dashboard = parse(documents.read(path), path.stem, compat)
        except ConfigError as error:
            problems += error.problems
            continue
        if dashboard.slug in dashboards:
            problems.append(f"{path}:1: another dashboard file is called {path.stem} too")
        dashboards[dashboard.slug] = dashboard
    if problems:
        raise ConfigError(problems)
    return tuple(dashboards.values())


def parse(document: documents.Document, slug: str, compat: int = 3) -> Dashboard:
    """The dashboard of one document, be it one of Grafana's. Raises `ConfigError`."""
    if grafana.is_grafana(document.value):
        return grafana.parse(document, slug, compat)
    file = documents.validated(document, _File)
    problems = [told for index, panel in enumerate(file.panels) for told in _query_problems(document, index, panel, compat)]
    if problems:
        raise ConfigError(problems)
    return Dashboard(slug, file.title, file.question, tuple(_panel(panel) for panel in file.panels))


def _query_problems(document: documents.Document, index: int, panel: _Panel, compat: int) -> list[str]:
    place: documents.Place = ("panels", index)
    if panel.query:
        return _problem(document, (*place, "query"), panel.query, compat)
    return [
        problem
        for nth, query in enumerate(panel.queries)
        for problem in _problem(document, (*place, "queries", nth, "query"), query.query, compat)
    ]


def _problem(document: documents.Document, place: documents.Place, expr: str, compat: int) -> list[str]:
    if unknown := variables.references(expr) - variables.NAMES:
        return [document.problem(place, f"unknown variable ${min(unknown)}")]
    try:
        promql.parse(variables.bind(expr, variables.EXAMPLES), compat)
    except QueryError as error:
        return [document.problem(place, f"query: {error}")]
    return []


def _panel(panel: _Panel) -> Panel:
    queries = [PanelQuery(query.query, query.legend) for query in panel.queries]
    if panel.query:
        queries = [PanelQuery(panel.query, panel.legend)]
    thresholds = Thresholds(panel.thresholds.warning, panel.thresholds.critical)
    return Panel(panel.title, tuple(queries), panel.show, panel.unit, thresholds, panel.description, panel.needs)
