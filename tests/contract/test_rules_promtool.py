"""Rules beside promtool: what it accepts and refuses, what its templates render, which unit tests hold for it."""

import shutil
from pathlib import Path

import pytest

from opsconsole import documents, promql
from opsconsole.rules import loading, unittests
from opsconsole.rules.templates import TemplateError, compile_template
from tests.support import promtool

DATA = Path(__file__).parents[1] / "data" / "rules"
SERIES = (
    ('up{job="a",instance="h1.example.com:9100",zone="eu"}', "1+1x5"),
    ('up{job="b",instance="10.0.0.1:80"}', "2+1x5"),
    ('up{job="c",instance="[::1]:9"}', "0.5x5"),
    ('big{x="<b>&\\"q\\"", y="ünï", z="a\\nb\\tc\\\\d"}', "1234567.891x5"),
    ("neg", "-0.00012345x5"),
    ("notnum", "NaN NaN NaN NaN NaN"),
    ("toobig", "Inf Inf Inf Inf Inf"),
    ("ts", "1435065584.128x5"),
)
FAILED = "<error expanding template: "

pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool on this machine")


def templates() -> list[tuple[str, str]]:
    found = []
    for line in (DATA / "templates.txt").read_text().splitlines():
        if not line.startswith("##"):
            expr, _, text = line.rpartition(" ;; ")
            found.append((expr or 'up{job="a"}', text.replace("↵", "\n").replace("→", "\t")))
    return list(dict.fromkeys(found))


def _compiles(text: str) -> bool:
    try:
        compile_template(text)
    except TemplateError:
        return False
    return True


def test_a_template_that_one_refuses_the_other_refuses_too(tmp_path: Path) -> None:
    good = [pair for pair in templates() if _compiles(pair[1])]
    bad = [pair for pair in templates() if not _compiles(pair[1])]
    promtool.write_templates(tmp_path, good, SERIES)
    assert promtool.is_valid(tmp_path)
    assert len(bad) > 10
    for pair in bad:
        promtool.write_templates(tmp_path, [pair], SERIES)
        assert not promtool.is_valid(tmp_path), pair


async def test_a_template_renders_as_in_promtool(tmp_path: Path) -> None:
    good = [pair for pair in templates() if _compiles(pair[1])]
    promtool.write_templates(tmp_path, good, SERIES)
    theirs = promtool.rendered(tmp_path)
    ours = await _rendered(tmp_path, len(good))
    assert len(theirs) == len(good) > 200
    for number, pair in enumerate(good):
        assert _texts(ours[number]) == _texts(theirs[number]), pair


def _texts(texts: list[str]) -> list[str]:
    """In any order; of a mistake, that there is one."""
    return sorted(FAILED if text.startswith(FAILED) else text for text in texts)


async def _rendered(folder: Path, count: int) -> list[list[str]]:
    document = documents.read(folder / "test.yaml")
    groups = loading.load([folder / "rules.yaml"])
    found = await unittests.firing(document, groups)
    return [
        [finding.annotations.get("t", "") for finding in found if finding.labels["alertname"] == f"T{n}"] for n in range(count)
    ]


CASE = """
rule_files: [rules.yaml]
tests:
- interval: 1m
  input_series: [{series: 'up{job="a"}', values: 1 2 3}]
  alert_rule_test:
  - {eval_time: 2m, alertname: A, exp_alerts: [{exp_labels: {job: a, on: off, b: 1.50, c: 0x10}, exp_annotations: {t: yes}}]}
"""
CASES = (
    ("", ""),
    ("interval: 1m\n", "interval: 1m\n  external_labels: {x: yes}\n"),
    ("interval: 1m", "interval: 0s"),
    ("interval: 1m\n  input", "input"),
    ("1 2 3", "0x2 3"),
    ("2m, alertname: A", "2m, alertname: B"),
    ("0x10", "16"),
    ("on: off", "on: no"),
    ('up{job="a"}', 'up {job="a"}'),
    ('up{job="a"}', "up{job=`a`}"),
    ('up{job="a"}', 'up{job="\\x61"}'),
    ('up{job="a"}', ""),
    ('up{job="a"}', "on"),
    ("3}]", "3}, {series: inf, values: 1}]"),
    ("3}]", "3}, {series: sum, values: 1}]"),
    ("3}]", "3}, {series: atan2, values: 1}]"),
    ("3}]", "3}, {series: '{}', values: 1}]"),
    ("3}]", "3}, {series: 'up{job=\"a\"}', values: 0x9}]"),
    ("t: yes}}]}\n", "t: yes}}]}\n---\ntests: {{{\n"),
    ("[rules.yaml]", "[rules.yaml, same.yaml]"),
    ("[rules.yaml]", "[rules.yaml, other.yaml]"),
)


@pytest.mark.parametrize(("before", "after"), CASES)
def test_a_unit_test_that_holds_for_one_holds_for_the_other(tmp_path: Path, before: str, after: str) -> None:
    rules = "groups: [{name: g, rules: [{alert: A, expr: up > 0, labels: {on: off, b: 1.50, c: 0x10}, annotations: {t: yes}}]}]"
    (tmp_path / "rules.yaml").write_text(f"{rules}\n---\ngroups: 5\n")
    (tmp_path / "same.yaml").write_text(rules.replace("name: g", "name: h").replace("alert: A", "alert: C"))
    (tmp_path / "other.yaml").write_text(rules.replace("name: g", "name: h").replace("> 0", "> 1"))
    (tmp_path / "test.yaml").write_text(CASE.replace(before, after) if before else CASE)
    status, said = promtool.run("test", "rules", str(tmp_path / "test.yaml"))
    ours = unittests.run_files([tmp_path / "test.yaml"], promql.Settings(compat=2, delayed_name_removal=False))
    assert (status == 0) == (not ours), (said, ours)
    assert before or status == 0
