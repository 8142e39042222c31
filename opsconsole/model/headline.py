"""What an alert group is called, in a page's list and in a message's title: the same words everywhere."""

import re
from collections.abc import Iterable, Mapping, Sequence

from opsconsole.model.alert import Alert

SEVERITIES = ("info", "warning", "high", "critical")
"""Mildest first. Info: for the channel only. Warning: look today. High: act now. Critical: wake someone."""

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def worst_severity(severities: Iterable[str]) -> str:
    """The most severe; a word that is not ours counts as a warning, and so does none at all."""
    return max(severities, key=_rank, default="warning")


def headline(group_labels: Mapping[str, str], alerts: Sequence[Alert]) -> str:
    """One line such as `prod · no scheduler heartbeat (+2 more)`: the oldest of the worst alerts speaks for its group."""
    if not alerts:
        return " · ".join(group_labels.values()) or "all alerts"
    first = min(alerts, key=lambda alert: (-_rank(alert.labels.get("severity", "")), alert.active_at, alert.labels.pairs))
    deployment = group_labels.get("deployment") or first.labels.get("deployment", "")
    what = _without_prefix(summary(first), deployment)
    more = f" (+{len(alerts) - 1} more)" if len(alerts) > 1 else ""
    return (f"{deployment} · {what}" if deployment else what) + more


def summary(alert: Alert) -> str:
    """The alert in one line: its own summary, else its name in words and the labels that tell it from others."""
    if own := " ".join(alert.annotations.get("summary", "").split()):
        return own
    name = _WORD.sub(" ", alert.labels.get("alertname", "alert")).lower()
    rest = [value for label, value in alert.labels.items() if label not in ("alertname", "severity", "deployment")]
    return " ".join([name, *rest])


def _without_prefix(text: str, deployment: str) -> str:
    for separator in (":", " ·", " -"):
        if deployment and text.startswith(f"{deployment}{separator}"):
            return text[len(deployment) + len(separator) :].strip() or text
    return text


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else SEVERITIES.index("warning")
