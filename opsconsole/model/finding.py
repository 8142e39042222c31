"""What a source says is wrong now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opsconsole.model.labels import Labels


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong now, said anew at every evaluation for as long as it is wrong.

    `labels` identify it (always `alertname`, `severity` and, where there is one, `deployment`) and must not change while
    it lasts. `pending_for` and `keep_firing_for` are Prometheus' `for` and `keep_firing_for`. `since` is when the thing
    itself began, where the source knows better than the first evaluation that saw it.
    """

    labels: Labels
    annotations: Mapping[str, str] = field(default_factory=dict)
    value: float | None = None
    pending_for: timedelta = timedelta(0)
    keep_firing_for: timedelta = timedelta(0)
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A source's whole answer: everything that is wrong in its `scope` at `at`.

    An alert of the scope that `findings` no longer names has ended. A source that could not look gives no verdict, so
    that nothing resolves for want of data. Scopes are stable text such as `rules/scheduler.yaml;scheduler`,
    `heartbeats`, `slas`, `failures/prod`.
    """

    scope: str
    at: datetime
    findings: tuple[Finding, ...]
