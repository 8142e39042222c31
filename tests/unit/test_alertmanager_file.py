"""An existing `alertmanager.yml` as the console's alerting."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import apprise
import pytest
import yaml
from pydantic import SecretStr

from opsconsole.alerts.routing import build, routes_of
from opsconsole.config import Loaded, load
from opsconsole.model import ConfigError
from opsconsole.notify.settings import Email, Receiver, Slack, Webhook

CONSOLE = "alerting: {config_file: alertmanager.yml}\n"
HOOK = "https://hooks.slack.com/services/T0/B0/a-long-secret"
BOT = "https://slack.com/api/chat.postMessage"
WORKFLOW = "https://prod-1.example.com:443/workflows/0123abc/triggers/manual/paths/invoke?sig=abc"


def read(folder: Path, text: str, console: str = CONSOLE) -> Loaded:
    (folder / "alertmanager.yml").write_text(text)
    (folder / "opsconsole.yaml").write_text(console)
    return load(folder / "opsconsole.yaml", {})


def problems(folder: Path, text: str, console: str = CONSOLE) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(folder, text, console)
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def one_receiver(folder: Path, **kinds: Any) -> tuple[Receiver, list[str]]:
    """What a receiver becomes, and what is said of it."""
    document = {"route": {"receiver": "a"}, "receivers": [{"name": "a", **kinds}]}
    loaded = read(folder, yaml.safe_dump(document))
    return loaded.config.alerting.receivers[0], [warning.split("warning: ")[1] for warning in loaded.warnings]


def test_what_the_file_leaves_out_is_as_alertmanager_has_it(tmp_path: Path) -> None:
    alerting = read(tmp_path, "route: {receiver: a}\nreceivers: [{name: a}]").config.alerting
    root = build(alerting)
    assert (root.receiver, root.group_by) == ("a", ())
    assert root.timers.group_wait == timedelta(seconds=30)
    assert root.timers.group_interval == timedelta(minutes=5)
    assert root.timers.repeat_interval == timedelta(hours=4)
    assert root.timers.resolve_wait is None
    assert (alerting.tell_muted_ends, alerting.inhibit_rules, alerting.global_.resolve_timeout) == (
        False,
        [],
        timedelta(minutes=5),
    )


def test_the_consoles_own_ways_may_be_kept_beside_the_file(tmp_path: Path) -> None:
    console = "alerting: {config_file: alertmanager.yml, resolve_wait: 7s, tell_muted_ends: true}"
    alerting = read(tmp_path, "route: {receiver: a}\nreceivers: [{name: a}]", console).config.alerting
    assert (alerting.resolve_wait, alerting.tell_muted_ends) == (timedelta(seconds=7), True)


def test_keys_that_the_file_has_cannot_stand_beside_it(tmp_path: Path) -> None:
    console = "alerting:\n  config_file: alertmanager.yml\n  receivers: []\n"
    assert problems(tmp_path, "route: {receiver: a}\nreceivers: [{name: a}]", console) == [
        "opsconsole.yaml:1: alerting: receivers goes without config_file: its file has that"
    ]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "opsconsole.yaml").write_text(CONSOLE)
    with pytest.raises(ConfigError, match=r"alertmanager\.yml:1: cannot be read"):
        load(tmp_path / "opsconsole.yaml", {})


def test_an_empty_group_by_or_receiver_is_inherited(tmp_path: Path) -> None:
    text = """
route:
  receiver: a
  group_by: [alertname]
  routes: [{receiver: '', group_by: [], match: {x: 1}}]
receivers: [{name: a}]
"""
    (node,) = routes_of(build(read(tmp_path, text).config.alerting), {"x": "1"})
    assert (node.receiver, node.group_by) == ("a", ("alertname",))


def test_the_older_and_the_newer_intervals_are_of_one_kind(tmp_path: Path) -> None:
    text = """
