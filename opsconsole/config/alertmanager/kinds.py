"""The kinds of receivers that Alertmanager 0.25 knows, with all of their keys (`config/notifiers.go`), and Teams of later ones.

Defaults are Alertmanager's where something depends on them; texts with Go templates are read and not used.
"""

import re
from typing import Literal

from pydantic import Field, model_validator

from opsconsole.config.alertmanager.http import Http, Tls
from opsconsole.config.alertmanager.values import Bool, HostPort, Part, SecretUrl, Text, Url, Whole, one_of
from opsconsole.settings import Texts

_RESPONDERS = ("team", "teams", "user", "escalation", "schedule")
_RESERVED = (
    *("routing_key", "message_type", "state_message", "entity_display_name"),
    *("monitoring_tool", "entity_id", "entity_state"),
)
_GO_DURATION = re.compile(r"[-+]?(?:0|(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)")


class Kind(Part):
    """What nearly every kind has."""

    send_resolved: Bool = True
    http_config: Http | None = None


class Email(Part):
    send_resolved: Bool = False
    to: Text = ""
    from_: Text = Field(default="", alias="from")
    hello: Text = ""
    smarthost: HostPort = ""
    auth_username: Text = ""
    auth_password: Text = ""
    auth_password_file: Text = ""
    auth_secret: Text = ""
    auth_identity: Text = ""
    headers: Texts = Field(default_factory=dict)
    html: Text = ""
    text: Text = ""
    require_tls: Bool | None = None
    tls_config: Tls = Tls()

    @model_validator(mode="after")
    def _whole(self) -> "Email":
        if not self.to:
            raise ValueError("missing to address in email config")
        names = [name.title() for name in self.headers]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"duplicate header {twice!r} in email config")
        return self


class SlackConfirmation(Part):
    text: Text = Field(min_length=1)
    title: Text = ""
    ok_text: Text = ""
    dismiss_text: Text = ""


class SlackAction(Part):
    type: Text = Field(min_length=1)
    text: Text = Field(min_length=1)
    url: Text = ""
    style: Text = ""
    name: Text = ""
    value: Text = ""
    confirm: SlackConfirmation | None = None

    @model_validator(mode="after")
    def _leads_somewhere(self) -> "SlackAction":
        if not self.url and not self.name:
            raise ValueError("missing name or url in Slack action configuration")
        return self


class SlackField(Part):
    title: Text = Field(min_length=1)
    value: Text = Field(min_length=1)
    short: Bool | None = None


class Slack(Kind):
    send_resolved: Bool = False
    api_url: SecretUrl | None = None
    api_url_file: Text = ""
    channel: Text = ""
    username: Text = ""
    color: Text = ""
    title: Text = ""
    title_link: Text = ""
    pretext: Text = ""
    text: Text = ""
    fields_: list[SlackField] = Field(default_factory=list, alias="fields")
    short_fields: Bool = False
    footer: Text = ""
    fallback: Text = ""
    callback_id: Text = ""
    icon_emoji: Text = ""
    icon_url: Text = ""
    image_url: Text = ""
    thumb_url: Text = ""
    link_names: Bool = False
    mrkdwn_in: list[Text] = Field(default_factory=list)
    actions: list[SlackAction] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one(self) -> "Slack":
        one_of(self, "api_url", "api_url_file")
        return self


class Webhook(Kind):
    url: Url
    max_alerts: Whole = Field(default=0, ge=0)


class PagerdutyLink(Part):
    href: Text = ""
    text: Text = ""


class PagerdutyImage(Part):
    src: Text = ""
    alt: Text = ""
    href: Text = ""


class Pagerduty(Kind):
    service_key: Text = ""
    service_key_file: Text = ""
    routing_key: Text = ""
    routing_key_file: Text = ""
    url: Url | None = None
    client: Text = ""
    client_url: Text = ""
    description: Text = ""
    details: Texts = Field(default_factory=dict)
    images: list[PagerdutyImage] = Field(default_factory=list)
    links: list[PagerdutyLink] = Field(default_factory=list)
    source: Text = ""
    severity: Text = ""
    class_: Text = Field(default="", alias="class")
    component: Text = ""
    group: Text = ""

    @model_validator(mode="after")
    def _one(self) -> "Pagerduty":
        if not (self.routing_key or self.service_key or self.routing_key_file or self.service_key_file):
            raise ValueError("missing service or routing key in PagerDuty config")
        one_of(self, "routing_key", "routing_key_file")
        one_of(self, "service_key", "service_key_file")
        return self


