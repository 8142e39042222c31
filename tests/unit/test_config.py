"""The configuration file: what it means, and every mistake told at its line."""

from datetime import timedelta
from pathlib import Path

import pytest

from opsconsole import content
from opsconsole.config import Loaded, load, notes, statsd_senders
from opsconsole.model import ConfigError
from opsconsole.rules.groups import AlertingRule
from tests.support.schema import settings


def read(folder: Path, text: str, **environment: str) -> Loaded:
    file = folder / "opsconsole.yaml"
    file.write_text(text)
    return load(file, environment)


def problems(folder: Path, text: str, **environment: str) -> list[str]:
    """What is told of the file, without the folder's name."""
    with pytest.raises(ConfigError) as caught:
        read(folder, text, **environment)
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def test_an_empty_file_is_the_defaults_with_the_packaged_rules_and_dashboards(tmp_path: Path) -> None:
    loaded = read(tmp_path, "")
    assert loaded.config.server.listen == "127.0.0.1:8600"
    assert loaded.config.deployments == ()
    assert {rule.name for group in loaded.rule_groups for rule in group.rules if isinstance(rule, AlertingRule)} >= {
        "AirflowSchedulerDown",
        "AirflowHealthUnknown",
    }
    assert "scheduler" in {dashboard.slug for dashboard in loaded.dashboards}


def test_a_relative_database_stands_beside_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, "storage: {url: 'sqlite:///my.db'}").database_url == f"sqlite:///{tmp_path / 'my.db'}"
    assert read(tmp_path, "storage: {url: 'sqlite:////srv/my.db'}").database_url == "sqlite:////srv/my.db"


def test_a_postgresql_address_is_kept_with_its_password_for_the_console_alone(tmp_path: Path) -> None:
    loaded = read(tmp_path, "storage: {url: 'postgresql://me:se cret%40@db/ops'}")
    assert loaded.database_url.startswith("postgresql+psycopg://me:se")


def test_environment_variables_and_their_defaults_fill_texts_in(tmp_path: Path) -> None:
    text = """
deployments:
  - name: "${WHO:-prod}"
    url: "http://${HOST}:8080${PREFIX:-}"
"""
    (deployment,) = read(tmp_path, text, HOST="af.example.com").config.deployments
    assert (deployment.name, deployment.url) == ("prod", "http://af.example.com:8080")
    assert read(tmp_path, text, HOST="h", WHO="x", PREFIX="/y").config.deployments[0].url == "http://h:8080/y"


def test_a_value_from_the_environment_is_never_read_as_yaml_or_as_another_variable(tmp_path: Path) -> None:
    text = 'deployments: [{name: a, url: "http://h", auth: {username: u, password: "${PW}"}}]'
    password = read(tmp_path, text, PW='x: [1] #"${PW}').config.deployments[0].auth.password
    assert password is not None
    assert password.get_secret_value() == 'x: [1] #"${PW}'


def test_a_secret_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("from-a-file\n")
    text = f"deployments: [{{name: a, url: 'http://h', auth: {{username: u, password_file: '{tmp_path}/pw'}}}}]"
    password = read(tmp_path, text).config.deployments[0].auth.password
    assert password is not None
    assert password.get_secret_value() == "from-a-file"


def test_a_single_deployment_has_airflows_own_statsd_prefix(tmp_path: Path) -> None:
    alone = read(tmp_path, "deployments: [{name: a, url: 'http://h'}]").config
    assert [(one.deployment, one.prefix) for one in statsd_senders(alone.deployments)] == [("a", "airflow")]


def test_of_several_without_a_prefix_none_gets_the_others_datagrams(tmp_path: Path) -> None:
    both = read(tmp_path, "deployments: [{name: a, url: 'http://h'}, {name: b, url: 'http://i'}]").config
    assert statsd_senders(both.deployments) == []


