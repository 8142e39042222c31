"""A webhook that gets what Alertmanager would post: payload version 4 (prometheus/alertmanager, `template.Data`)."""

import functools
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from opsconsole.clock import Clock
from opsconsole.model import Alert, AlertState, Notification
from opsconsole.notify.sending import Letter, Receipt, post
from opsconsole.notify.settings import Webhook

_NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time, which Alertmanager sends as the end of what has not ended."""


class WebhookPost:
    edits, folds = False, False

    def __init__(self, settings: Webhook, http: httpx.AsyncClient, clock: Clock, public_url: str) -> None:
        self._url, self._most = settings.url.get_secret_value(), settings.max_alerts
        self._authorization = settings.authorization.get_secret_value() if settings.authorization else None
        self._http, self._clock, self._public_url = http, clock, public_url.rstrip("/")

    async def send(self, letter: Letter) -> Receipt:
        """The `Idempotency-Key` lets a consumer see that a repeat after a crash is one."""
        headers = {"Idempotency-Key": letter.notification.key.encode("ascii", "backslashreplace").decode()}
        if self._authorization is not None:
            headers["Authorization"] = self._authorization
        body = payload(letter.notification, self._public_url, self._most)
        response = await post(self._http, self._url, self._clock.now(), json=body, headers=headers)
        return Receipt(f"HTTP {response.status_code} {' '.join(response.text[:200].split())}".rstrip())


def payload(notification: Notification, public_url: str, most: int = 0) -> dict[str, Any]:
    """Alertmanager's version 4 document; of our own alerts the incident's page is the `generatorURL`.

    Alerts are in Alertmanager's order (`types.AlertSlice`); of more than `most` the rest is counted, and nothing else in the
    document speaks of it (`notify/webhook`, `truncateAlerts`).
    """
    everything = sorted(notification.alerts, key=functools.cmp_to_key(_order))
    alerts = everything[:most] if most else everything
    firing = any(alert.state is not AlertState.RESOLVED for alert in alerts)
    page = f"{public_url}/incidents/{notification.incident_id}" if notification.incident_id else public_url
    return {
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": len(everything) - len(alerts),
        "status": "firing" if firing else "resolved",
        "receiver": notification.receiver,
        "groupLabels": dict(notification.group_labels),
        "commonLabels": _common(alert.labels for alert in alerts),
        "commonAnnotations": _common(alert.annotations for alert in alerts),
        "externalURL": public_url,
        "alerts": [_alert(alert, page) for alert in alerts],
    }


def _alert(alert: Alert, page: str) -> dict[str, Any]:
    return {
        "status": "resolved" if alert.state is AlertState.RESOLVED else "firing",
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": _time(alert.starts_at),
        "endsAt": _time(alert.resolved_at) if alert.resolved_at else _NEVER,
        "generatorURL": page if alert.ends_at is None else alert.generator_url,
        "fingerprint": alert.fingerprint,
    }


def _common(sets: Iterable[Mapping[str, str]]) -> dict[str, str]:
    common: set[tuple[str, str]] | None = None
    for one in sets:
        common = set(one.items()) if common is None else common & set(one.items())
    return dict(sorted(common or ()))


def _order(one: Alert, other: Alert) -> int:
    """By `job`, by `instance` (an alert without one comes last), by the number of labels, by the labels."""
    for name in ("job", "instance"):
        mine, its = one.labels.get(name), other.labels.get(name)
        if mine != its:
            return 1 if mine is None else -1 if its is None or mine < its else 1
    if len(one.labels) != len(other.labels):
        return len(one.labels) - len(other.labels)
    for name in sorted({*one.labels, *other.labels}):
        mine, its = one.labels.get(name), other.labels.get(name)
        if mine != its:
            return -1 if mine is None or (its is not None and mine < its) else 1
    return 0


def _time(moment: datetime) -> str:
    """As Go writes it: a fraction of a second only where there is one, without zeros at its end."""
    text = moment.astimezone(UTC).isoformat().removesuffix("+00:00")
    return (text.rstrip("0") if "." in text else text) + "Z"
