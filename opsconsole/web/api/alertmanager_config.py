"""The running alerting configuration as an Alertmanager would show it: valid for `amtool`, secrets as `<secret>`."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel

from opsconsole.alerts.routing import build
from opsconsole.alerts.settings import Alerting
from opsconsole.notify.settings import Email, Receiver, Slack, Webhook
from opsconsole.settings import Secret, format_duration

NOBODY = "nobody"
"""What the receiver is called where the configuration has none; Alertmanager's must have one."""
_MASKED = "<secret>"


def original(alerting: Alerting, receivers: Iterable[Receiver]) -> str:
    """The configuration as YAML."""
    named = [_receiver(receiver) for receiver in receivers]
    root = build(alerting)
    route = {
        "receiver": root.receiver or NOBODY,
        "group_by": ["..."] if root.group_by is None else list(root.group_by),
        "group_wait": root.timers.group_wait,
        "group_interval": root.timers.group_interval,
        "repeat_interval": root.timers.repeat_interval,
        "routes": alerting.route.routes,
    }
    document = {
        "global": {"resolve_timeout": alerting.global_.resolve_timeout},
        "route": route,
        "inhibit_rules": alerting.inhibit_rules,
        "receivers": named if root.receiver else [*named, {"name": NOBODY}],
        "time_intervals": alerting.time_intervals,
    }
    return yaml.safe_dump(_plain(document), sort_keys=False, allow_unicode=True, default_flow_style=False)


def _plain(value: Any) -> Any:
    """Settings as they were written: only what was given, durations as text."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return {fields[name].alias or name: _plain(getattr(value, name)) for name in fields if name in value.model_fields_set}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return format_duration(value) if isinstance(value, timedelta) else value


def _receiver(receiver: Receiver) -> dict[str, Any]:
    """The ways that Alertmanager has too."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for _, way in receiver.ways():
        if not isinstance(way, Secret):
            kind, settings = _way(way)
            kinds.setdefault(kind, []).append({"send_resolved": receiver.tells_ends(way), **settings})
    return {"name": receiver.name, **kinds}


def _way(way: Slack | Email | Webhook) -> tuple[str, dict[str, Any]]:
    if isinstance(way, Slack):
        return "slack_configs", {"api_url": _MASKED, "channel": way.channel}
    if isinstance(way, Email):
        return "email_configs", {"to": ", ".join(way.to), "from": way.from_, "smarthost": way.smarthost}
    parts = urlsplit(way.url.get_secret_value())
    return "webhook_configs", {
        "url": f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{_MASKED if parts.path.strip('/') else ''}"
    }