def test_the_command_lines_listen_address_comes_before_the_files(tmp_path: Path) -> None:
    file = tmp_path / "opsconsole.yaml"
    file.write_text("server: {listen: '127.0.0.1:1', public_url: 'https://ops.example.com/x/'}")
    server = load(file, {}, listen="127.0.0.1:2").config.server
    assert (server.listen, server.address, server.prefix) == ("127.0.0.1:2", "https://ops.example.com/x", "/x")


def test_durations_of_retention_are_read(tmp_path: Path) -> None:
    retention = read(tmp_path, "storage: {retention: {metrics: 1w, alerts: 2d}}").config.storage.retention
    assert (retention.metrics, retention.runs, retention.alerts) == (
        timedelta(days=7),
        timedelta(days=180),
        timedelta(days=2),
    )


AIRFLOWS = """
deployments:
  - {name: a, url: "http://h:1", statsd_prefix: one}
  - {name: b, url: "http://h:2", statsd_prefix: one}
  - {name: c, url: "http://h:3", statsd: {listen: "127.0.0.1:9125"}}
  - {name: d, url: "http://h:4", statsd: {listen: "127.0.0.1:9125"}}
"""
HOOK = 'webhook: {url: "http://127.0.0.1:9/"}'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", ["opsconsole.yaml:1: not YAML: expected the node content, but found '<stream end>'"]),
        ("server: {}\nserver: {}", ["opsconsole.yaml:2: 'server' is given twice"]),
        ("just words", ["opsconsole.yaml:1: a configuration is a mapping of sections such as deployments:"]),
        (
            "\ndeploymnts: []",
            ["opsconsole.yaml:2: unknown key 'deploymnts' in the top level; did you mean 'deployments'?"],
        ),
        (
            "deployments:\n  - name: a\n    url: http://h\n    intervall: 15s",
            ["opsconsole.yaml:4: unknown key 'intervall' in deployments.0; did you mean 'interval'?"],
        ),
        ("deployments:\n  - url: http://h", ["opsconsole.yaml:2: deployments.0 lacks the key 'name'"]),
        (
            "deployments:\n  - {name: a, url: 'http://h', interval: 15}",
            ["opsconsole.yaml:2: deployments.0.interval: 15 is not a duration like 15s"],
        ),
        ("server: {listen: 8600}", ["opsconsole.yaml:1: server.listen: must be text (put it in quotes)"]),
        ("server: {listen: [8600]}", ["opsconsole.yaml:1: server.listen: must be text"]),
        (
            "deployments:\n  - name: 1\n    url:",
            [
                "opsconsole.yaml:3: deployments.0.url: is empty: must be text",
                "opsconsole.yaml:2: deployments.0.name: must be text (put it in quotes)",
            ],
        ),
        ("\nrules:", ["opsconsole.yaml:2: rules: is empty: must be a mapping"]),
        ("rules: [a.yaml]", ["opsconsole.yaml:1: rules: must be a mapping"]),
        ("rules: {files: a.yaml}", ["opsconsole.yaml:1: rules.files: must be a list"]),
        ("rules: {files: [1]}", ["opsconsole.yaml:1: rules.files.0: must be text (put it in quotes)"]),
        ("deployments: {name: a}", ["opsconsole.yaml:1: deployments: must be a list"]),
        (
            "deployments:\n  - {name: a, url: 'http://h',\n     labels: [a]}",
            ["opsconsole.yaml:3: deployments.0.labels: must be a mapping"],
        ),
        (
            "deployments:\n  - {name: a, url: 'http://h', labels: {floor: 7}}",
            ["opsconsole.yaml:2: deployments.0.labels.floor: must be text (put it in quotes)"],
        ),
        (
            "deployments:\n  - {name: a, url: 'http://h', tls: {verify: maybe}, components: {triggerer: {expected: two}}}",
            [
                "opsconsole.yaml:2: deployments.0.tls.verify: must be true or false",
                "opsconsole.yaml:2: deployments.0.components.triggerer.expected: must be a whole number",
            ],
        ),
        (
            "deployments:\n  - {name: a, url: 'http://h', components: {triggerer: {expected: -1}}}",
            ["opsconsole.yaml:2: deployments.0.components.triggerer.expected: must be greater than or equal to 0"],
        ),
        ("auth: {mode: open}", ["opsconsole.yaml:1: auth.mode: must be 'password' or 'none'"]),
        (
            "slas:\n  - {name: x, deployment: a, dags: [], max_duration: 5m}",
            ["opsconsole.yaml:2: slas.0.dags: must have at least 1 item"],
        ),
        (
            "deployments:\n  - name: my prod\n    url: http://h",
            [
                "opsconsole.yaml:2: deployments.0.name: may hold letters, digits, '.', '_' and '-' (63 at most), "
                "and begins with a letter or a digit"
            ],
        ),
        (
            "heartbeats:\n  checks:\n    - {slug: Nightly, period: 5m, tags: [a b]}",
            [
                "opsconsole.yaml:3: heartbeats.checks.0.slug: may hold a-z, 0-9, '-' and '_' only",
                "opsconsole.yaml:3: heartbeats.checks.0.tags.0: may hold neither blanks nor commas",
            ],
        ),
        (
            "server:\n  public_url: ${WHERE}",
            ["opsconsole.yaml:2: the environment variable WHERE is not set (or write ${WHERE:-default})"],
        ),
        (
            "deployments:\n  - name: a\n    url: localhost:8080",
            ["opsconsole.yaml:3: deployments.0.url: an Airflow URL is like http://host:8080 or https://host/prefix"],
        ),
        (
            "deployments:\n  - name: a\n    url: http://admin:pa55word@h",
            ["opsconsole.yaml:3: deployments.0.url: keep the login out of the URL: give auth.username and auth.password"],
        ),
        (
            "deployments:\n  - name: a\n    url: http://h\n    auth:\n      username: u\n      password_file: /absent/pw",
            ["opsconsole.yaml:4: deployments.0.auth: password_file: /absent/pw cannot be read: No such file or directory"],
        ),
        (
            "deployments:\n  - {name: a, url: 'http://h'}\n  - {name: a, url: 'http://i'}",
            ["opsconsole.yaml:3: two deployments are called 'a'"],
        ),
        (
            AIRFLOWS,
            [
                "opsconsole.yaml:4: 'a' and 'b' send StatsD that cannot be told apart: "
                "give each a statsd_prefix or a statsd.listen of its own",
                "opsconsole.yaml:6: 'c' and 'd' send StatsD that cannot be told apart: "
                "give each a statsd_prefix or a statsd.listen of its own",
            ],
        ),
        (
            "server: {listen: '0.0.0.0:8600'}\nauth:\n  mode: none",
            ["opsconsole.yaml:3: auth.mode none is for a loopback listen address only, and server.listen is 0.0.0.0:8600"],
        ),
        ("rules:\n  files:\n    - absent.yaml", ["opsconsole.yaml:3: absent.yaml is not there"]),
        ("dashboards:\n  paths: [absent.yaml]", ["opsconsole.yaml:2: absent.yaml is not there"]),
        ("listeners: {statsd: {mappings: [absent.yaml]}}", ["absent.yaml:1: cannot be read: No such file or directory"]),
        (
            "storage: {url: 'mysql://h/db'}",
            [
                "opsconsole.yaml:1: storage.url cannot be mysql: "
                "write sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DB"
            ],
        ),
        ("storage: {url: nonsense}", ["opsconsole.yaml:1: storage.url is not a database URL: write sqlite:///opsconsole.db"]),
        (
            f"alerting:\n  route:\n    receiver: a\n    routes:\n      - {{receiver: who}}\n"
            f"  receivers:\n    - {{name: a, {HOOK}}}",
            ["opsconsole.yaml:5: there is no receiver 'who'"],
        ),
        (
            f"alerting:\n  route:\n    receiver: a\n    routes:\n      - mute_time_intervals: [nights]\n"
            f"        active_time_intervals:\n          - days\n"
            f"  time_intervals:\n    - {{name: days, time_intervals: []}}\n  receivers:\n    - {{name: a, {HOOK}}}",
            ["opsconsole.yaml:5: there is no time interval 'nights'"],
        ),
        (
            "alerting:\n  time_intervals:\n    - name: x\n      time_intervals:\n        - months: [juli]",
            [
                "opsconsole.yaml:5: alerting.time_intervals.0.time_intervals.0.months.0: "
                "'juli' is not a month: write it like january, 1, or may:august"
            ],
        ),
        (
            f"alerting:\n  receivers:\n    - {{name: a, {HOOK}}}",
            ["opsconsole.yaml:1: route.receiver is missing: the first route names the receiver of everything else"],
        ),
        (
            f"alerting:\n  route: {{receiver: a}}\n  receivers:\n    - {{name: a, {HOOK}}}\n    - {{name: a, {HOOK}}}",
            ["opsconsole.yaml:5: receiver 'a' is defined twice"],
        ),
        (
            f"alerting:\n  route: {{receiver: a}}\n  receivers:\n    - {{name: a, fallback: b, {HOOK}}}\n"
            f"    - {{name: b, fallback: a, {HOOK}}}",
            [
                "opsconsole.yaml:4: the fallbacks of 'a' lead back to it",
                "opsconsole.yaml:5: the fallbacks of 'b' lead back to it",
            ],
        ),
        (
            f"alerting:\n  route: {{receiver: a}}\n  receivers:\n    - {{name: a, fallback: who, {HOOK}}}",
            ["opsconsole.yaml:4: receiver 'who' is not defined"],
        ),
        (
            "heartbeats:\n  checks:\n    - {slug: x, period: 5m, deployment: who}",
            ["opsconsole.yaml:3: there is no deployment 'who'"],
        ),
        (
            "slas:\n  - {name: x, deployment: who, dags: ['*'], max_duration: 5m}",
            ["opsconsole.yaml:2: there is no deployment 'who'"],
        ),
    ],
)
def test_a_mistake_is_told_at_its_line(tmp_path: Path, text: str, told: list[str]) -> None:
    assert problems(tmp_path, text) == told


