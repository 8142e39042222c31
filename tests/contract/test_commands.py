"""The commands as processes: what they print, where, and how they end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.commands import opsconsole
from tests.support.far_ends import Recording
from tests.support.postgres import free_port

GOOD = {"deployments": [{"name": "prod", "url": "http://127.0.0.1:8080"}]}
BAD = 'deploymnts: []\nserver: {public_url: "${WHERE}"}\nrules: {files: [rules.yaml]}\ndashboards: {paths: [board.yaml]}\n'
BAD_RULES = "groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: sum(up\n"
BAD_BOARD = "title: x\nquestion: y\npanels:\n  - {title: p, query: nosuch(up)}\n"
RULES = "groups:\n  - name: g\n    rules:\n      - {alert: Down, expr: up == 0}\n"
RULES_TEST = """
rule_files: [rules.yaml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series: [{series: "up{job='a'}", values: "1 0"}]
    alert_rule_test:
      - {eval_time: 1m, alertname: Down, exp_alerts: [{exp_labels: {job: JOB}}]}
"""


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(BAD_RULES)
    (tmp_path / "board.yaml").write_text(BAD_BOARD)
    file = tmp_path / "opsconsole.yaml"
    file.write_text(BAD)
    return file


def written(folder: Path, sections: object) -> str:
    (folder / "console.yaml").write_text(yaml.safe_dump(sections))
    return "console.yaml"


@pytest.mark.parametrize("order", [("--config", "FILE", "check"), ("check", "--config", "FILE")])
def test_the_file_may_be_named_before_and_after_the_command(tmp_path: Path, order: tuple[str, ...]) -> None:
    file = written(tmp_path, GOOD)
    done = opsconsole(*(file if word == "FILE" else word for word in order), cwd=tmp_path)
    assert (done.status, done.err) == (0, [])
    assert done.out[0].startswith("valid: 1 deployment, ")


def test_a_file_beside_it_is_found_by_itself(tmp_path: Path) -> None:
    (tmp_path / "opsconsole.yaml").write_text(yaml.safe_dump(GOOD))
    assert opsconsole("check", cwd=tmp_path).out[0].startswith("valid: 1 deployment, ")


def test_check_tells_every_problem_at_its_line_and_nothing_else(tmp_path: Path, bad: Path) -> None:
    done = opsconsole("check", "--config", str(bad), cwd=tmp_path)
    assert (done.status, done.out) == (1, [])
    assert [line.replace(f"{tmp_path}/", "").split(" ", 1)[0] for line in sorted(done.err)] == [
        "board.yaml:4:",
        "opsconsole.yaml:1:",
        "opsconsole.yaml:2:",
        "rules.yaml:5:",
    ]


def test_check_notes_what_may_not_be_meant_and_still_says_valid(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    file = written(tmp_path, GOOD | {"rules": {"files": ["rules.yaml", "mor*.yaml"]}})
    done = opsconsole("check", "--config", file, cwd=tmp_path)
    assert (done.status, done.err) == (0, [])
    assert [line.split(": ")[:2] for line in done.out[:-1]] == [["console.yaml:7", "note"], ["console.yaml:5", "note"]]
    assert done.out[-1].startswith("valid: 1 deployment, 1 rule, ")


def test_check_notes_rules_that_are_given_twice(tmp_path: Path) -> None:
    other = "      - {alert: Down, expr: up == 0, labels: {severity: info}}\n      - {record: Down, expr: up == 0}\n"
    (tmp_path / "rules.yaml").write_text(RULES + other + "      - {alert: Down, expr: up == 0, for: 5m}\n")
    (tmp_path / "more.yaml").write_text(RULES)
    done = opsconsole("check", "--config", written(tmp_path, {"rules": {"files": ["rules.yaml", "more.yaml"]}}), cwd=tmp_path)
    assert (done.status, done.err, len(done.out)) == (0, [], 3)
    first = "is the same rule as at line 4 of rules (group g)"
    assert done.out[0] == f"console.yaml:2: note: Down at line 7 of rules (group g) {first}"
    assert done.out[1] == f"console.yaml:2: note: Down at line 4 of more (group g) {first}"


def test_serve_with_a_bad_file_tells_the_same_and_ends(tmp_path: Path, bad: Path) -> None:
    assert opsconsole("serve", cwd=tmp_path) == opsconsole("check", cwd=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nonsense"], "nonsense"),
        (["check", "--nope"], "--nope"),
        (["serve", "--listen"], "--listen"),
        (["notify", "test"], "receiver"),
        (["serve", "--airflow", "http://127.0.0.1:1", "--config", "x.yaml"], "--airflow"),
        (["serve", "--username", "me"], "--airflow"),
    ],
)
def test_what_was_typed_wrong_ends_with_two_and_names_it(tmp_path: Path, arguments: list[str], told: str) -> None:
    done = opsconsole(*arguments, cwd=tmp_path)
    assert (done.status, done.out) == (2, [])
    assert done.err[-1].startswith("Error: ")
    assert told in done.err[-1]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://admin:pa55word-to-hide@127.0.0.1:8080", "keep the login out of the URL"),
        ("localhost:8080", "an Airflow URL is like http://"),
        ("ftp://localhost", "an Airflow URL is like http://"),
    ],
)
def test_an_address_that_cannot_be_airflows_is_told_in_a_line(tmp_path: Path, url: str, told: str) -> None:
    done = opsconsole("serve", "--airflow", url, "--listen", f"127.0.0.1:{free_port()}", cwd=tmp_path)
    assert (done.status, done.out, len(done.err)) == (1, [], 1)
    assert told in done.err[0]
    assert "pa55word" not in done.err[0]


@pytest.mark.parametrize(("job", "status"), [("a", 0), ("b", 1)])
def test_rule_tests_pass_and_fail(tmp_path: Path, job: str, status: int) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "rules.test.yaml").write_text(RULES_TEST.replace("JOB", job))
    done = opsconsole("test-rules", "rules.test.yaml", cwd=tmp_path)
    assert (done.status, done.err) == (status, [])
    assert any(word in done.out[0] for word in (("passed",) if status == 0 else ("rules.test.yaml",)))


@pytest.mark.parametrize(("compat", "seen", "before"), [(None, 1, False), (2, 2, False), (2, 2, True)])
def test_rule_tests_speak_the_promql_of_the_configuration(tmp_path: Path, compat: int | None, seen: int, before: bool) -> None:
    (tmp_path / "rules.test.yaml").write_text(
        "tests:\n"
        "- interval: 1m\n"
        "  input_series: [{series: up, values: 1x5}]\n"
        "  promql_expr_test:\n"
        f"  - {{expr: 'count_over_time(up[1m])', eval_time: 3m, exp_samples: [{{labels: '{{}}', value: {seen}}}]}}\n"
    )
    file = written(tmp_path, {} if compat is None else {"storage": {"metrics": {"promql_compat": compat}}})
    config, command = ("--config", file), ("test-rules", "rules.test.yaml")
    done = opsconsole(*(config + command if before else command + config), cwd=tmp_path)
    assert (done.status, done.out, done.err) == (0, ["1 file: all passed"], [])


def test_a_rule_test_that_is_no_rule_test_is_told_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "rules.test.yaml").write_text("tests: []\ngruops: []\n")
    done = opsconsole("test-rules", "rules.test.yaml", cwd=tmp_path)
    assert (done.status, done.out, done.err) == (1, ["rules.test.yaml:2: unknown key gruops"], [])


@pytest.fixture(scope="module")
def far_ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recording]:
    with Recording(tmp_path_factory.mktemp("ends")) as recording:
        yield recording


def alerting(*receivers: dict[str, object]) -> dict[str, object]:
    return {"alerting": {"route": {"receiver": receivers[0]["name"]}, "receivers": list(receivers)}}


def test_a_test_notice_reaches_slack_and_the_mail_server(tmp_path: Path, far_ends: Recording) -> None:
    file = written(tmp_path, alerting(far_ends.receiver()))
    slack, mails = len(far_ends.messages), len(far_ends.mails)
    done = opsconsole("notify", "test", "oncall", "--config", file, cwd=tmp_path)
    assert (done.status, done.err) == (0, [])
    assert [line.split(" in ")[0] for line in done.out] == ["slack: delivered", "email: delivered"]
    assert "[TEST]" in far_ends.messages[slack].text
    assert "[TEST]" in far_ends.mails[mails].subject


def test_a_test_notice_that_slack_refuses_says_what_slack_said_and_no_token(tmp_path: Path, far_ends: Recording) -> None:
    receiver = far_ends.receiver()
    receiver["slack"] = {**receiver["slack"], "token": "xoxb-of-someone-else-0123"}  # type: ignore[dict-item]
    done = opsconsole("notify", "test", "oncall", "--config", written(tmp_path, alerting(receiver)), cwd=tmp_path)
    assert done.status == 1
    slack, email = done.out
    assert slack.startswith("slack: failed")
    assert "invalid_auth" in slack
    assert email.startswith("email: delivered")
    assert "someone-else" not in "\n".join(done.out + done.err)


def test_a_test_notice_to_a_far_end_that_is_not_there_says_so(tmp_path: Path) -> None:
    nobody = free_port()
    receiver: dict[str, object] = {
        "name": "gone",
        "slack": {"token": "xoxb-1", "channel": "#a", "api_url": f"http://127.0.0.1:{nobody}/"},
        "email": {"to": "a@example.com", "from": "b@example.com", "smarthost": f"127.0.0.1:{nobody}"},
        "webhook": {"url": f"http://127.0.0.1:{nobody}/"},
    }
    done = opsconsole("notify", "test", "gone", "--config", written(tmp_path, alerting(receiver)), cwd=tmp_path)
    assert done.status == 1
    assert [line.split(" in ")[0] for line in done.out] == ["slack: failed", "email: failed", "webhook: failed"]
    assert not [line for line in done.err if "Traceback" in line]


def test_a_receiver_that_nobody_defined_is_told_with_those_that_are(tmp_path: Path, far_ends: Recording) -> None:
    file = written(tmp_path, alerting(far_ends.receiver()))
    done = opsconsole("notify", "test", "who", "--config", file, cwd=tmp_path)
    assert (done.status, done.out, done.err) == (1, [], ["there is no receiver 'who'; known: oncall"])
