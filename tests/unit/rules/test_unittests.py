"""The runner of promtool's unit-test files, on files that hold, do not hold, and are not valid."""

import asyncio
from pathlib import Path
from typing import Literal

import pytest

from opsconsole import promql
from opsconsole.model import ConfigError
from opsconsole.rules import notation, unittests

RULES = """
groups:
  - name: g
    rules:
      - {record: 'job:up', expr: sum by (job) (up)}
      - alert: Down
        expr: up == 0
        for: 2m
        keep_firing_for: 3m
        labels: {severity: high}
        annotations: {summary: "{{ $labels.job }} down"}
"""

TESTS = """
rule_files: [rules.yaml]
evaluation_interval: 1m
tests:
  - name: a target goes and comes
    interval: 1m
    external_url: http://console
    input_series:
      - {series: 'up{job="a"}', values: '1x4 0x5 1x10'}
    alert_rule_test:
      - {eval_time: 6m, alertname: Down}
      - eval_time: 7m30s
        alertname: Down
        exp_alerts: [{exp_labels: {job: a, severity: high}, exp_annotations: {summary: a down}}]
      - eval_time: 12m
        alertname: Down
        exp_alerts: [{exp_labels: {job: a, severity: high}, exp_annotations: {summary: a down}}]
      - {eval_time: 14m, alertname: Down, exp_alerts: []}
    promql_expr_test:
      - {expr: 'job:up', eval_time: 3m, exp_samples: [{labels: 'job:up{job="a"}', value: 1}]}
      - {expr: 'absent(nothing)', eval_time: 0, exp_samples: [{labels: '{}', value: 1e0}]}
"""


def run(folder: Path, tests: str, rules: str = RULES) -> unittests.Outcome:
    (folder / "rules.yaml").write_text(rules)
    (folder / "tests.yaml").write_text(tests)
    return asyncio.run(unittests.run(folder / "tests.yaml"))


def test_for_and_keep_firing_for_count(tmp_path: Path) -> None:
    assert run(tmp_path, TESTS) == unittests.Outcome(6, ())


def test_what_does_not_hold_is_told_with_what_was_found(tmp_path: Path) -> None:
    outcome = run(tmp_path, TESTS.replace("summary: a down", "summary: b down").replace("value: 1}", "value: 2}"))
    assert outcome.held == 3
    assert [problem.split(": expected ")[0].rpartition("/")[2] for problem in outcome.problems] == [
        "tests.yaml:12: a target goes and comes: Down at 7m30s",
        "tests.yaml:15: a target goes and comes: Down at 12m",
        "tests.yaml:20: a target goes and comes: job:up at 3m",
    ]
    assert "'summary': 'a down'" in outcome.problems[0]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("1x4", "one", "'one' is not a value"),
        ("1x4", "1x99999999", "a series may have"),
        ('up{job="a"}\'', "up{job}'", "is not a series"),
        ("rules.yaml", "gone.yaml", "cannot be read"),
        ("eval_time: 14m", "eval_tim: 14m", "unknown key"),
        ("1x4", "1+1", r"'1\+1' is not a value"),
        ("1x4", "NaNx4", "'NaNx4' is not a value"),
        ('up{job="a"}', "", "has no labels"),
        ('up{job="a"}', "{}", "has no labels"),
        ("up{", "on{", "another use for on"),
        ("up{", "nan{", "another use for nan"),
        ("up{", "up {", "a blank before {"),
    ],
)
def test_a_test_file_that_is_not_valid_is_told(tmp_path: Path, before: str, after: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        run(tmp_path, TESTS.replace(before, after))


def test_many_files_run_one_after_the_other(tmp_path: Path) -> None:
    run(tmp_path, TESTS)
    (tmp_path / "bad.yaml").write_text("tests: 5")
    (problem,) = unittests.run_files([tmp_path / "bad.yaml", tmp_path / "tests.yaml"])
    assert problem.startswith(f"{tmp_path / 'bad.yaml'}:1: tests: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 2.5 -3", [1, 2.5, -3]),
        ("0+5x3", [0, 5, 10, 15]),
        ("10-2.5x2", [10, 7.5, 5]),
        ("7x2", [7, 7, 7]),
        ("_ _x2 1e3", [None, None, None, 1000]),
        ("", []),
    ],
)
def test_values_are_written_short(text: str, expected: list[float | None]) -> None:
    assert notation.values(text) == expected