def test_no_setting_has_a_pattern_but_those_whose_words_are_tested_above() -> None:
    patterns = {one.path for one in settings() if "pattern" in str(one.node)}
    assert patterns == {"deployments[].name", "heartbeats.checks[].slug", "heartbeats.checks[].tags"}


def test_every_mistake_is_told_at_once_those_of_other_files_too(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: up ==\n")
    (tmp_path / "board.yaml").write_text("title: x\nquestion: y\npanels:\n  - {title: p, query: 'rate(up)'}\n")
    (tmp_path / "map.yaml").write_text("mappings:\n  - match: 'a.('\n    match_type: regex\n    name: x\n")
    text = """
serverr: {}
deployments:
  - {name: a, url: nowhere}
rules: {files: [absent.yaml, rules.yaml]}
dashboards: {paths: [board.yaml]}
listeners: {statsd: {mappings: [map.yaml]}}
heartbeats: {ping_key: "${KEY}"}
"""
    told = problems(tmp_path, text)
    assert {problem.rpartition(": ")[0].partition(": ")[0] for problem in told} == {
        "opsconsole.yaml:2",
        "opsconsole.yaml:4",
        "opsconsole.yaml:5",
        "opsconsole.yaml:8",
        "rules.yaml:5",
        "board.yaml:4",
        "map.yaml:2",
    }
    assert len(told) == 7


def test_a_section_that_is_not_understood_raises_no_alarm_in_the_others(tmp_path: Path) -> None:
    text = "deployments: [{name: a}]\nslas:\n  - {name: x, deployment: a, dags: ['*'], max_duration: 5m}\n"
    assert problems(tmp_path, text) == ["opsconsole.yaml:1: deployments.0 lacks the key 'url'"]


def test_a_secret_is_in_no_problem(tmp_path: Path) -> None:
    text = "deployments: [{name: a, url: 'http://h', auth: {username: u, password: [hunter2hunter2]}}]"
    told = problems(tmp_path, text)
    assert len(told) == 1
    assert "hunter2" not in told[0]


def test_a_secret_in_a_file_is_found_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a-key-in-a-file\n")
    file = tmp_path / "opsconsole.yaml"
    file.write_text("heartbeats: {ping_key_file: key}\n")
    key = load(file, {}).config.heartbeats.ping_key
    assert key is not None
    assert key.get_secret_value() == "a-key-in-a-file"


RULE = "groups:\n  - name: g\n    rules:\n      - {alert: Mine, expr: up == 0}\n"
WATCHED = "deployments: [{name: a, url: 'http://h'}]\n"


def test_expressions_are_read_with_the_grammar_that_they_are_evaluated_in(tmp_path: Path) -> None:
    newer = "sum({'a.b'})"
    (tmp_path / "own.yaml").write_text(f'groups: [{{name: own, rules: [{{record: x, expr: "{newer}"}}]}}]')
    (tmp_path / "own-board.yaml").write_text(f'title: T\nquestion: Q?\npanels: [{{title: P, query: "{newer}"}}]')
    text = "rules: {files: [own.yaml, packaged]}\ndashboards: {paths: [own-board.yaml, packaged]}\n"
    assert read(tmp_path, text).rule_groups
    assert problems(tmp_path, text + "storage: {metrics: {promql_compat: 2}}") == [
        'own.yaml:1: expr: 1:6: parse error: unexpected string "\'a.b\'" in label matching, expected identifier or "}"',
        'own-board.yaml:3: query: 1:6: parse error: unexpected string "\'a.b\'" in label matching, expected identifier or "}"',
    ]


def alerts(loaded: Loaded) -> list[str]:
    return [rule.name for group in loaded.rule_groups for rule in group.rules if isinstance(rule, AlertingRule)]


def told(folder: Path, text: str) -> list[str]:
    """The notes, without the folder's name."""
    return [note.replace(f"{folder}/", "") for note in notes(read(folder, text))]


def test_packaged_among_the_rule_files_is_the_shipped_rules(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RULE)
    shipped = alerts(read(tmp_path, ""))
    assert alerts(read(tmp_path, "rules: {files: [packaged, mine.yaml]}")) == [*shipped, "Mine"]
    assert alerts(read(tmp_path, "rules: {files: [mine.yaml]}")) == ["Mine"]


def test_a_file_that_two_entries_name_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RULE)
    assert alerts(read(tmp_path, "rules: {files: [mine.yaml, 'mi*.yaml', ./mine.yaml]}")) == ["Mine"]
    assert alerts(read(tmp_path, "rules: {files: [packaged, packaged]}")) == alerts(read(tmp_path, ""))