route: {receiver: a, routes: [{matchers: [x=y], mute_time_intervals: [old, new]}]}
mute_time_intervals: [{name: old, time_intervals: [{weekdays: [monday]}]}]
time_intervals: [{name: new}]
receivers: [{name: a}]
"""
    assert [one.name for one in read(tmp_path, text).config.alerting.time_intervals] == ["old", "new"]


def test_a_variable_is_not_expanded_and_an_empty_key_is_not_there(tmp_path: Path) -> None:
    text = "global:\ntemplates:\nroute: {receiver: '${A}', group_wait: , routes: }\nreceivers: [{name: '${A}', slack_configs: }]"
    assert build(read(tmp_path, text).config.alerting).receiver == "${A}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "alertmanager.yml:1: no route provided in config"),
        ("receivers: []\nroute: {}", "alertmanager.yml:2: root route must specify a default receiver"),
        ("receivers: []\nroute: {receiver: a}", "alertmanager.yml:2: undefined receiver 'a' used in route"),
        ("receivers: [{name: a}]\nroute:\n  receiver: a\n  zap: 1", "alertmanager.yml:4: unknown key route.zap"),
        (
            "receivers: [{name: a}]\nroute:\n  receiver: a\n  continue: true",
            "alertmanager.yml:4: cannot have continue in root route",
        ),
        (
            "receivers: [{name: a}]\nroute:\n  receiver: a\n  routes:\n    - {mute_time_intervals: [x]}",
            "alertmanager.yml:5: undefined time interval 'x' used in route",
        ),
        (
            "route: {receiver: a}\nreceivers:\n  - name: a\n    webhook_configs:\n      - send_resolved: true",
            "alertmanager.yml:5: receivers.0.webhook_configs.0.url is missing",
        ),
        (
            "route: {receiver: a}\nreceivers:\n  - name: a\n    email_configs:\n      - {to: a@x.org, from: b@x.org}",
            "alertmanager.yml:5: no global SMTP smarthost set",
        ),
        (
            "receivers: [{name: a}]\nroute:\n  receiver: a\n  routes:\n    - match_re:\n        x:",
            "alertmanager.yml:6: invalid regexp value for 'x'",
        ),
    ],
)
def test_a_mistake_is_told_at_its_line(tmp_path: Path, text: str, told: str) -> None:
    assert problems(tmp_path, text) == [told]


def test_a_slack_webhook_keeps_its_address_and_says_whose_channel_it_has(tmp_path: Path) -> None:
    receiver, said = one_receiver(tmp_path, slack_configs=[{"api_url": HOOK, "channel": "#x"}])
    assert receiver.slack == [Slack(webhook_url=SecretStr(HOOK), send_resolved=False)]
    assert said == ["receiver 'a': slack: the webhook's own channel is used, not '#x'"]


def test_slacks_own_method_with_a_token_is_a_bot(tmp_path: Path) -> None:
    http = {"authorization": {"credentials": "xoxb-secret"}}
    receiver, said = one_receiver(
        tmp_path, slack_configs=[{"api_url": BOT, "channel": "#x", "http_config": http, "send_resolved": True}]
    )
    assert receiver.slack == [Slack(token=SecretStr("xoxb-secret"), channel="#x", send_resolved=True)]
    assert said == []


def test_an_email_signs_in_with_the_password_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("secret-word\n")
    text = """
global:
  {smtp_smarthost: 'm.x.org:submission', smtp_from: 'AM <am@x.org>', smtp_auth_username: u, smtp_auth_password_file: pw}
