"""The whole of an `alertmanager.yml`, and what no single part of it can know (Alertmanager 0.25, `config/config.go`)."""

from collections.abc import Iterator

from pydantic import Field

from opsconsole.alerts.intervals import NamedIntervals
from opsconsole.alerts.settings import InhibitRule, Route, intervals_named, receivers_named
from opsconsole.config.alertmanager import kinds
from opsconsole.config.alertmanager.http import Http
from opsconsole.config.alertmanager.values import Bool, HostPort, Part, SecretUrl, Text, Url
from opsconsole.documents import Place
from opsconsole.settings import Duration, parse_duration

Found = Iterator[tuple[Place, str]]


class Global(Part):
    """What receivers have that do not say otherwise."""

    resolve_timeout: Duration = parse_duration("5m")
    http_config: Http | None = None
    smtp_from: Text = ""
    smtp_hello: Text = "localhost"
    smtp_smarthost: HostPort = ""
    smtp_auth_username: Text = ""
    smtp_auth_password: Text = ""
    smtp_auth_password_file: Text = ""
    smtp_auth_secret: Text = ""
    smtp_auth_identity: Text = ""
    smtp_require_tls: Bool = True
    slack_api_url: SecretUrl | None = None
    slack_api_url_file: Text = ""
    pagerduty_url: Url = "https://events.pagerduty.com/v2/enqueue"
    opsgenie_api_url: Url = "https://api.opsgenie.com/"
    opsgenie_api_key: Text = ""
    opsgenie_api_key_file: Text = ""
    wechat_api_url: Url = "https://qyapi.weixin.qq.com/cgi-bin/"
    wechat_api_secret: Text = ""
    wechat_api_corp_id: Text = ""
    victorops_api_url: Url = "https://alert.victorops.com/integrations/generic/20131114/alert/"
    victorops_api_key: Text = ""
    victorops_api_key_file: Text = ""
    telegram_api_url: Url = "https://api.telegram.org"
    webex_api_url: Url = "https://webexapis.com/v1/messages"


class Receiver(Part):
    name: Text = Field(min_length=1)
    discord_configs: list[kinds.Discord] = Field(default_factory=list)
    email_configs: list[kinds.Email] = Field(default_factory=list)
    pagerduty_configs: list[kinds.Pagerduty] = Field(default_factory=list)
    slack_configs: list[kinds.Slack] = Field(default_factory=list)
    webhook_configs: list[kinds.Webhook] = Field(default_factory=list)
    opsgenie_configs: list[kinds.Opsgenie] = Field(default_factory=list)
    wechat_configs: list[kinds.Wechat] = Field(default_factory=list)
    pushover_configs: list[kinds.Pushover] = Field(default_factory=list)
    victorops_configs: list[kinds.Victorops] = Field(default_factory=list)
    sns_configs: list[kinds.Sns] = Field(default_factory=list)
    telegram_configs: list[kinds.Telegram] = Field(default_factory=list)
    webex_configs: list[kinds.Webex] = Field(default_factory=list)
    msteams_configs: list[kinds.Teams] = Field(default_factory=list)
    msteamsv2_configs: list[kinds.Teams] = Field(default_factory=list)


class File(Part):
    global_: Global = Field(default=Global(), alias="global")
    route: Route | None = None
    inhibit_rules: list[InhibitRule] = Field(default_factory=list)
    receivers: list[Receiver] = Field(default_factory=list)
    templates: list[Text] = Field(default_factory=list)
    mute_time_intervals: list[NamedIntervals] = Field(default_factory=list)
    time_intervals: list[NamedIntervals] = Field(default_factory=list)


def contradictions(file: File) -> Found:
    """What the parts say against each other, with the place of each."""
    yield from _root(file.route)
    yield from _receivers(file)
    yield from _intervals(file)


def _root(route: Route | None) -> Found:
    if route is None:
        yield (), "no route provided in config"
        return
    if not route.receiver:
        yield ("route",), "root route must specify a default receiver"
    if route.conditions():
        yield ("route",), "root route must not have any matchers"
    if route.continue_:
        yield ("route", "continue"), "cannot have continue in root route"
    for key in ("mute_time_intervals", "active_time_intervals"):
        if getattr(route, key):
            yield ("route", key), f"root route must not have any {key.replace('_', ' ')}"


def _receivers(file: File) -> Found:
    names = [receiver.name for receiver in file.receivers]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield ("receivers", index, "name"), f"notification config name {name!r} is not unique"
    for place, name in receivers_named(file.route or Route()):
        if name and name not in names:
            yield place, f"undefined receiver {name!r} used in route"
    yield from _both(file.global_)
    for index, receiver in enumerate(file.receivers):
        for place, message in _missing(receiver, file.global_):
            yield ("receivers", index, *place), message


def _both(shared: Global) -> Found:
    for key in ("slack_api_url", "opsgenie_api_key", "victorops_api_key", "smtp_auth_password"):
        if getattr(shared, key) and getattr(shared, f"{key}_file"):
            yield ("global", key), f"at most one of {key} & {key}_file must be configured"


def _missing(receiver: Receiver, shared: Global) -> Found:
    """What neither the receiver nor `global` gives."""
    for index, email in enumerate(receiver.email_configs):
        if not (email.smarthost or shared.smtp_smarthost):
            yield ("email_configs", index), "no global SMTP smarthost set"
        if not (email.from_ or shared.smtp_from):
            yield ("email_configs", index), "no global SMTP from set"
    for index, slack in enumerate(receiver.slack_configs):
        if not (slack.api_url or slack.api_url_file or shared.slack_api_url or shared.slack_api_url_file):
            yield ("slack_configs", index), "no global Slack API URL set either inline or in a file"
    for index, opsgenie in enumerate(receiver.opsgenie_configs):
        if not (opsgenie.api_key or opsgenie.api_key_file or shared.opsgenie_api_key or shared.opsgenie_api_key_file):
            yield ("opsgenie_configs", index), "no global OpsGenie API Key set either inline or in a file"
    for index, victorops in enumerate(receiver.victorops_configs):
        if not (victorops.api_key or victorops.api_key_file or shared.victorops_api_key or shared.victorops_api_key_file):
            yield ("victorops_configs", index), "no global VictorOps API Key set"
    for index, wechat in enumerate(receiver.wechat_configs):
        if not (wechat.api_secret or shared.wechat_api_secret):
            yield ("wechat_configs", index), "no global Wechat ApiSecret set"
        if not (wechat.corp_id or shared.wechat_api_corp_id):
            yield ("wechat_configs", index), "no global Wechat CorpID set"


def _intervals(file: File) -> Found:
    known: set[str] = set()
    for key, several in (("mute_time_intervals", file.mute_time_intervals), ("time_intervals", file.time_intervals)):
        for index, one in enumerate(several):
            if one.name in known:
                yield (key, index), f"time interval {one.name!r} is not unique"
            known.add(one.name)
    for place, name in intervals_named(file.route or Route()):
        if name not in known:
            yield place, f"undefined time interval {name!r} used in route"