class OpsgenieResponder(Part):
    id: Text = ""
    name: Text = ""
    username: Text = ""
    type: Text = ""

    @model_validator(mode="after")
    def _somebody(self) -> "OpsgenieResponder":
        if not (self.id or self.name or self.username):
            raise ValueError("a responder has to have at least one of id, username or name")
        if "{{" not in self.type and self.type.lower() not in _RESPONDERS:
            raise ValueError(f"a responder's type is one of {', '.join(_RESPONDERS)}")
        return self


class Opsgenie(Kind):
    api_key: Text = ""
    api_key_file: Text = ""
    api_url: Url | None = None
    message: Text = ""
    description: Text = ""
    source: Text = ""
    details: Texts = Field(default_factory=dict)
    entity: Text = ""
    responders: list[OpsgenieResponder] = Field(default_factory=list)
    actions: Text = ""
    tags: Text = ""
    note: Text = ""
    priority: Text = ""
    update_alerts: Bool = False

    @model_validator(mode="after")
    def _one(self) -> "Opsgenie":
        one_of(self, "api_key", "api_key_file")
        return self


class Teams(Kind):
    """Not in 0.25: `msteams_configs` came with 0.26, `msteamsv2_configs` with 0.28."""

    webhook_url: SecretUrl | None = None
    webhook_url_file: Text = ""
    title: Text = ""
    summary: Text = ""
    text: Text = ""

    @model_validator(mode="after")
    def _one(self) -> "Teams":
        one_of(self, "webhook_url", "webhook_url_file")
        if self.webhook_url is None and not self.webhook_url_file:
            raise ValueError("one of webhook_url or webhook_url_file must be configured")
        return self


class Wechat(Kind):
    send_resolved: Bool = False
    api_secret: Text = ""
    corp_id: Text = ""
    message: Text = ""
    api_url: Url | None = None
    to_user: Text = ""
    to_party: Text = ""
    to_tag: Text = ""
    agent_id: Text = ""
    message_type: Literal["", "text", "markdown"] = "text"


class Victorops(Kind):
    api_key: Text = ""
    api_key_file: Text = ""
    api_url: Url | None = None
    routing_key: Text = ""
    message_type: Text = ""
    state_message: Text = ""
    entity_display_name: Text = ""
    monitoring_tool: Text = ""
    custom_fields: Texts = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> "Victorops":
        if not self.routing_key:
            raise ValueError("missing Routing key in VictorOps config")
        one_of(self, "api_key", "api_key_file")
        if reserved := next((name for name in _RESERVED if name in self.custom_fields), None):
            raise ValueError(f"the custom field {reserved} would stand for a fixed one")
        return self


class Pushover(Kind):
    user_key: Text = Field(min_length=1)
    token: Text = Field(min_length=1)
    title: Text = ""
    message: Text = ""
    url: Text = ""
    url_title: Text = ""
    sound: Text = ""
    priority: Text = ""
    retry: Text = Field(default="", pattern=f"^(?:{_GO_DURATION.pattern}|)$")
    expire: Text = Field(default="", pattern=f"^(?:{_GO_DURATION.pattern}|)$")
    html: Bool = False


class Sigv4(Part):
    region: Text = ""
    access_key: Text = ""
    secret_key: Text = ""
    profile: Text = ""
    role_arn: Text = ""

    @model_validator(mode="after")
    def _pair(self) -> "Sigv4":
        if bool(self.access_key) != bool(self.secret_key):
            raise ValueError("must provide both of access_key and secret_key, or neither")
        return self


class Sns(Kind):
    api_url: Text = ""
    sigv4: Sigv4 = Sigv4()
    topic_arn: Text = ""
    phone_number: Text = ""
    target_arn: Text = ""
    subject: Text = ""
    message: Text = ""
    attributes: Texts = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one(self) -> "Sns":
        given = [bool(self.target_arn), bool(self.topic_arn), bool(self.phone_number)]
        if sum(given) % 2 == 0:  # as Alertmanager counts
            raise ValueError("must provide either a Target ARN, Topic ARN, or Phone Number")
        return self


class Telegram(Kind):
    api_url: Url | None = None
    bot_token: Text = Field(min_length=1)
    chat_id: Whole
    message: Text = ""
    disable_notifications: Bool = False
    parse_mode: Literal["", "Markdown", "MarkdownV2", "HTML"] = "HTML"

    @model_validator(mode="after")
    def _chat(self) -> "Telegram":
        if not self.chat_id:
            raise ValueError("missing chat_id on telegram_config")
        return self


class Discord(Kind):
    webhook_url: SecretUrl
    title: Text = ""
    message: Text = ""


class Webex(Kind):
    api_url: Url | None = None
    message: Text = ""
    room_id: Text = Field(min_length=1)

    @model_validator(mode="after")
    def _let_in(self) -> "Webex":
        http = self.http_config
        if http is None or not (http.authorization or http.bearer_token or http.bearer_token_file):
            raise ValueError("missing webex_configs.http_config.authorization")
        return self