route: {receiver: a}
receivers: [{name: a, email_configs: [{to: 'one@x.org, Two <two@x.org>'}]}]
"""
    (email,) = read(tmp_path, text).config.alerting.receivers[0].email
    wanted = {
        "to": ["one@x.org", "two@x.org"],
        "from": "AM <am@x.org>",
        "smarthost": "m.x.org:587",
        "starttls": "required",
    }
    assert email == Email.model_validate({**wanted, "username": "u", "password": "secret-word", "send_resolved": False})


def test_a_webhook_takes_its_authorization_along(tmp_path: Path) -> None:
    http = {"basic_auth": {"username": "u", "password": "p"}, "proxy_url": "http://proxy:3128"}
    receiver, said = one_receiver(tmp_path, webhook_configs=[{"url": "http://x/", "http_config": http, "max_alerts": 5}])
    wanted = Webhook(url=SecretStr("http://x/"), authorization=SecretStr("Basic dTpw"), max_alerts=5, send_resolved=True)
    assert receiver.webhook == [wanted]
    assert said == ["receiver 'a': webhook: proxy_url of http_config is not used"]


@pytest.mark.parametrize(
    ("kinds", "address"),
    [
        ({"pagerduty_configs": [{"routing_key": "k" * 32}]}, f"pagerduty://{'k' * 32}@{'k' * 32}/?region=us"),
        (
            {
                "opsgenie_configs": [
                    {
                        "api_key": "a/b",
                        "api_url": "https://api.eu.opsgenie.com/",
                        "responders": [{"name": "data ops", "type": "team"}],
                    }
                ]
            },
            "opsgenie://a%2Fb/%23data%20ops/?region=eu",
        ),
        ({"msteams_configs": [{"webhook_url": WORKFLOW}]}, WORKFLOW),
    ],
)
def test_others_go_through_apprise(tmp_path: Path, kinds: dict[str, Any], address: str) -> None:
    receiver, said = one_receiver(tmp_path, **kinds)
    assert [url.get_secret_value() for url in receiver.apprise] == [address]
    assert said == []
    assert apprise.Apprise.instantiate(address) is not None


@pytest.mark.parametrize(
    ("kinds", "why"),
    [
        ({"telegram_configs": [{"bot_token": "x", "chat_id": 1}]}, "telegram is left out.*no such way"),
        ({"slack_configs": [{"api_url": "<secret>"}]}, "slack is left out.*api_url is <secret>"),
        ({"slack_configs": [{"api_url_file": "nothing"}]}, "slack is left out.*api_url_file cannot be read"),
        ({"pagerduty_configs": [{"service_key": "x"}]}, "pagerduty is left out.*give a routing_key"),
        ({"webhook_configs": [{"url": "http://x/", "http_config": {"oauth2": {}}}]}, "webhook is left out.*OAuth 2"),
        ({"msteams_configs": [{"webhook_url": "https://x.webhook.office.com/webhookb2/1"}]}, "msteams is left out.*workflows"),
        ({"email_configs": [{"to": "{{ .x }}", "from": "a@x.org", "smarthost": "x:25"}]}, "email is left out.*templates"),
        (
            {"email_configs": [{"to": "nobody", "from": "a@x.org", "smarthost": "x:25"}]},
            "email is left out.*not an e-mail address",
        ),
    ],
)
def test_what_has_no_counterpart_is_said_and_the_receiver_stays(tmp_path: Path, kinds: dict[str, Any], why: str) -> None:
    receiver, said = one_receiver(tmp_path, **kinds)
    assert (receiver.name, list(receiver.ways())) == ("a", [])
    assert len(said) == 1
    assert re.search(why, said[0])


def test_each_way_has_its_own_send_resolved(tmp_path: Path) -> None:
    receiver, _ = one_receiver(
        tmp_path,
        slack_configs=[{"api_url": HOOK}],
        webhook_configs=[{"url": "http://x/"}],
        pagerduty_configs=[{"routing_key": "k" * 32}],
    )
    assert [(one.name, one.send_resolved) for one in receiver.integrations()] == [
        ("slack", False),
        ("webhook", True),
        ("apprise[0]", True),
    ]


def test_texts_of_its_own_and_templates_are_said_not_to_be_run(tmp_path: Path) -> None:
    text = f"""
templates: [x.tmpl]
route: {{receiver: a}}
receivers:
  - name: a
    slack_configs:
      - {{api_url: '{HOOK}', title: '{{{{ .Status }}}}'}}
"""
    said = [warning.rpartition("/")[2] for warning in read(tmp_path, text).warnings]
    assert said == [
        "alertmanager.yml:7: warning: receiver 'a': slack: its own texts are not used; messages are the console's",
        "alertmanager.yml:2: warning: templates are not run: messages are the console's own",
    ]
