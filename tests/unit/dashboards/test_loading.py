"""Dashboard files: what they mean, and every mistake at its line."""

import re
from pathlib import Path

import pytest

from opsconsole import content, documents, promql
from opsconsole.dashboards import loading, variables
from opsconsole.dashboards.model import Panel, PanelQuery, Thresholds
from opsconsole.model import ConfigError, Matcher, MatchOp
from opsconsole.promql.nodes import Selector

ROOT = Path(__file__).parents[3]
WHOLE = """
title: Scheduler
question: Is it alive?
panels:
  - title: Heartbeat age
    query: time() - beat{deployment="$deployment"}
    legend: "{{component}}"
    show: line
    unit: seconds
    thresholds: {warning: 30, critical: 60}
  - title: Two
    queries:
      - {query: up, legend: a}
      - {query: 1}
    show: table
"""


def test_a_file_becomes_a_dashboard() -> None:
    dashboard = loading.parse(documents.parse(WHOLE, "x.yaml"), "scheduler")
    assert (dashboard.slug, dashboard.title, dashboard.question) == ("scheduler", "Scheduler", "Is it alive?")
    assert dashboard.variables == ("deployment",)
    assert dashboard.panels == (
        Panel(
            "Heartbeat age",
            (PanelQuery('time() - beat{deployment="$deployment"}', "{{component}}"),),
            "line",
            "seconds",
            Thresholds(30, 60),
        ),
        Panel("Two", (PanelQuery("up", "a"), PanelQuery("1")), "table"),
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("title: Scheduler", "titel: Scheduler", ["x.yaml:1: title is missing", "x.yaml:2: unknown key titel"]),
        ("    show: table", "    needs: statd", ["x.yaml:15: panels.1.needs: must be '' or 'statsd'"]),
        ("show: line", "show: pie", ["x.yaml:8: panels.0.show: must be 'line', 'bar', 'number', 'table' or 'state'"]),
        ("time() - beat", "time( - beat", ["x.yaml:6: query: "]),
        ("$deployment", "$cluster", ["x.yaml:6: unknown variable $cluster"]),
        ("query: up", "query: up +", ["x.yaml:13: query: "]),
        ("    queries:", "    query: up\n    queries:", ["x.yaml:11: panels.1: give query or queries, not both"]),
        ("    show: table", "    legend: a", ["x.yaml:11: panels.1: with queries, each has its own legend"]),
        (WHOLE[WHOLE.index("panels") :], "panels: []", ["x.yaml:4: panels: "]),
    ],
)
def test_a_mistake_is_told_at_its_line(before: str, after: str, expected: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        loading.parse(documents.parse(WHOLE.replace(before, after), "x.yaml"), "x")
    assert len(refused.value.problems) == len(expected)
    for problem, start in zip(refused.value.problems, expected, strict=True):
        assert problem.startswith(start)


def test_a_variable_cannot_break_out_of_its_quotes() -> None:
    hostile = """x"} or vector(1) or up{b='"""
    for quote in "\"'":
        bound = variables.bind(f"up{{a={quote}$deployment{quote}}}", {"deployment": hostile})
        assert promql.parse(bound) == Selector(
            (Matcher("__name__", MatchOp.EQUAL, "up"), Matcher("a", MatchOp.EQUAL, hostile)), position=0
        )
    assert variables.bind("up{a=~'${deployment}$'}", {"deployment": "prod"}) == "up{a=~'prod$'}"


def test_the_packaged_dashboards_are_valid_and_open_with_a_question() -> None:
    dashboards = loading.load(sorted(content.folder("dashboards").glob("*.yaml")))
    assert {dashboard.slug for dashboard in dashboards} >= {"scheduler", "executor_and_pools", "triggerer", "dag_runs", "console"}
    assert all(dashboard.question.endswith("?") for dashboard in dashboards)


def test_panels_of_statsd_metrics_alone_say_that_they_need_it() -> None:
    """What a collector measures is in the reference of the metrics by name; what is not, only StatsD brings."""
    collected = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs/reference/metrics.md").read_text(), re.MULTILINE))
    for dashboard in loading.load(sorted(content.folder("dashboards").glob("*.yaml"))):
        for panel in dashboard.panels:
            used = {name for query in panel.queries for name in re.findall(r"\b(?:airflow|opsconsole)_\w+", query.expr)}
            assert bool(panel.needs) == (not used & collected and "opsconsole" not in str(used)), (dashboard.slug, panel.title)
