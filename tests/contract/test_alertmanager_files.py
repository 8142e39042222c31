"""Configuration files beside the real `amtool`: what it accepts and refuses, and where it sends alerts, to the letter."""

import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsconsole.alerts.routing import build
from opsconsole.cli.routes import labels_of, receivers, tree
from opsconsole.config import alertmanager
from opsconsole.config.sections import Alerting
from opsconsole.model import ConfigError
from tests.support.alertmanager import AVAILABLE
from tests.support.commands import opsconsole

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="prometheus-alertmanager is not installed")

NAMES, VALUES = ("a", "b", "c"), ("x", "y", "xy", "")
VALID: dict[str, Any] = {
    "global": {"slack_api_url": "https://hooks.example.org/x", "smtp_smarthost": "x:25", "smtp_from": "a@x.org"},
    "route": {"receiver": "r"},
    "receivers": [{"name": "r"}],
}
URL, HTTP = {"url": "http://x/"}, "http_config"
CHANGES: list[dict[str, Any]] = [
    {},
    {"zap": 1},
    {"global": {"zap": 1}},
    {"global": {"slack_api_url": "https://x/", "slack_api_url_file": "f"}},
    {"global": {"resolve_timeout": "1m30s"}},
    {"global": {"resolve_timeout": "90"}},
    {"global": {"smtp_smarthost": "x"}},
    {"global": {"smtp_smarthost": "[::1]:25"}},
    {"global": {"pagerduty_url": "x"}},
    {"route": None},
    {"route": {"receiver": "r", "group_interval": "0s"}},
    {"route": {"receiver": "r", "group_wait": "0s"}},
    {"route": {"receiver": "r", "group_by": ["a", "a"]}},
    {"route": {"receiver": "r", "group_by": ["...", "a"]}},
    {"route": {"receiver": "r", "group_by": "a"}},
    {"route": {"receiver": "r", "routes": [{"match": {"a-b": "x"}}]}},
    {"route": {"receiver": "r", "routes": [{"match": {"a": 1.5}}]}},
    {"route": {"receiver": "r", "routes": [{"match_re": {"a": "("}}]}},
    {"route": {"receiver": "r", "routes": [{"matchers": ["a=b", "{c!=d}"]}]}},
    {"route": {"receiver": "r", "routes": [{"matchers": ["a"]}]}},
    {"route": {"receiver": "r", "routes": [{"active_time_intervals": ["x"]}]}},
    {"inhibit_rules": [{"equal": ["a", "a"]}]},
    {"inhibit_rules": [{"equal": ["a b"]}]},
    {"inhibit_rules": [{"source_match": {"a b": "c"}}]},
    {"time_intervals": [{"name": "x"}], "mute_time_intervals": [{"name": "x"}]},
    {"time_intervals": [{"time_intervals": []}]},
    {"receivers": [{"name": "r"}, {"name": "r"}]},
    {"receivers": [{"name": ""}]},
    *(
        {"receivers": [{"name": "r", f"{kind}_configs": [settings]}]}
        for kind, settings in (
            ("slack", {}),
            ("slack", {"api_url": "https://x/", "api_url_file": "f"}),
            ("slack", {"fields": [{"title": "x"}]}),
            ("slack", {"actions": [{"type": "button", "text": "x"}]}),
            ("slack", {"api_url": "<secret>", "short_fields": True}),
            ("email", {"to": "x"}),
            ("email", {}),
            ("email", {"to": "x", "headers": {"subject": "a", "Subject": "b"}}),
            ("email", {"to": "x", "http_config": {}}),
            ("webhook", URL),
            ("webhook", {"url": "ftp://x/"}),
            ("webhook", {"url": "http:///x"}),
            ("webhook", {**URL, "max_alerts": -1}),
            ("webhook", {**URL, HTTP: {"bearer_token": "x", "bearer_token_file": "y"}}),
            ("webhook", {**URL, HTTP: {"bearer_token": "x", "basic_auth": {"username": "x"}}}),
            ("webhook", {**URL, HTTP: {"authorization": {"type": "Basic"}}}),
            ("webhook", {**URL, HTTP: {"tls_config": {"min_version": "TLS12"}}}),
            ("webhook", {**URL, HTTP: {"tls_config": {"min_version": "x"}}}),
            ("pagerduty", {}),
            ("pagerduty", {"routing_key": "x", "links": [{"href": "x"}], "class": "y"}),
            ("opsgenie", {"api_key": "x", "responders": [{"name": "x", "type": "TEAM"}]}),
            ("opsgenie", {"api_key": "x", "responders": [{"name": "x", "type": "nobody"}]}),
            ("opsgenie", {"api_key": "x", "responders": [{"type": "team"}]}),
            ("opsgenie", {}),
            ("victorops", {"api_key": "x", "routing_key": "y", "custom_fields": {"entity_id": "z"}}),
            ("victorops", {"api_key": "x", "routing_key": "y"}),
            ("pushover", {"user_key": "x", "token": "y", "retry": "1m"}),
            ("pushover", {"user_key": "x", "token": "y", "retry": "1d"}),
            ("pushover", {"user_key": "x"}),
            ("sns", {"topic_arn": "x", "sigv4": {"access_key": "y"}}),
            ("sns", {"topic_arn": "x", "target_arn": "y"}),
            ("sns", {"topic_arn": "x"}),
            ("telegram", {"bot_token": "x", "chat_id": 1}),
            ("telegram", {"bot_token": "x", "chat_id": 0}),
            ("telegram", {"bot_token": "x", "chat_id": 1, "parse_mode": "x"}),
            ("discord", {"webhook_url": "http://x/"}),
            ("discord", {}),
            ("wechat", {"api_secret": "x", "corp_id": "y", "message_type": "markdown"}),
            ("wechat", {"api_secret": "x"}),
            ("webex", {"room_id": "x", HTTP: {"authorization": {"credentials": "x"}}}),
            ("webex", {"room_id": "x"}),
            ("zap", {}),
        )
    ),
]


def amtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["amtool", *arguments], capture_output=True, text=True, check=False, timeout=120)


def accepted(file: Path) -> bool:
    try:
        alertmanager.load(file)
    except ConfigError:
        return False
    return True


def test_what_amtool_accepts_is_accepted_and_what_it_refuses_is_refused(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.yml" for number in range(len(CHANGES))]
    for file, change in zip(files, CHANGES, strict=True):
        file.write_text(yaml.safe_dump({**VALID, **change}))
    ours = {str(file): accepted(file) for file in files}
    lines = [line for line in amtool("check-config", *map(str, files)).stdout.splitlines() if line.startswith("Checking ")]
    theirs = {line.split("'")[1]: line.endswith("SUCCESS") for line in lines}
    differing = [change for file, change in zip(files, CHANGES, strict=True) if ours[str(file)] != theirs[str(file)]]
    assert differing == []
    assert set(theirs.values()) == {True, False}


def any_route(chance: random.Random, depth: int) -> dict[str, Any]:
    route: dict[str, Any] = {"receiver": f"r{chance.randrange(4)}"} if chance.random() < 0.6 else {}
    name, value = chance.choice(NAMES), chance.choice(VALUES)
    match chance.randrange(4):
        case 0:
            route["match"] = {name: value, chance.choice(NAMES): chance.choice(VALUES)}
        case 1:
            route["match_re"] = {name: chance.choice(("x.*", "x|y", "", ".+"))}
        case 2:
            op = chance.choice(("=", "!=", "=~", "!~"))
            route["matchers"] = [f'{name}{op}"{value}"', *([f"{chance.choice(NAMES)}!=z"] if chance.random() < 0.5 else [])]
    route["continue"] = chance.random() < 0.4
    route["routes"] = [any_route(chance, depth - 1) for _ in range(chance.randrange(4))] if depth else []
    return route


@pytest.mark.parametrize("seed", range(40))
def test_any_alert_goes_where_amtool_sends_it(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    route = {"receiver": "root", "routes": [any_route(chance, 2) for _ in range(3)]}
    named = [{"name": name} for name in ("root", "r0", "r1", "r2", "r3")]
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump({"route": route, "receivers": named}))
    root = build(Alerting().with_file(alertmanager.load(file).settings))
    for _ in range(3):
        words = [f"{name}={chance.choice(VALUES)}" for name in NAMES if chance.random() < 0.8]
        said = amtool("config", "routes", "test", "--tree", f"--config.file={file}", *words).stdout
        labels, said = labels_of(words), said.replace("\N{NO-BREAK SPACE}", " ")
        ours = ["Matching routes:", *tree(root, labels), ",".join(receivers(root, labels))]
        assert [line for line in said.splitlines() if line] == ours


def test_the_command_says_who_is_reached_and_whether_it_was_meant(tmp_path: Path) -> None:
    (tmp_path / "opsconsole.yaml").write_text("alerting: {config_file: am.yml}")
    (tmp_path / "am.yml").write_text(
        "route: {receiver: a, routes: [{matchers: [team=x], receiver: b, continue: true}, {match: {sev: crit}, receiver: c}]}\n"
        "receivers: [{name: a}, {name: b}, {name: c}]\n"
    )
    test = ("routes", "test", "team=x", "sev=crit")
    assert opsconsole(*test, cwd=tmp_path).out == ["b,c"]
    assert opsconsole(*test, "--verify", "b,c", cwd=tmp_path).status == 0
    done = opsconsole(*test, "--verify", "a", cwd=tmp_path)
    assert (done.status, done.err) == (1, ["expected a, but the alert reaches b,c"])
    assert opsconsole("routes", "test", "team", cwd=tmp_path).status == 2
    lines = opsconsole("routes", "test", "--tree", cwd=tmp_path).out
    assert lines == [".", "└── default-route  receiver: a", "a"]
