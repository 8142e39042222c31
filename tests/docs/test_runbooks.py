"""Every alert rule has a severity, a summary, a runbook that says what to do, and a unit test that shows it firing and quiet."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsconsole import content

ROOT = content.folder("alert_rules").parent
RUNBOOKS = content.folder("docs/runbooks")
RULES: list[dict[str, Any]] = [
    rule
    for path in sorted(content.folder("alert_rules").glob("*.yaml"))
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
]
TESTS: list[dict[str, Any]] = [
    check
    for path in sorted((Path(__file__).parents[1] / "rules").glob("*.test.yaml"))
    for test in yaml.safe_load(path.read_text())["tests"]
    for check in test["alert_rule_test"]
]
SECTIONS = ["What it means", "First steps", "How to see that it is over"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("info", "warning", "high", "critical")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    assert (ROOT / rule["annotations"]["runbook_url"]).is_file() or (
        RUNBOOKS / Path(rule["annotations"]["runbook_url"]).name
    ).is_file()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_is_shown_firing_and_quiet(rule: dict[str, Any]) -> None:
    shown = {bool(test.get("exp_alerts")) for test in TESTS if test["alertname"] == rule["alert"]}
    assert shown == {True, False}


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_a_runbook_has_its_sections_and_three_first_steps(path: Path) -> None:
    text = path.read_text()
    assert re.match(r"# \S.*\n\n## ", text)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    steps = text.split("## First steps")[1].split("## ")[0]
    assert len(re.findall(r"^\d+\. ", steps, re.MULTILINE)) >= 3
    assert "`" in steps


def test_the_reference_names_every_rule() -> None:
    reference = (Path(__file__).parents[2] / "docs" / "reference" / "rules.md").read_text()
    assert {rule["alert"] for rule in RULES} == set(re.findall(r"`((?:Airflow|OpsConsole)\w+)`", reference))