def test_a_subquery_without_a_step_takes_the_files_evaluation_interval(tmp_path: Path) -> None:
    (tmp_path / "tests.yaml").write_text(
        "evaluation_interval: 2m\n"
        "tests:\n"
        "- interval: 1m\n"
        "  input_series: [{series: up, values: 1x20}]\n"
        "  promql_expr_test:\n"
        "  - {expr: 'count_over_time(up[9m:])', eval_time: 10m, exp_samples: [{labels: '{}', value: 5}]}\n"
    )
    assert unittests.run_files([tmp_path / "tests.yaml"]) == []


def test_a_rule_that_cannot_be_evaluated_fails_its_test(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("groups: [{name: g, rules: [{alert: Both, expr: a * on () b}]}]")
    (tmp_path / "tests.yaml").write_text(
        "rule_files: [rules.yaml]\n"
        "tests:\n"
        "- input_series:\n"
        "  - {series: 'a{x=\"1\"}', values: _ 1 1}\n"
        "  - {series: 'a{x=\"2\"}', values: _ 1 1}\n"
        "  - {series: b, values: 1x2}\n"
        "  alert_rule_test: [{eval_time: 2m, alertname: Both}]\n"
    )
    (problem,) = unittests.run_files([tmp_path / "tests.yaml"])
    assert problem.startswith(f"{tmp_path / 'tests.yaml'}:3: Both at 1m could not be evaluated: multiple matches for labels")


@pytest.mark.parametrize(("fuzzy", "failures"), [("true", 1), ("false", 2)])
def test_a_fuzzy_comparison_overlooks_the_last_bit_and_no_more(tmp_path: Path, fuzzy: str, failures: int) -> None:
    (tmp_path / "tests.yaml").write_text(
        f"fuzzy_compare: {fuzzy}\n"
        "tests:\n"
        "- promql_expr_test:\n"
        "  - {expr: 0.1 + 0.2, eval_time: 0s, exp_samples: [{labels: '{}', value: 0.3}]}\n"
        "  - {expr: '0.3', eval_time: 0s, exp_samples: [{labels: '{}', value: 0.300001}]}\n"
    )
    assert len(unittests.run_files([tmp_path / "tests.yaml"])) == failures


def test_a_range_is_no_answer_to_compare_with(tmp_path: Path) -> None:
    (tmp_path / "tests.yaml").write_text("tests: [{promql_expr_test: [{expr: 'up[5m]', eval_time: 0s}]}]")
    (problem,) = unittests.run_files([tmp_path / "tests.yaml"])
    assert problem.endswith(":1: up[5m]: the expression gives a matrix, a rule needs an instant vector or a scalar")


def test_a_series_without_an_interval_takes_the_evaluation_interval(tmp_path: Path) -> None:
    (tmp_path / "tests.yaml").write_text(
        "evaluation_interval: 2m\n"
        "tests:\n"
        "- input_series: [{series: up, values: 0+1x9}]\n"
        "  promql_expr_test: [{expr: up, eval_time: 10m, exp_samples: [{labels: up, value: 5}]}]\n"
    )
    assert unittests.run_files([tmp_path / "tests.yaml"]) == []


def test_matchers_select_in_a_test_as_they_do_in_the_console(tmp_path: Path) -> None:
    (tmp_path / "tests.yaml").write_text(
        "tests:\n"
        "- input_series:\n"
        "  - {series: 'up{note=\"two\\nlines\"}', values: 1}\n"
        "  - {series: 'up{note=\"one\"}', values: 2}\n"
        "  promql_expr_test:\n"
        "  - {expr: 'count(up{note=~\"t.+s\"})', eval_time: 0s, exp_samples: [{labels: '{}', value: 1}]}\n"
        "  - {expr: 'count(up{note=~\"on|wo\"})', eval_time: 0s}\n"
        "  - {expr: 'count(up{note!~\"one\",gone=\"\"})', eval_time: 0s, exp_samples: [{labels: '{}', value: 1}]}\n"
    )
    assert unittests.run_files([tmp_path / "tests.yaml"]) == []


def test_as_in_promtool_what_is_not_said_is_zero_and_no_expectation_holds_for_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(
        "groups: [{name: g, interval: 0s, limit: -1, rules: [{alert: A, expr: up}, {alert: A, expr: up}]}]"
    )
    (tmp_path / "tests.yaml").write_text(
        "rule_files: [rules.yaml]\n"
        "evaluation_interval: 0s\n"
        "tests:\n"
        "- interval: 0s\n"
        "  input_series: [{series: up, values: 1 2}]\n"
        "  promql_expr_test:\n"
        "  - {expr: 1 + 1, exp_samples: [{value: 2e0}]}\n"
        "  - {expr: up, eval_time: 1m, exp_samples: [{labels: up, value: 2}]}\n"
        "  - {expr: up, exp_samples: [{labels: 'up{', value: 1}]}\n"
        "  alert_rule_test: [{alertname: A, exp_alerts: [{exp_labels: {none: ''}}]}]\n"
    )
    [empty, no_series] = unittests.run_files([tmp_path / "tests.yaml"])
    assert "'up{' is not a series" in no_series
    assert "tests.yaml:10: A at 0s: expected" in empty


EARLY = """
rule_files: [rules.yaml]
evaluation_interval: 1m
tests:
  - interval: 30s
    input_series: [{series: 'a', values: '0+1x20'}]
    promql_expr_test:
      - {expr: 'a:ahead', eval_time: 3m, exp_samples: [{labels: 'a:ahead', value: 6}]}
      - {expr: 'a offset -1m', eval_time: 3m, exp_samples: [{labels: 'a', value: 6}]}
      - {expr: 'a', eval_time: 3m30s, exp_samples: [{labels: 'a', value: 6}]}
"""
AHEAD = "groups: [{name: g, rules: [{record: 'a:ahead', expr: a offset -1m}]}]"


def test_no_rule_sees_a_sample_before_its_time(tmp_path: Path) -> None:
    """Nor does a query see one that is younger than the last evaluation."""
    assert run(tmp_path, EARLY, AHEAD) == unittests.Outcome(3, ())


TWICE = """
rule_files: [rules.yaml]
tests:
- interval: 1m
  input_series: [{series: up, values: 1 2 3}]
  alert_rule_test: [{eval_time: 2m, alertname: A, exp_alerts: [{}, {}]}]
"""


@pytest.mark.parametrize(("least", "outcome"), [(0, ""), (1, "duplicate sample for timestamp: ALERTS_FOR_STATE")])
def test_rules_that_differ_on_one_series_fail_and_rules_that_agree_do_not(tmp_path: Path, least: int, outcome: str) -> None:
    rules = f"groups: [{{name: g, rules: [{{alert: A, expr: up > 0}}, {{alert: A, expr: up > {least}}}]}}]"
    problems = run(tmp_path, TWICE, rules).problems
    assert (outcome in problems[0]) if outcome else problems == ()


def test_a_series_that_ends_in_one_rule_while_another_goes_on_with_it_is_a_failure_of_the_other(tmp_path: Path) -> None:
    tests = TWICE.replace("1 2 3", "1 2 3 4").replace(
        "eval_time: 2m, alertname: A, exp_alerts: [{}, {}]", "eval_time: 3m, alertname: N"
    )
    rules = "groups: [{name: g, rules: [{record: r, expr: up < 3}, {record: r, expr: up == 4}]}]"
    assert run(tmp_path, tests, rules).problems == ()
    (problem,) = run(tmp_path, tests, rules.replace("== 4", "> 2")).problems
    assert "r at 2m could not be evaluated: duplicate sample for timestamp: r" in problem


@pytest.mark.parametrize(("compat", "seen"), [(3, 3), (2, 1)])
def test_without_an_interval_promtool_2_has_everything_at_the_first_moment(
    tmp_path: Path, compat: Literal[2, 3], seen: int
) -> None:
    (tmp_path / "tests.yaml").write_text(
        "tests: [{input_series: [{series: up, values: 9 9}, {series: up, values: 1 2 3}],"
        f" promql_expr_test: [{{expr: up, eval_time: 2m, exp_samples: [{{labels: up, value: {seen}}}]}}]}}]"
    )
    assert unittests.run_files([tmp_path / "tests.yaml"], promql.Settings(compat=compat)) == []
