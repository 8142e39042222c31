"""Rule files: what they mean, and every mistake at its line."""

from datetime import timedelta
from pathlib import Path

import pytest

from opsconsole import documents
from opsconsole.model import ConfigError
from opsconsole.rules import AlertingRule, RecordingRule, loading
from opsconsole.rules.templates import Context, render

WHOLE = """
groups:
  - name: api
    interval: 30s
    limit: 10
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
        labels: {team: data, tier: 1}
      - alert: Down
        expr: up == 0
        for: 1m
        keep_firing_for: 2m
        labels: {severity: critical}
        annotations: {summary: "{{ $labels.job }} is down"}
      - alert: Down
        expr: up == 0
        labels: {severity: warning}
  - name: empty
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        loading.parse(documents.parse(text, "rules.yaml"), "rules")
    return refused.value.problems


def test_a_file_becomes_groups_of_rules() -> None:
    group, empty = loading.parse(documents.parse(WHOLE, "rules.yaml"), "rules", timedelta(seconds=7))
    recording, down, again = group.rules
    assert (group.name, group.interval, group.limit, group.key) == ("api", timedelta(seconds=30), 10, "rules;api")
    assert recording == RecordingRule("job:up:sum", "sum by (job) (up)", 7, {"team": "data", "tier": "1"})
    assert isinstance(down, AlertingRule)
    assert (down.scope, down.pending_for, down.keep_firing_for) == (
        "rules/rules;api;Down",
        timedelta(minutes=1),
        timedelta(minutes=2),
    )
    assert isinstance(again, AlertingRule)
    assert again.scope == "rules/rules;api;Down#2"
    assert (empty.rules, empty.interval) == ((), timedelta(seconds=7))


def rule(text: str) -> str:
    return f"groups:\n  - name: g\n    rules:\n      - {text}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("groups: [{name: a}, {name: a}]", "rules.yaml:1: group 'a' is given twice (line 1 too)"),
        ("groups:\n  - {name: ''}", "rules.yaml:2: a group needs a name"),
        ("groups:\n  - name: a\n    intervall: 5s", "rules.yaml:3: unknown key groups.0.intervall"),
        ("groups:\n  - name: a\n    interval: 5 parsecs", "rules.yaml:3: groups.0.interval: '5 parsecs' is not a duration"),
        ("groups: yes please", "rules.yaml:1: groups: "),
        ("- a list", "rules.yaml:1: "),
        (rule("{expr: up}"), "rules.yaml:4: a rule is given either record or alert"),
        (rule("{expr: up, record: a, alert: b}"), "rules.yaml:4: a rule is given either record or alert, not both"),
        (rule("{alert: b}"), "rules.yaml:4: expr is missing"),
        (rule("alert: b\n        expr: sum(\n"), "rules.yaml:5: expr: 1:5: parse error: "),
        (rule("alert: b\n        expr: up >\n"), "rules.yaml:5: expr: "),
        (rule("{record: a b, expr: up}"), "rules.yaml:4: 'a b' is not a metric name"),
        (rule("{record: a, expr: up, for: 1m}"), "rules.yaml:4: a recording rule has no for"),
        (rule("{record: a, expr: up, annotations: {a: b}}"), "rules.yaml:4: a recording rule has no annotations"),
        (rule("{alert: a, expr: up, labels: {a-b: c}}"), "rules.yaml:4: 'a-b' is not a name for labels"),
        (rule("{alert: a, expr: up, labels: {__name__: c}}"), "rules.yaml:4: '__name__' is not a name for labels"),
        (rule("alert: a\n        expr: up\n        annotations:\n          x: '{{ nosuch }}'"), "rules.yaml:7: x: "),
        (rule("{alert: a, expr: up, labels: {x: '{{ if }}'}}"), "rules.yaml:4: x: a value is missing"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_line(text: str, expected: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(expected)


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(rule("{alert: a, expr: '('}") + "      - {alert: b}\n")
    (tmp_path / "b.yaml").write_text("groups: [{name: x, rules: [{record: y, expr: ')'}]}]")
    with pytest.raises(ConfigError) as refused:
        loading.load(loading.files(["*.yaml", "a.yaml"], tmp_path))
    assert [problem.rpartition("/")[2].split(": ")[0] for problem in refused.value.problems] == [
        "a.yaml:4",
        "a.yaml:5",
        "b.yaml:1",
    ]


def test_files_of_one_name_keep_their_alerts_apart(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.yaml").write_text(rule("{alert: a, expr: up}"))
    keys = [group.key for group in loading.load(loading.files(["*/same.yaml"], tmp_path))]
    assert len(set(keys)) == 2


def test_a_file_that_is_not_there_is_told_and_an_empty_glob_is_not(tmp_path: Path) -> None:
    assert loading.files(["*.yaml"], tmp_path) == []
    with pytest.raises(ConfigError, match=r"gone\.yaml:1: cannot be read"):
        loading.files(["gone.yaml"], tmp_path)


def test_an_empty_file_has_no_groups() -> None:
    assert loading.parse(documents.parse("", "rules.yaml"), "rules") == []


def test_a_groups_labels_lie_under_its_rules_own() -> None:
    text = "groups:\n- name: g\n  labels: {team: data, tier: '{{ $value }}'}\n  rules:\n"
    rules = "  - {alert: a, expr: up, labels: {team: web}}\n  - {record: r, expr: up, labels: {x: y}}\n"
    (group,) = loading.parse(documents.parse(text + rules, "rules.yaml"), "rules")
    alerting, recording = group.rules
    assert isinstance(alerting, AlertingRule)
    assert {name: render(label, Context({}, 2.0)) for name, label in alerting.labels.items()} == {"team": "web", "tier": "2"}
    assert recording.labels == {"team": "data", "tier": "{{ $value }}", "x": "y"}


def test_a_groups_labels_are_checked_once_and_at_their_line() -> None:
    text = "groups:\n- name: g\n  labels:\n    a-b: x\n    c: '{{ nofunc }}'\n"
    assert problems(text + "  rules: [{alert: a, expr: up}, {alert: b, expr: up}]\n") == [
        "rules.yaml:4: 'a-b' is not a name for labels",
        "rules.yaml:5: c: function 'nofunc' is not defined",
    ]


def test_a_text_left_empty_is_an_empty_text_as_in_prometheus() -> None:
    (group,) = loading.parse(documents.parse(rule("{alert: a, expr: up, annotations: {summary: }}"), "rules.yaml"), "rules")
    assert isinstance(group.rules[0], AlertingRule)
    assert group.rules[0].annotations.keys() == {"summary"}
    assert problems(rule("{alert: a, expr: }")) == ["rules.yaml:4: expr is missing"]


def test_labels_and_annotations_are_the_texts_that_were_written() -> None:
    text = rule("{record: r, expr: 1e0, labels: {a: yes, b: 1.50, c: 0x10, on: off, d: ~, e: 017, f: 'no'}}")
    ((recording,),) = (group.rules for group in loading.parse(documents.parse(text, "rules.yaml"), "rules"))
    assert isinstance(recording, RecordingRule)
    assert recording.expr == "1e0"
    assert recording.labels == {"a": "yes", "b": "1.50", "c": "0x10", "on": "off", "d": "", "e": "017", "f": "no"}


def test_only_the_first_document_of_a_file_is_read_and_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "two.yaml").write_text(f"{rule('{record: r, expr: up}')}---\ngroups: 5\n")
    (group,) = loading.load([tmp_path / "two.yaml"])
    assert [rule.name for rule in group.rules] == ["r"]
    assert [record.__dict__["file"] for record in caplog.records] == [str(tmp_path / "two.yaml")]
