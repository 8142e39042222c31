"""When an alert group is told, and why. Pure; Alertmanager's `dispatch/dispatch.go` and `notify/notify.go` (`needsUpdate`).

One deliberate difference: with `resolve_wait` (which Alertmanager does not have) a group of which every alert has resolved
is told so that long after the last one did, instead of at its next `group_interval`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsconsole.model import Alert, AlertState, Occasion


@dataclass(frozen=True, slots=True)
class Timers:
    group_wait: timedelta
    group_interval: timedelta
    repeat_interval: timedelta
    resolve_wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a group's receiver was last told: when, and which alerts (fingerprints) as firing and as resolved."""

    at: datetime | None = None
    firing: frozenset[str] = frozenset()
    resolved: frozenset[str] = frozenset()
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """Tell it, on this occasion, for this reason."""

    occasion: Occasion
    reason: str


def needs(
    told: Told,
    firing: frozenset[str],
    resolved: frozenset[str],
    now: datetime,
    repeat_interval: timedelta,
    send_resolved: bool = True,
    *,
    acknowledged: bool = False,
    again_from: datetime | None = None,
) -> Decision | None:
    """Whether a group that stands so is to be told; None where its receiver knows already.

    What is `acknowledged` is not repeated. `again_from` is when it was last held back no longer: what was told only before
    that is told once more.
    """
    if told.at is None:
        return Decision(Occasion.OPENED, "new") if firing else None
    if not firing <= told.firing:
        new = len(firing - told.firing)
        return Decision(Occasion.CHANGED if told.firing else Occasion.OPENED, f"{new} more firing")
    if not firing:
        return Decision(Occasion.RESOLVED, "all resolved") if told.firing else None
    if send_resolved and not resolved <= told.resolved:
        return Decision(Occasion.CHANGED, f"{len(resolved - told.resolved)} resolved")
    if again_from is not None and told.at < again_from <= now:
        return Decision(Occasion.REPEATED, "still firing after it was held back")
    if told.at < now - repeat_interval and not acknowledged:
        return Decision(Occasion.REPEATED, "still firing")
    return None


def first_look(timers: Timers, fired_at: datetime, began_at: datetime | None = None) -> datetime:
    """When a new group is first told: an alert that has fired for longer than `group_wait` already goes at once.

    One that was posted came at `fired_at`, and `began_at` is what its sender says.
    """
    if began_at is not None and began_at + timers.group_wait < fired_at:
        return fired_at
    return fired_at + timers.group_wait


def next_look(timers: Timers, told: Told, flush_at: datetime, members: Iterable[Alert]) -> datetime:
    """When a group is looked at, given its regular time `flush_at`: sooner where there is nothing but good news."""
    if timers.resolve_wait is None or not told.firing:
        return flush_at
    members = list(members)
    if not members or any(alert.state is not AlertState.RESOLVED for alert in members):
        return flush_at
    last = max(alert.resolved_at or alert.active_at for alert in members)
    return min(flush_at, last + timers.resolve_wait)
