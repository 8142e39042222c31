"""A panel and its queries' answers as a Plotly figure, in plain JSON values: Plotly itself is never imported.

Colours are names of the page's CSS variables (`var(--line)`); the page's script puts their values in, so that a figure
follows the light and the dark theme.
"""

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from opsconsole.clock import millis
from opsconsole.dashboards import units
from opsconsole.dashboards.model import Panel, PanelQuery, Thresholds
from opsconsole.model import Labels, QueryResult, Row, Status

MOST_SERIES = 40
_MOST_NAMED = 16
_COLOURS = 8
_MEANT = {"failed": "down", "success": "ok"}
"""Series whose names say how to feel about them wear the colour of that state."""
_LABEL = re.compile(r"\{\{\s*\.?(\w+)\s*\}\}")
_SPANS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)
# Nobody reads 500m as a half: prefixes only from a million on (Plotly's `minexponent` hides the smaller ones).
_PLAIN: dict[str, Any] = {"exponentformat": "SI", "minexponent": 4, "separatethousands": True}
_AXES: dict[str, dict[str, Any]] = {
    "seconds": {"ticksuffix": " s"},
    "ratio": {"tickformat": ",.0%"},
    "bytes": {"tickformat": ".3~s", "ticksuffix": "B"},
    "per_second": {**_PLAIN, "ticksuffix": "/s"},
    "timestamp": {"type": "date"},
    "count": _PLAIN,
}


@dataclass(frozen=True, slots=True)
class Window:
    """A range of time on a grid of steps, so that the same step asks for the same points again."""

    start: datetime
    end: datetime
    step: timedelta


@dataclass(frozen=True, slots=True)
class Item:
    """One value of a panel that shows the present: its name, its text, and the state its threshold gives it."""

    name: str
    text: str
    value: float
    status: Status | None = None


def window(end: datetime, length: timedelta, points: int = 240) -> Window:
    """The last `length` up to `end`, in about `points` steps of a round number of seconds."""
    wanted = length.total_seconds() / points
    step = next((span for span in _SPANS if span >= wanted), _SPANS[-1])
    last = millis(end) // (step * 1000) * step
    grid = datetime.fromtimestamp(last, end.tzinfo)
    first = grid - timedelta(seconds=math.floor(length.total_seconds() / step) * step)
    return Window(first, grid, timedelta(seconds=step))


def figure(panel: Panel, results: Sequence[QueryResult], span: Window) -> dict[str, Any]:
    """`data` and `layout` as Plotly takes them, `legend`: names to show, `keys`: the names of their colours, and `note`:
    what the reader should know besides.

    The page writes the legend below the chart: inside, Plotly lays it over the dates of a narrow chart.
    """
    named = [
        (legend(query, row.labels), row)
        for query, result in zip(panel.queries, results, strict=True)
        for row in _rows(result, span)
    ]
    return drawn(panel, named, span, _MOST_NAMED)


def drawn(panel: Panel, named: Sequence[tuple[str, Row]], span: Window, most_named: int, least_named: int = 2) -> dict[str, Any]:
    """The same of rows that have their names already; fewer than `least_named`, or more than `most_named`, have no legend."""
    shown = named[:MOST_SERIES]
    traces = [_trace(panel, name, row, index, span.step) for index, (name, row) in enumerate(shown)]
    note = f"{MOST_SERIES} of {len(named):,} series shown" if len(named) > MOST_SERIES else ""
    if not shown:
        note = "no data in this range"
    limits = None if panel.show == "bar" else _limits([row for _, row in shown], panel.thresholds)
    names = [name for name, _ in shown] if least_named <= len(shown) <= most_named else []
    keys = [_key(name, index) for index, name in enumerate(names)]
    return {"data": traces, "layout": _layout(panel, span, limits, len(shown)), "legend": names, "keys": keys, "note": note}


def items(panel: Panel, results: Sequence[QueryResult]) -> list[Item]:
    """What a panel of kind number, table or state shows: the worst first, then by name."""
    found = [
        _item(panel, legend(query, labels), value)
        for query, result in zip(panel.queries, results, strict=True)
        for labels, value in _newest(result)
    ]
    order = {Status.DOWN: 0, Status.DEGRADED: 1, None: 2, Status.OK: 3, Status.UNKNOWN: 2}
    return sorted(found, key=lambda item: order[item.status]) if panel.show != "number" else found


def judged(value: float, thresholds: Thresholds) -> Status | None:
    """The state that a value's thresholds give it; None without thresholds."""
    if thresholds.warning is None and thresholds.critical is None:
        return None
    if math.isnan(value):
        return Status.UNKNOWN
    sign = -1 if _lower_is_worse(thresholds) else 1
    if thresholds.critical is not None and sign * value >= sign * thresholds.critical:
        return Status.DOWN
    if thresholds.warning is not None and sign * value >= sign * thresholds.warning:
        return Status.DEGRADED
    return Status.OK


def legend(query: PanelQuery, labels: Labels) -> str:
    """A series' name: the query's legend with its labels put in, else its labels."""
    if query.legend:
        return _LABEL.sub(lambda match: labels.get(match[1], ""), query.legend).strip() or "value"
    rest = labels.without("__name__", "deployment")
    return ", ".join(f"{name} {value}" for name, value in rest.items()) or "value"