def test_packaged_among_the_dashboards_is_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "mine.yaml").write_text("title: x\nquestion: y\npanels: [{title: p, query: up}]\n")
    shipped = [dashboard.slug for dashboard in read(tmp_path, "").dashboards]
    both = read(tmp_path, "dashboards: {paths: [boards/, packaged]}").dashboards
    assert [dashboard.slug for dashboard in both] == ["mine", *shipped]


def test_a_watched_deployment_without_the_shipped_rules_is_noted(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RULE)
    [note] = told(tmp_path, f"{WATCHED}rules:\n  files: [mine.yaml]\n")
    count = len(set(alerts(read(tmp_path, ""))))
    assert note == (
        f"opsconsole.yaml:3: note: none of the {count} shipped alerts is among the rules: "
        "add 'packaged' to rules.files to have them too"
    )
    assert told(tmp_path, f"{WATCHED}rules: {{files: []}}")[0].startswith("opsconsole.yaml:2: note: none of the ")


@pytest.mark.parametrize(
    "text", ["", WATCHED, "rules: {files: [mine.yaml]}", f"{WATCHED}rules: {{files: [mine.yaml, packaged]}}"]
)
def test_no_note_is_told_where_the_shipped_rules_are_there_or_nothing_is_watched(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.yaml").write_text(RULE)
    assert told(tmp_path, text) == []


def test_a_copy_of_the_shipped_rules_is_as_good_as_they_are_and_what_it_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    for file in content.folder("alert_rules").glob("*.yaml"):
        (tmp_path / "copy" / file.name).write_text(file.read_text())
    text = f"{WATCHED}rules: {{files: ['copy/*.yaml']}}"
    assert told(tmp_path, text) == []
    (tmp_path / "copy" / "statsd.yaml").unlink()
    [note] = told(tmp_path, text)
    assert note.startswith("opsconsole.yaml:2: note: not among the rules, of the ")
    assert note.endswith(" shipped alerts: AirflowStatsdSilent (1)")


def test_own_dashboards_alone_are_noted(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("title: x\nquestion: y\npanels: [{title: p, query: up}]\n")
    [note] = told(tmp_path, f"{WATCHED}dashboards: {{paths: [mine.yaml]}}")
    assert note.startswith("opsconsole.yaml:2: note: none of the ")
    assert note.endswith("add 'packaged' to dashboards.paths to have them too")
    assert told(tmp_path, f"{WATCHED}dashboards: {{paths: [mine.yaml, packaged]}}") == []


def test_a_folder_stands_for_files_of_every_ending_that_their_makers_use(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "d").mkdir()
    for name in ("one.yaml", "two.yml", "not.txt"):
        (tmp_path / "r" / name).write_text(f"groups: [{{name: {name}, rules: [{{alert: {name[:3].title()}, expr: up}}]}}]")
    (tmp_path / "d" / "own.yaml").write_text("{title: Own, question: '?', panels: [{title: a, query: up}]}")
    panels = '[{"type": "timeseries", "title": "a", "targets": [{"expr": "up"}]}, {"type": "logs", "title": "b"}]'
    (tmp_path / "d" / "theirs.json").write_text(f'{{"title": "Theirs", "schemaVersion": 39,\n"panels": {panels}}}')
    text = "{rules: {files: [r]}, dashboards: {paths: [d]}}"
    loaded = read(tmp_path, text)
    assert alerts(loaded) == ["One", "Two"]
    assert [dashboard.title for dashboard in loaded.dashboards] == ["Own", "Theirs"]
    assert "d/theirs.json:2: note: the panel 'b' is left out: it is of the kind 'logs'" in told(tmp_path, text)


def test_a_glob_or_a_folder_without_a_file_is_noted_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    text = "rules:\n  files:\n    - packaged\n    - 'nowhere/*.yaml'\ndashboards:\n  paths: [empty/]\n"
    assert told(tmp_path, text) == [
        "opsconsole.yaml:4: note: no file fits nowhere/*.yaml",
        "opsconsole.yaml:6: note: no file fits empty/",
    ]


@pytest.mark.parametrize("server", ["[1]", "abc", "7"])
def test_a_server_that_is_no_mapping_is_told_with_a_listen_address_too(tmp_path: Path, server: str) -> None:
    file = tmp_path / "opsconsole.yaml"
    file.write_text(f"server: {server}")
    with pytest.raises(ConfigError) as caught:
        load(file, {}, listen="127.0.0.1:2")
    assert caught.value.problems == [f"{file}:1: server: must be a mapping"]


@pytest.mark.parametrize("key", ["1", "true", "~", "2026-01-01", "1.5"])
@pytest.mark.parametrize("place", ["{}: x", "server: {{{}: x}}", "deployments: [{{name: a, url: 'http://h', {}: x}}]"])
def test_a_key_that_is_no_text_is_a_problem_like_any_other(tmp_path: Path, key: str, place: str) -> None:
    assert problems(tmp_path, place.format(key))[0].startswith("opsconsole.yaml:1: ")


def test_an_unknown_key_is_named_whatever_it_looks_like(tmp_path: Path) -> None:
    assert problems(tmp_path, 'server: {"a b": 1}\n"x y": 2\n"": 3\nserve: 4\n') == [
        "opsconsole.yaml:1: unknown key 'a b' in server",
        "opsconsole.yaml:2: unknown key 'x y' in the top level",
        "opsconsole.yaml:3: unknown key '' in the top level",
        "opsconsole.yaml:4: unknown key 'serve' in the top level; did you mean 'server'?",
    ]
