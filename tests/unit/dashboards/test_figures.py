import json
import math
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from opsconsole.clock import millis
from opsconsole.dashboards import units
from opsconsole.dashboards.figures import MOST_SERIES, figure, items, judged, legend, window
from opsconsole.dashboards.model import Panel, PanelQuery, Thresholds
from opsconsole.model import Labels, Point, QueryResult, Row, Status
from tests.support.clock import NOON

HOUR = timedelta(hours=1)
SPAN = window(NOON, HOUR)


def row(*values: float | None, **labels: str) -> Row:
    """A value every step up to the end; None is a step without one."""
    kept = [(index, value) for index, value in enumerate(values) if value is not None]
    at = [millis(SPAN.end - (len(values) - 1 - index) * SPAN.step) for index, _ in kept]
    return Row(Labels(labels), np.array(at, dtype=np.int64), np.array([value for _, value in kept], dtype=np.float64))


def panel(**values: Any) -> Panel:
    return Panel(**{"title": "t", "queries": (PanelQuery("q", "{{x}}"),), **values})


def matrix(*rows: Row) -> list[QueryResult]:
    return [QueryResult("matrix", rows=list(rows))]


@pytest.mark.parametrize(("length", "step"), [(15, 5), (60, 15), (180, 60), (1440, 600), (43_200, 14_400)])
def test_a_window_has_about_as_many_steps_as_a_chart_has_pixels_to_show(length: int, step: int) -> None:
    found = window(NOON + timedelta(seconds=7), timedelta(minutes=length))
    assert found.step == timedelta(seconds=step)
    assert found.end.timestamp() % step == 0
    assert 100 <= (found.end - found.start) / found.step <= 240


def test_a_figure_is_plain_json_with_a_line_for_each_series() -> None:
    made = figure(panel(), matrix(row(1, 2, x="a"), row(3, 4, x="b")), SPAN)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert [(trace["name"], trace["y"]) for trace in made["data"]] == [("a", [1, 2]), ("b", [3, 4])]
    assert made["data"][0]["line"]["color"] == "var(--c1)"


def test_a_line_breaks_where_there_was_nothing() -> None:
    [trace] = figure(panel(), matrix(row(1, None, None, 2)), SPAN)["data"]
    assert trace["y"] == [1, None, 2]


def test_values_that_json_cannot_say_are_gaps() -> None:
    [trace] = figure(panel(), matrix(row(1, math.nan, math.inf, 2)), SPAN)["data"]
    assert trace["y"] == [1, None, None, 2]


def test_thresholds_are_shaded_where_they_are_near() -> None:
    limits = Thresholds(30, 60)
    near = figure(panel(thresholds=limits), matrix(row(25, 70)), SPAN)["layout"]["shapes"]
    assert [(s["type"], s["y0"]) for s in near] == [("rect", 30), ("line", 30), ("rect", 60), ("line", 60)]
    far = figure(panel(thresholds=limits), matrix(row(1, 2)), SPAN)["layout"]
    assert far["shapes"] == []
    assert far["yaxis"]["range"][1] < 5


def test_where_lower_is_worse_the_shade_is_below() -> None:
    shapes = figure(panel(thresholds=Thresholds(0.9, 0.5)), matrix(row(1, 0.4)), SPAN)["layout"]["shapes"]
    assert [(s["y0"], s["y1"]) for s in shapes if s["type"] == "rect"] == [(0.9, 0.5), (0.5, 0.0)]


def test_too_many_series_are_cut_and_said() -> None:
    made = figure(panel(), matrix(*(row(1, x=str(n)) for n in range(MOST_SERIES + 5))), SPAN)
    assert len(made["data"]) == MOST_SERIES
    assert made["note"] == "40 of 45 series shown"


def test_no_series_is_said() -> None:
    assert figure(panel(), matrix(), SPAN)["note"] == "no data in this range"


@pytest.mark.parametrize(("series", "named"), [(1, 0), (2, 2), (16, 16), (17, 0)])
def test_a_few_series_are_named_below_the_chart_and_never_inside_it(series: int, named: int) -> None:
    made = figure(panel(), matrix(*(row(1, 2, x=f"s{index}") for index in range(series))), SPAN)
    assert made["legend"] == [trace["name"] for trace in made["data"]][:named]
    assert made["layout"]["showlegend"] is False