def _item(panel: Panel, name: str, value: float) -> Item:
    if panel.show == "state":
        up = value > 0
        return Item(name, "ok" if up else "down", value, Status.OK if up else Status.DOWN)
    return Item(name, units.text(value, panel.unit), value, judged(value, panel.thresholds))


def _newest(result: QueryResult) -> Iterable[tuple[Labels, float]]:
    yield from ((point.labels, point.value) for point in result.points)
    yield from ((row.labels, float(row.values[-1])) for row in result.rows if len(row.values))


def _rows(result: QueryResult, span: Window) -> list[Row]:
    return [row for row in result.rows if len(row.timestamps)]


def _trace(panel: Panel, name: str, row: Row, index: int, step: timedelta) -> dict[str, Any]:
    x, y = _with_gaps(row, step)
    if panel.unit == "timestamp":
        y = [None if value is None else value * 1000 for value in y]
    colour = f"var(--{_key(name, index)})"
    plain = html.escape(name, quote=False)  # Plotly makes links and line breaks of what looks like HTML
    trace: dict[str, Any] = {"name": plain, "x": x, "y": y}
    if panel.unit in ("", "count", "ratio"):
        trace["hovertemplate"] = "%{y}"
    if panel.show == "bar":
        return trace | {"type": "bar", "marker": {"color": colour}}
    lone = len(row.timestamps) == 1
    return trace | {"type": "scatter", "mode": "markers" if lone else "lines", "line": {"color": colour, "width": 1.6}}


def _key(name: str, index: int) -> str:
    return _MEANT.get(name, f"c{index % _COLOURS + 1}")


def _with_gaps(row: Row, step: timedelta) -> tuple[list[int], list[float | None]]:
    """The points, with nothing put where a step has no value, so that the line breaks there."""
    width = round(step.total_seconds() * 1000)
    x: list[int] = []
    y: list[float | None] = []
    for at, value in zip(row.timestamps.tolist(), row.values.tolist(), strict=True):
        if x and at - x[-1] > 1.5 * width:
            x.append(x[-1] + width)
            y.append(None)
        x.append(at)
        y.append(value if math.isfinite(value) else None)
    return x, y


def _limits(rows: Sequence[Row], thresholds: Thresholds) -> tuple[float, float] | None:
    """The value axis: from zero, with room, and up to a threshold that is not far off."""
    values = [value for row in rows for value in row.values.tolist() if math.isfinite(value)]
    if not values:
        return None
    low, high = min(0.0, *values), max(0.0, *values)
    near = [limit for limit in (thresholds.warning, thresholds.critical) if limit is not None and limit <= 3 * high]
    high = max(high, *near) if near else high
    return low * 1.1, high * 1.1 or 1.0


def _layout(panel: Panel, span: Window, limits: tuple[float, float] | None, series: int) -> dict[str, Any]:
    axis: dict[str, Any] = {
        "gridcolor": "var(--line)",
        "zerolinecolor": "var(--line)",
        "automargin": True,
        "nticks": 5,
        "fixedrange": True,
    }
    apart = {"ticks": "outside", "ticklen": 5, "tickcolor": "rgba(0,0,0,0)"}  # the first time from the lowest value
    value_axis = axis | _AXES.get(panel.unit, {})
    if limits is not None and panel.unit != "timestamp":
        value_axis["range"] = list(limits)
    elif panel.show == "bar":
        value_axis["rangemode"] = "nonnegative"
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "var(--dim)", "size": 11, "family": "var(--sans)"},
        "margin": {"l": 44, "r": 10, "t": 8, "b": 26},
        "hovermode": "x unified" if series <= 12 else "closest",
        "hoverlabel": {"bgcolor": "var(--panel)", "bordercolor": "var(--line)", "font": {"color": "var(--ink)"}},
        "showlegend": False,
        "barmode": "stack",
        "xaxis": axis | apart | {"type": "date", "range": [millis(span.start), millis(span.end)], "showgrid": False},
        "yaxis": value_axis,
        "shapes": _bands(panel.thresholds, limits),
    }


def _bands(thresholds: Thresholds, limits: tuple[float, float] | None) -> list[dict[str, Any]]:
    """The regions beyond each threshold, shaded, with its line."""
    if limits is None:
        return []
    low, high = limits
    lower = _lower_is_worse(thresholds)
    made: list[dict[str, Any]] = []
    edges: Mapping[str, float | None] = {"degraded": thresholds.warning, "down": thresholds.critical}
    for state, edge in edges.items():
        if edge is None or not low <= edge <= high:
            continue
        beyond = thresholds.critical if state == "degraded" and thresholds.critical is not None else (low if lower else high)
        end = max(low, min(high, beyond))
        span = {"xref": "paper", "x0": 0, "x1": 1, "layer": "below"}
        made.append(span | {"type": "rect", "y0": edge, "y1": end, "fillcolor": f"var(--{state}-bg)", "line": {"width": 0}})
        line = {"color": f"var(--{state})", "width": 1, "dash": "dot"}
        made.append(span | {"type": "line", "y0": edge, "y1": edge, "line": line})
    return made


def _lower_is_worse(thresholds: Thresholds) -> bool:
    return thresholds.warning is not None and thresholds.critical is not None and thresholds.critical < thresholds.warning
