"""Dashboards of Grafana's: what becomes of their panels, and what is left out."""

import json
from datetime import timedelta
from typing import Any

import pytest

from opsconsole import documents, promql
from opsconsole.dashboards import loading, variables
from opsconsole.dashboards.model import Dashboard, PanelQuery, Thresholds
from opsconsole.model import ConfigError

LOKI = {"datasource": {"type": "loki", "uid": "x"}}
STEPS = [{"color": "green", "value": None}, {"color": "#EAB839 yellow", "value": 5}, {"color": "dark-red", "value": 9}]


def chart(expr: str, kind: str = "timeseries", **more: Any) -> dict[str, Any]:
    return {"type": kind, "title": "T", "targets": [{"expr": expr, "legendFormat": "__auto"}], **more}


def read(*panels: dict[str, Any], templating: list[dict[str, Any]] | None = None, **more: Any) -> Dashboard:
    value = {"title": "Pools", "schemaVersion": 39, "panels": panels, "templating": {"list": templating or []}, **more}
    return loading.parse(documents.parse(json.dumps(value, indent=1), "x.json"), "x")


def exprs(dashboard: Dashboard) -> list[str]:
    return [query.expr for panel in dashboard.panels for query in panel.queries]


def test_a_panel_keeps_its_queries_names_unit_and_thresholds() -> None:
    defaults = {"unit": "percentunit", "thresholds": {"mode": "absolute", "steps": STEPS}}
    targets = [{"expr": "a\n/ b", "legendFormat": "{{pool}}"}, {"expr": "c", "hide": True}, {"expr": ""}, {"expr": "d"}]
    panel = {
        "type": "stat",
        "title": "Full",
        "description": "How full",
        "targets": targets,
        "fieldConfig": {"defaults": defaults},
    }
    dashboard = read(panel)
    assert (dashboard.slug, dashboard.title, dashboard.question) == ("x", "Pools", "Pools")
    [full] = dashboard.panels
    assert (full.title, full.description, full.show, full.unit) == ("Full", "How full", "number", "ratio")
    assert full.thresholds == Thresholds(5, 9)
    assert full.queries == (PanelQuery("a\n/ b", "{{pool}}"), PanelQuery("d"))


def test_a_chart_has_thresholds_only_where_grafana_draws_them() -> None:
    plain: dict[str, Any] = {"thresholds": {"steps": STEPS}}
    drawn = plain | {"custom": {"thresholdsStyle": {"mode": "line"}}}
    for defaults, wanted in ((plain, Thresholds()), (drawn, Thresholds(5, 9))):
        assert read(chart("a", fieldConfig={"defaults": defaults})).panels[0].thresholds == wanted


def test_panels_inside_rows_are_found_in_either_form_of_the_file() -> None:
    row = {"type": "row", "title": "R", "panels": [chart("inside")]}
    assert exprs(read(chart("a"), row, chart("b"))) == ["a", "inside", "b"]
    older = {"title": "Old", "rows": [{"panels": [chart("a", "graph")]}, {"panels": [chart("b", "singlestat")]}]}
    wrapped = documents.parse(json.dumps({"dashboard": older, "meta": {}}), "x.json")
    assert exprs(loading.parse(wrapped, "x")) == ["a", "b"]


@pytest.mark.parametrize(
    ("expr", "bound"),
    [
        ('a{job=~"$job"}', 'a{job=~".*"}'),
        ("a{job='${job}'}", 'a{job=~".*"}'),
        ('a{job!="[[job]]"}', 'a{job!~".*"}'),
        ('a{job=~"x-${job:regex}"}', 'a{job=~"x-.*"}'),
        ("rate(a[$window])", "rate(a[10m])"),
        ("topk($n, a)", "topk(5, a)"),
        ("rate(a[$__rate_interval])", "rate(a[${__rate_interval}])"),
        ('a{deployment="$deployment"}', 'a{deployment="${deployment}"}'),
        ('label_replace(a, "x", "$1", "y", "(.*)")', 'label_replace(a, "x", "$1", "y", "(.*)")'),
    ],
)
def test_a_variable_stands_for_all_its_values_or_for_the_one_that_the_file_gives(expr: str, bound: str) -> None:
    listed = [
        {"type": "query", "name": "job", "query": "label_values(job)", "current": {"value": "x"}},
        {"type": "query", "name": "deployment", "query": "label_values(deployment)"},
        {"type": "interval", "name": "window", "query": "10m,1h", "current": {"value": "10m"}},
        {"type": "custom", "name": "n", "query": "5,10"},
    ]
    assert exprs(read(chart(expr), templating=listed)) == [bound]


def test_what_is_asked_is_promql_at_every_range() -> None:
    expr = 'increase(a{job=~"$job"}[$__interval:] offset -$__interval) / $__range_s + rate(a[$__rate_interval])'
    [bound] = exprs(read(chart(expr), templating=[{"type": "query", "name": "job"}]))
    asked = variables.bind(bound, variables.values("prod", timedelta(hours=3), timedelta(seconds=45)))
    assert asked == 'increase(a{job=~".*"}[45s:] offset -45s) / 10800 + rate(a[1m])'
    promql.parse(asked)


def test_what_cannot_be_shown_is_left_out_and_told_at_its_line() -> None:
    dashboard = read(
        chart("a"),
        {"type": "text"},
        chart("{x}", "logs", title="Log"),
        chart('{app="x"} |= "y"', **LOKI),
        chart("a }", title="Bad"),
    )
    assert exprs(dashboard) == ["a"]
    assert [note.split(":", 2)[2] for note in dashboard.notes] == [
        " note: the panel 'Log' is left out: it is of the kind 'logs'",
        " note: the panel 'T' is left out: it has no query in PromQL",
        " note: the panel 'Bad' is left out: 1:3: parse error: unexpected character: '}' in its query",
    ]


def test_a_dashboard_of_which_nothing_can_be_shown_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match=r"x.json:1: no panel of this Grafana dashboard can be shown"):
        read({"type": "text"})


@pytest.mark.parametrize(
    "broken", [{"panels": 3}, {"panels": [3, None]}, {"templating": 7}, {"title": 5}, {"panels": [{"targets": 1}]}]
)
def test_what_is_of_no_use_hurts_nothing(broken: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        read(**broken)