def test_failed_and_success_wear_the_colours_of_their_states_in_chart_and_legend() -> None:
    made = figure(panel(show="bar"), matrix(row(1, x="failed"), row(2, x="success"), row(3, x="other")), SPAN)
    assert made["keys"] == ["down", "ok", "c3"]
    assert [trace["marker"]["color"] for trace in made["data"]] == ["var(--down)", "var(--ok)", "var(--c3)"]


def test_bars_of_nothing_stand_on_the_ground() -> None:
    assert figure(panel(show="bar"), matrix(row(0, 0)), SPAN)["layout"]["yaxis"]["rangemode"] == "nonnegative"


def test_legends_name_series() -> None:
    labels = Labels(__name__="m", deployment="prod", pool="default", state="open")
    assert legend(PanelQuery("q", "{{pool}} is {{ state }}{{nope}}"), labels) == "default is open"
    assert legend(PanelQuery("q"), labels) == "pool default, state open"
    assert legend(PanelQuery("q"), Labels(__name__="m", deployment="prod")) == "value"


@pytest.mark.parametrize(
    ("value", "thresholds", "expected"),
    [
        (10, Thresholds(), None),
        (10, Thresholds(30, 60), Status.OK),
        (30, Thresholds(30, 60), Status.DEGRADED),
        (60, Thresholds(30, 60), Status.DOWN),
        (0.4, Thresholds(0.9, 0.5), Status.DOWN),
        (0.7, Thresholds(0.9, 0.5), Status.DEGRADED),
        (1.0, Thresholds(0.9, 0.5), Status.OK),
        (math.nan, Thresholds(30, 60), Status.UNKNOWN),
        (7, Thresholds(critical=5), Status.DOWN),
    ],
)
def test_thresholds_judge_a_value(value: float, thresholds: Thresholds, expected: Status | None) -> None:
    assert judged(value, thresholds) is expected


def test_a_table_shows_the_worst_first() -> None:
    points = [Point(Labels(x=name), 0, value) for name, value in (("fine", 1), ("bad", 99), ("so-so", 40))]
    shown = items(panel(show="table", thresholds=Thresholds(30, 60)), [QueryResult("vector", points=points)])
    assert [(item.name, item.text) for item in shown] == [("bad", "99"), ("so-so", "40"), ("fine", "1")]


def test_a_state_is_up_or_down() -> None:
    points = [Point(Labels(x="scheduler"), 0, 0.0), Point(Labels(x="triggerer"), 0, 1.0)]
    shown = items(panel(show="state"), [QueryResult("vector", points=points)])
    assert [(item.name, item.text, item.status) for item in shown] == [
        ("scheduler", "down", Status.DOWN),
        ("triggerer", "ok", Status.OK),
    ]


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.0123, "seconds", "12.3 ms"),
        (0, "seconds", "0 s"),
        (90, "seconds", "90 s"),
        (600, "seconds", "10 min"),
        (90_000, "seconds", "25 h"),
        (0.5, "ratio", "50 %"),
        (1536, "bytes", "1.5 KiB"),
        (1_234_567, "count", "1.23 M"),
        (12.345, "per_second", "12.3/s"),
        (1_772_366_400, "timestamp", "2026-03-01 12:00:00 UTC"),
        (0, "timestamp", "never"),
        (math.nan, "", "no value"),
        (-math.inf, "", "−∞"),
        (2500, "", "2500"),
    ],
)
def test_numbers_are_written_as_people_read_them(value: float, unit: str, said: str) -> None:
    assert units.text(value, unit) == said


def test_a_name_that_looks_like_html_is_shown_as_it_is() -> None:
    made = figure(panel(), matrix(row(1, 2, x='<a href="https://evil.example">a</a>'), row(1, 2, x="b & c")), SPAN)
    assert [trace["name"] for trace in made["data"]] == ['&lt;a href="https://evil.example"&gt;a&lt;/a&gt;', "b &amp; c"]
    assert made["legend"] == ['<a href="https://evil.example">a</a>', "b & c"]  # written as text by the page's script
