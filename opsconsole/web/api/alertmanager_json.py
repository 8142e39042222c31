"""Alerts, groups and silences as Alertmanager's API writes them: its fields in its order, times in milliseconds."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cmp_to_key
from typing import Any

from opsconsole.alerts.groups import Firing
from opsconsole.alerts.muting import Muted
from opsconsole.model import Labels, MatchOp, Silence
from opsconsole.web.api.go_time import written

_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_IN_HTML = str.maketrans(_ESCAPED)

Json = dict[str, Any]


def dumped(value: Any) -> bytes:
    """A line of JSON, whose texts could stand in a page."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_IN_HTML)
    return text.encode("utf-8", "replace") + b"\n"


def alert(firing: Firing, muted: Muted, receivers: Iterable[str], now: datetime, resolve_timeout: timedelta) -> Json:
    """A firing alert. The console's own has no end; its source says it anew, as a Prometheus would by posting."""
    one = firing.alert
    link = {"generatorURL": one.generator_url} if one.generator_url else {}
    return {
        "annotations": dict(one.annotations),
        "endsAt": written(one.ends_at or now + resolve_timeout),
        "fingerprint": firing.fingerprint,
        "receivers": [{"name": name} for name in receivers],
        "startsAt": written(one.starts_at),
        "status": {
            "inhibitedBy": list(muted.inhibited_by),
            "silencedBy": [*muted.silenced_by, *muted.maintained_by],
            "state": "suppressed" if muted else "active",
        },
        "updatedAt": written(one.updated_at or now),
        **link,
        "labels": dict(one.labels),
    }


def silence(one: Silence, now: datetime) -> Json:
    return {
        "id": one.id,
        "status": {"state": one.state(now)},
        "updatedAt": written(one.updated_at),
        "comment": one.comment,
        "createdBy": one.created_by,
        "endsAt": written(one.ends_at),
        "matchers": [
            {
                "isEqual": matcher.op in (MatchOp.EQUAL, MatchOp.REGEX),
                "isRegex": matcher.op in (MatchOp.REGEX, MatchOp.NOT_REGEX),
                "name": matcher.name,
                "value": matcher.value,
            }
            for matcher in one.matchers
        ],
        "startsAt": written(one.starts_at),
    }


def in_order(firing: Sequence[Firing]) -> list[Firing]:
    """A group's alerts by job, instance and then all labels; those without a job or an instance go last."""
    return sorted(firing, key=lambda one: (_by(one, "job"), _by(one, "instance"), by_labels(one.alert.labels)))


def _by(one: Firing, name: str) -> tuple[bool, str]:
    return name not in one.alert.labels, one.alert.labels.get(name, "")


def _compared(one: Labels, other: Labels) -> int:
    """Prometheus' order of label sets: fewer labels first; then by each label in turn, of which lacking it goes first."""
    if len(one) != len(other):
        return len(one) - len(other)
    for (name, value), (other_name, other_value) in zip(one.pairs, other.pairs, strict=True):
        if name != other_name:
            return 1 if name < other_name else -1
        if value != other_value:
            return -1 if value < other_value else 1
    return 0


by_labels = cmp_to_key(_compared)
