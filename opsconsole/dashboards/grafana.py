"""Grafana's dashboard JSON as a dashboard: its panels of PromQL, their legends, units and thresholds.

The format is that of Grafana's classic model (`schemaVersion` 16 and newer, and the older `rows`). A variable stands for all of
its values, since that is what a dashboard opens with; one that is given in its file, as constants and intervals are, for that.
Panels of other kinds, and queries in other languages, are left out and told.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from opsconsole import documents, promql
from opsconsole.dashboards import variables
from opsconsole.dashboards.model import Dashboard, Panel, PanelQuery, Show, Thresholds, Unit
from opsconsole.model import ConfigError, QueryError

_SHOWN: Mapping[str, Show] = {
    **dict.fromkeys(("timeseries", "graph", "heatmap", "histogram", "state-timeline", "status-history"), "line"),
    **dict.fromkeys(("stat", "gauge", "singlestat"), "number"),
    **dict.fromkeys(("table", "table-old", "bargauge", "piechart", "grafana-piechart-panel", "barchart"), "table"),
}
_SILENT = ("row", "text", "news", "dashlist")
"""Kinds of panels that show no metrics."""
_UNITS: Mapping[str, Unit] = {
    **dict.fromkeys(("s", "dtdurations", "clocks"), "seconds"),
    "percentunit": "ratio",
    **dict.fromkeys(("bytes", "decbytes"), "bytes"),
    **dict.fromkeys(("ops", "reqps", "cps", "rps", "wps", "iops", "eps"), "per_second"),
}
_GIVEN = ("constant", "custom", "textbox", "interval")
_REFERENCE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\[\[(\w+)(?::\w+)?\]\]|\$(\w+)")
_WHOLE_VALUE = re.compile(r"""(!?=)(\s*)(["'])(?:\$\{(\w+)(?::\w+)?\}|\[\[(\w+)(?::\w+)?\]\]|\$(\w+))\3""")


def is_grafana(value: Any) -> bool:
    """Whether a file's content is a dashboard of Grafana's, as exported or as its API gives it."""
    value = _inner(value)
    return isinstance(value, Mapping) and any(key in value for key in ("schemaVersion", "templating", "rows"))


def parse(document: documents.Document, slug: str, compat: int = 3) -> Dashboard:
    """`compat` is the grammar of queries. Raises `ConfigError` where no panel is left."""
    place: documents.Place = ("dashboard",) if _inner(document.value) is not document.value else ()
    value = _inner(document.value)
    values = _values(value)
    panels: list[Panel] = []
    notes: list[str] = []
    for at, panel in _panels(value, place):
        read = _panel(panel, values, compat)
        if isinstance(read, Panel):
            panels.append(read)
        elif read:
            notes.append(document.problem(at, f"note: the panel {_text(panel, 'title')!r} is left out: {read}"))
    if not panels:
        raise ConfigError([*notes, document.problem(place, "no panel of this Grafana dashboard can be shown")])
    title = _text(value, "title") or slug
    return Dashboard(slug, title, _text(value, "description") or title, tuple(panels), tuple(notes))


def _inner(value: Any) -> Any:
    """The API's answer wraps a dashboard once."""
    wrapped = isinstance(value, Mapping) and isinstance(value.get("dashboard"), Mapping)
    return value["dashboard"] if wrapped else value


def _mappings(value: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    yield from ((index, item) for index, item in enumerate(value if isinstance(value, list) else ()) if isinstance(item, Mapping))


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    return " ".join(found.split()) if isinstance(found, str) else ""


def _inside(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _panels(value: Mapping[str, Any], place: documents.Place) -> Iterator[tuple[documents.Place, Mapping[str, Any]]]:
    """All panels in order, those inside rows after their row."""
    for key in ("rows", "panels"):
        for index, item in _mappings(value.get(key)):
            at = (*place, key, index)
            if key == "panels":
                yield at, item
            if key == "rows" or item.get("type") == "row":
                yield from _panels({"panels": item.get("panels")}, at)


def _values(value: Mapping[str, Any]) -> dict[str, str | None]:
    """What each variable of the file stands for; None is any value."""
    found: dict[str, str | None] = {}
    for _, item in _mappings(_inside(value, "templating", "list")):
        name = _text(item, "name")
        current = _inside(item, "current", "value")
        given = current if isinstance(current, str) else _text(item, "query").split(",")[0].strip()
        fixed = item.get("type") in _GIVEN and given not in ("", "$__all") and not given.startswith("$__auto")
        found[name] = given if fixed else "$__interval" if item.get("type") == "interval" else None
    return found


def _queries(panel: Mapping[str, Any], values: Mapping[str, str | None], compat: int) -> tuple[PanelQuery, ...]:
    """Raises `QueryError` for one that is no PromQL."""
    queries = []
    for _, target in _mappings(panel.get("targets")):
        expr = target.get("expr")
        if not isinstance(expr, str) or not expr.strip() or target.get("hide") is True or _is_foreign(panel, target):
            continue
        bound = _bound(expr.strip(), values)
        promql.parse(variables.bind(bound, variables.EXAMPLES), compat)
        legend = _text(target, "legendFormat")
        queries.append(PanelQuery(bound, "" if legend == "__auto" else legend))
    return tuple(queries)


def _is_foreign(panel: Mapping[str, Any], target: Mapping[str, Any]) -> bool:
    """Loki's queries have an `expr` too."""
    kinds = (_inside(target, "datasource", "type"), _inside(panel, "datasource", "type"))
    return next((kind for kind in kinds if kind), "prometheus") not in ("prometheus", "datasource", "mixed")


def _bound(expr: str, values: Mapping[str, str | None]) -> str:
    """The query with the file's variables put in. What stands for any value matches all, also where one was to be equal."""

    def whole(match: re.Match[str]) -> str:
        name = match[4] or match[5] or match[6]
        any_value = name in values and values[name] is None and name not in variables.NAMES
        return f'{match[1].rstrip("=") or "="}~{match[2]}".*"' if any_value else match[0]

    def plain(match: re.Match[str]) -> str:
        name = match[1] or match[2] or match[3]
        if name in variables.NAMES or name not in values:
            return f"${{{name}}}" if name in variables.NAMES else match[0]
        return ".*" if values[name] is None else str(values[name])

    return _REFERENCE.sub(plain, _WHOLE_VALUE.sub(whole, expr))


def _panel(panel: Mapping[str, Any], values: Mapping[str, str | None], compat: int) -> Panel | str:
    """The panel, or why it cannot be shown; nothing where that is no loss."""
    kind = str(panel.get("type", ""))
    if kind not in _SHOWN:
        return "" if kind in _SILENT else f"it is of the kind {kind!r}"
    try:
        queries = _queries(panel, values, compat)
    except QueryError as error:
        return f"{error} in its query"
    if not queries:
        return "it has no query in PromQL"
    show, defaults = _SHOWN[kind], _inside(panel, "fieldConfig", "defaults")
    unit = _UNITS.get(str(_inside(defaults, "unit") or panel.get("format") or ""), "")
    title = _text(panel, "title") or "Untitled"
    return Panel(title, queries, show, unit, _thresholds(show, defaults), _text(panel, "description"))


def _thresholds(show: Show, defaults: Any) -> Thresholds:
    """Yellow and orange warn, red is critical; of a chart only where Grafana draws them too."""
    drawn = _inside(defaults, "custom", "thresholdsStyle", "mode") not in (None, "off")
    if (show == "line" and not drawn) or _inside(defaults, "thresholds", "mode") == "percentage":
        return Thresholds()
    edges = {"warning": r"yellow|orange", "critical": "red"}
    found: dict[str, float | None] = {}
    for _, step in _mappings(_inside(defaults, "thresholds", "steps")):
        for name, colours in edges.items():
            value = step.get("value")
            if re.search(colours, str(step.get("color"))) and isinstance(value, int | float):
                found.setdefault(name, float(value))
    return Thresholds(**found)
