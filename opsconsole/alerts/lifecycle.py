"""An alert's life: pending, firing, resolved. Pure; what `for` and `keep_firing_for` mean is Prometheus' `rules/alerting.go`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opsconsole.model import Alert, AlertState, Finding, Labels, Transition, Verdict
from opsconsole.settings import format_duration


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verdict changes: states, and (in `refreshed`) newer values and texts of alerts that stay as they are."""

    transitions: tuple[Transition, ...] = ()
    refreshed: tuple[Alert, ...] = ()


def judge(open_alerts: Mapping[Labels, Alert], verdict: Verdict) -> Outcome:
    """Take a scope's pending and firing alerts on to what `verdict` finds; a finding said twice counts once."""
    transitions: list[Transition] = []
    refreshed: list[Alert] = []
    found: set[Labels] = set()
    for finding in verdict.findings:
        if finding.labels in found:
            continue
        found.add(finding.labels)
        before = open_alerts.get(finding.labels)
        after, reason = _present(before, finding, verdict)
        if before is None or after.state is not before.state:
            transitions.append(_transition(verdict.at, before, after, reason))
        elif after != before:
            refreshed.append(after)
    for labels, alert in open_alerts.items():
        if labels not in found:
            gone = _absent(alert, verdict.at)
            if isinstance(gone, Transition):
                transitions.append(gone)
            elif gone is not alert:
                refreshed.append(gone)
    return Outcome(tuple(transitions), tuple(refreshed))


def end(alert: Alert, at: datetime, reason: str) -> Transition:
    """End an alert now, whatever it waits for."""
    if alert.state is AlertState.PENDING:
        return Transition(at, alert.fingerprint, alert.state, None, reason)
    resolved = replace(alert, state=AlertState.RESOLVED, resolved_at=at, absent_since=alert.absent_since or at)
    return _transition(at, alert, resolved, reason)


def _present(before: Alert | None, finding: Finding, verdict: Verdict) -> tuple[Alert, str]:
    began = before.active_at if before else min(finding.since or verdict.at, verdict.at)
    firing = before is not None and before.state is AlertState.FIRING
    lasted = verdict.at - began >= finding.pending_for
    alert = Alert(
        labels=finding.labels,
        scope=verdict.scope,
        state=AlertState.FIRING if firing or lasted else AlertState.PENDING,
        active_at=began,
        annotations=finding.annotations,
        value=finding.value,
        keep_firing_for=finding.keep_firing_for,
        fired_at=before.fired_at if before and firing else verdict.at if lasted else None,
    )
    return alert, _why(finding.pending_for, lasted)


def _why(pending_for: timedelta, lasted: bool) -> str:
    if not pending_for:
        return "found"
    return f"has lasted {format_duration(pending_for)}" if lasted else f"found; waits to last {format_duration(pending_for)}"


def _absent(alert: Alert, at: datetime) -> Transition | Alert:
    if alert.state is AlertState.PENDING:
        return end(alert, at, "went away before it had lasted long enough")
    since = alert.absent_since or at
    if at - since < alert.keep_firing_for:
        return alert if alert.absent_since else replace(alert, absent_since=since)
    kept = f" for {format_duration(alert.keep_firing_for)}" if alert.keep_firing_for else ""
    return end(replace(alert, absent_since=since), at, f"no longer found{kept}")


def _transition(at: datetime, before: Alert | None, after: Alert, reason: str) -> Transition:
    return Transition(at, after.fingerprint, before.state if before else None, after, reason)
