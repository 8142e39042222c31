"""Alerts that others post: what is taken, what is filled in, and what a repeated post comes to.

Pure; Alertmanager 0.25: `api/v2/api.go` (`postAlertsHandler`), `provider/mem/mem.go` (`Put`), `types/types.go` (`Merge`), and
Prometheus' `model/alert.go` (`Validate`).
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from opsconsole.alerts.lifecycle import Outcome
from opsconsole.model import Alert, AlertState, Labels, Transition

SCOPE = "posted"
"""Where posted alerts live, beside those of rules and other sources."""

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Invalid(ValueError):
    """An alert that cannot be, in Alertmanager's words."""


@dataclass(frozen=True, slots=True)
class Post:
    """An alert as it was sent; what the sender left out is None."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    generator_url: str = ""


def alert_of(post: Post, now: datetime, resolve_timeout: timedelta) -> Alert:
    """The alert that was posted. Without an end it ends after `resolve_timeout`, unless posted anew. Raises Invalid."""
    starts_at = post.starts_at or post.ends_at or now
    if post.ends_at is not None and post.ends_at < starts_at:
        raise Invalid("start time must be before end time")
    labels = {name: value for name, value in post.labels.items() if value}
    _check_names(labels, "label set")
    if not labels:
        raise Invalid("at least one label pair required")
    _check_names(post.annotations, "annotations")
    return standing(
        Alert(
            labels=Labels(labels),
            scope=SCOPE,
            state=AlertState.FIRING,
            active_at=starts_at,
            annotations=dict(post.annotations),
            fired_at=now,
            ends_at=post.ends_at or now + resolve_timeout,
            times_out=post.ends_at is None,
            updated_at=now,
            generator_url=post.generator_url,
        ),
        now,
    )


def standing(alert: Alert, now: datetime) -> Alert:
    """The alert in the state that its end says it has now."""
    over = alert.ends_at is not None and alert.ends_at <= now
    return replace(alert, state=AlertState.RESOLVED, resolved_at=alert.ends_at) if over else alert


def merged(before: Alert, posted: Alert, now: datetime) -> Alert:
    """What becomes of an alert that is posted again: where the two overlap, the earlier start, and a later end set on purpose.

    Without overlap the new one stands for itself. Annotations are always the new ones.
    """
    assert before.ends_at is not None
    assert posted.ends_at is not None
    if not (
        before.active_at < posted.ends_at < before.ends_at  # ends within
        or before.active_at < posted.active_at < before.ends_at  # begins within
    ):
        return posted
    starts_at, ends_at = min(before.active_at, posted.active_at), posted.ends_at
    if posted.ends_at <= now:
        ends_at = max(ends_at, before.ends_at) if before.ends_at <= now else ends_at
    elif not before.times_out:
        ends_at = max(ends_at, before.ends_at)
    fresh = replace(posted, active_at=starts_at, ends_at=ends_at, state=AlertState.FIRING, resolved_at=None)
    return standing(fresh, now)


def judge_posts(
    posts: Iterable[Alert], known: Callable[[Labels], Alert | None], ended: Callable[[Labels], Alert | None], now: datetime
) -> Outcome:
    """What posts change, one after the other; `ended` knows posted alerts that ended not long ago, and may be continued.

    Labels that another source has open stay that source's.
    """
    after: dict[Labels, Alert] = {}
    for posted in posts:
        before = after.get(posted.labels) or known(posted.labels) or ended(posted.labels)
        if before is None:
            after[posted.labels] = posted
        elif before.scope == SCOPE:
            after[posted.labels] = merged(before, posted, now)
    changes = [_change(known(labels), alert, ended(labels) is not None, now) for labels, alert in after.items()]
    return Outcome(
        tuple(change for change in changes if isinstance(change, Transition)),
        tuple(change for change in changes if isinstance(change, Alert)),
    )


def _change(before: Alert | None, after: Alert, ended: bool, now: datetime) -> Transition | Alert | None:
    over = after.state is AlertState.RESOLVED
    if before is None:
        # That something which ended is said to have ended again is no news.
        return None if over and ended else Transition(now, after.fingerprint, None, after, "posted")
    after = replace(after, fired_at=before.fired_at)
    return Transition(now, after.fingerprint, before.state, after, "posted as over") if over else after


def prolonged(alert: Alert, now: datetime, resolve_timeout: timedelta) -> Alert:
    """An alert whose end came while nobody could post it anew gets that time again."""
    late = alert.ends_at is not None and alert.ends_at <= now
    return replace(alert, ends_at=now + resolve_timeout, times_out=True) if late else alert


def expired(alerts: Iterable[Alert], now: datetime) -> list[Transition]:
    """The ends of posted alerts that nobody posted anew in time."""
    over = [standing(alert, now) for alert in alerts if alert.ends_at is not None and alert.ends_at <= now]
    return [
        Transition(now, alert.fingerprint, AlertState.FIRING, alert, "its end came, and it was not posted anew") for alert in over
    ]


def _check_names(pairs: Mapping[str, str], what: str) -> None:
    for name in pairs:
        if not _NAME.fullmatch(name):
            raise Invalid(f"invalid {what}: invalid name {json.dumps(name, ensure_ascii=False)}")
