"""An Alertmanager's receivers as ours. What has no counterpart is told, never silently dropped."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import getaddresses
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from opsconsole.config.alertmanager import kinds
from opsconsole.config.alertmanager.file import Global, Receiver
from opsconsole.config.alertmanager.http import Http
from opsconsole.config.alertmanager.values import MASKED
from opsconsole.documents import Place

_PORTS = {"smtp": "25", "submission": "587", "smtps": "465", "submissions": "465"}
_BOT = "/chat.postMessage"
_PAGERDUTY = {"https://events.pagerduty.com/v2/enqueue": "us", "https://events.eu.pagerduty.com/v2/enqueue": "eu"}
_OPSGENIE = {"https://api.opsgenie.com": "us", "https://api.eu.opsgenie.com": "eu"}
_UNKNOWN = ("discord", "wechat", "pushover", "victorops", "sns", "telegram", "webex")
_WORDING = ("title", "text", "pretext", "message", "description", "html", "headers", "details", "summary", "fields_")


class NotTakenOver(Exception):
    """Why a way of telling somebody cannot be one of ours."""


@dataclass
class Translated:
    """A receiver in the words of our configuration, and what is to be said of it, with the place of each."""

    settings: dict[str, Any]
    warnings: list[tuple[Place, str]] = field(default_factory=list)

    def warn(self, place: Place, message: str) -> None:
        self.warnings.append((place, f"receiver {self.settings['name']!r}: {message}"))


@dataclass(frozen=True)
class Translator:
    """`folder`: where files with relative names are found."""

    shared: Global
    folder: Path

    def receiver(self, receiver: Receiver) -> Translated:
        """A receiver of which nothing can be taken over is still one: it has incidents and tells nobody."""
        done = Translated({"name": receiver.name})
        resolved: list[bool] = []
        for kind, index, one in _ways(receiver):
            place: Place = (f"{kind}_configs", index)
            try:
                key, way = self._way(kind, one, place, done)
            except NotTakenOver as error:
                done.warn(place, f"{kind} is left out, nobody is told this way: {error}")
                continue
            done.settings.setdefault(key, []).append(way)
            resolved += [one.send_resolved] if key == "apprise" else []
            if any(getattr(one, name, None) for name in _WORDING):
                done.warn(place, f"{kind}: its own texts are not used; messages are the console's")
        if resolved:
            done.settings["send_resolved"] = any(resolved)
        if len(set(resolved)) > 1:
            done.warn((), "the ends are told by each of its ways through Apprise")
        return done

    def _way(self, kind: str, one: Any, place: Place, done: Translated) -> tuple[str, Any]:
        if kind == "email":
            return "email", self._email(one)
        http = one.http_config or self.shared.http_config or Http()
        if unused := _unused(http):
            done.warn(place, f"{kind}: {', '.join(unused)} of http_config is not used")
        match one:
            case kinds.Slack():
                return "slack", self._slack(one, http, place, done)
            case kinds.Webhook():
                return "webhook", self._webhook(one, http)
        if self._authorization(http):
            raise NotTakenOver("it asks for authorization by http_config")
        match one:
            case kinds.Pagerduty():
                return "apprise", self._pagerduty(one)
            case kinds.Opsgenie():
                return "apprise", self._opsgenie(one)
            case kinds.Teams():
                return "apprise", self._teams(one)
        raise NotTakenOver("the console has no such way; see whether Apprise has, for a receiver in the console's own file")

    def _email(self, email: kinds.Email) -> dict[str, Any]:
        shared = self.shared
        if "{{" in email.to + email.from_:
            raise NotTakenOver("its addresses are templates")
        host, _, port = (email.smarthost or shared.smtp_smarthost).rpartition(":")
        username = email.auth_username or shared.smtp_auth_username
        own = email.auth_password or email.auth_password_file
        password, file = (
            (email.auth_password, email.auth_password_file)
            if own
            else (shared.smtp_auth_password, shared.smtp_auth_password_file)
        )
        if username and not (password or file):
            raise NotTakenOver("it signs in without a password")
        requires = shared.smtp_require_tls if email.require_tls is None else email.require_tls
        addresses = [address for _, address in getaddresses([email.to]) if address]
        way = {
            "to": addresses or [email.to],
            "from": email.from_ or shared.smtp_from,
            "smarthost": f"{host or 'localhost'}:{_PORTS.get(port, port)}",
            "starttls": "required" if requires else "off",
            "send_resolved": email.send_resolved,
        }
        if username:
            way |= {"username": username, "password": self._secret(password, file, "auth_password")}
        return way

    def _slack(self, slack: kinds.Slack, http: Http, place: Place, done: Translated) -> dict[str, Any]:
        own = slack.api_url or slack.api_url_file
        address, file = (
            (slack.api_url, slack.api_url_file) if own else (self.shared.slack_api_url, self.shared.slack_api_url_file)
        )
        url, authorization = self._secret(address or "", file, "api_url"), self._authorization(http)
        if url.endswith(_BOT):
            if "{{" in slack.channel:
                raise NotTakenOver("its channel is a template")
            if not authorization.lower().startswith("bearer "):
                raise NotTakenOver("chat.postMessage needs a token as http_config.authorization")
            token = authorization.partition(" ")[2]
            return {
                "token": token,
                "channel": slack.channel,
                "api_url": url.removesuffix(_BOT.strip("/")),
                "send_resolved": slack.send_resolved,
            }
        if authorization:
            raise NotTakenOver("a webhook with authorization by http_config")
        if slack.channel:
            done.warn(place, f"slack: the webhook's own channel is used, not {slack.channel!r}")
        return {"webhook_url": url, "send_resolved": slack.send_resolved}

    def _webhook(self, webhook: kinds.Webhook, http: Http) -> dict[str, Any]:
        way: dict[str, Any] = {"url": webhook.url, "max_alerts": webhook.max_alerts, "send_resolved": webhook.send_resolved}
        if authorization := self._authorization(http):
            way["authorization"] = authorization
        return way

    def _pagerduty(self, pagerduty: kinds.Pagerduty) -> str:
        url = pagerduty.url or self.shared.pagerduty_url
        if not (pagerduty.routing_key or pagerduty.routing_key_file):
            raise NotTakenOver("service_key is of the Events API before version 2: give a routing_key")
        if (region := _PAGERDUTY.get(url)) is None:
            raise NotTakenOver(f"{url} is not PagerDuty's Events API version 2")
        key = quote(self._secret(pagerduty.routing_key, pagerduty.routing_key_file, "routing_key"), safe="")
        return f"pagerduty://{key}@{key}/?region={region}"

    def _opsgenie(self, opsgenie: kinds.Opsgenie) -> str:
        url = (opsgenie.api_url or self.shared.opsgenie_api_url).rstrip("/")
        if (region := _OPSGENIE.get(url)) is None:
            raise NotTakenOver(f"{url} is not Opsgenie's API")
        if any("{{" in one.name + one.id + one.username + one.type for one in opsgenie.responders):
            raise NotTakenOver("its responders are templates")
        own = opsgenie.api_key or opsgenie.api_key_file
        key, file = (
            (opsgenie.api_key, opsgenie.api_key_file)
            if own
            else (self.shared.opsgenie_api_key, self.shared.opsgenie_api_key_file)
        )
        marks = {"team": "#", "teams": "#", "user": "@", "escalation": "^", "schedule": "*"}
        targets = [quote(marks[one.type.lower()] + (one.name or one.username or one.id), safe="") for one in opsgenie.responders]
        return "/".join([f"opsgenie://{quote(self._secret(key, file, 'api_key'), safe='')}", *targets]) + f"/?region={region}"

    def _teams(self, teams: kinds.Teams) -> str:
        """Apprise reads the address of a workflow as it is."""
        url = self._secret(teams.webhook_url or "", teams.webhook_url_file, "webhook_url")
        if "/workflows/" not in urlsplit(url).path:
            raise NotTakenOver("only webhooks of workflows can be used: Microsoft has ended those of connectors")
        return url

    def _authorization(self, http: Http) -> str:
        """The value of the header; empty where none is asked for."""
        if basic := http.basic_auth:
            return "Basic " + _encoded(basic.username, self._secret(basic.password, basic.password_file, "password", empty=True))
        if http.bearer_token or http.bearer_token_file:
            return f"Bearer {self._secret(http.bearer_token, http.bearer_token_file, 'bearer_token')}"
        if given := http.authorization:
            secret = self._secret(given.credentials, given.credentials_file, "credentials")
            return f"{given.type.strip() or 'Bearer'} {secret}"
        if http.oauth2:
            raise NotTakenOver("it signs in by OAuth 2")
        return ""

    def _secret(self, value: str, file: str, name: str, *, empty: bool = False) -> str:
        if file:
            try:
                value = (self.folder / file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is not text"
                raise NotTakenOver(f"{name}_file cannot be read: {self.folder / file}: {why}") from error
        if value == MASKED:
            raise NotTakenOver(f"{name} is {MASKED}: it was masked when the file was written")
        if not value and not empty:
            raise NotTakenOver(f"{name} is empty")
        return value


def _ways(receiver: Receiver) -> Iterator[tuple[str, int, Any]]:
    for key in type(receiver).model_fields:
        if key != "name":
            for index, one in enumerate(getattr(receiver, key)):
                yield key.removesuffix("_configs"), index, one


def _unused(http: Http) -> list[str]:
    return [key for key in ("proxy_url", "tls_config") if key in http.model_fields_set]


def _encoded(username: str, password: str) -> str:
    return b64encode(f"{username}:{password}".encode()).decode()
