"""What pages are given: everything they may read or do, as one frozen value that the service builds."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from opsconsole.alerts.incidents import Incidents
from opsconsole.alerts.keeper import AlertKeeper
from opsconsole.alerts.muting import Muted
from opsconsole.alerts.settings import Alerting
from opsconsole.alerts.silencing import Silences
from opsconsole.clock import Clock
from opsconsole.collectors.standing import Standing
from opsconsole.dashboards.model import Dashboard
from opsconsole.db import Database, GroupWriter
from opsconsole.model import Alert, Labels, Matcher, MetricsReader, MetricsStore, Querier
from opsconsole.notify.settings import Receiver
from opsconsole.rules.evaluation import Evaluated
from opsconsole.rules.groups import AlertingRule, RecordingRule, RuleGroup
from opsconsole.settings import Secret
from opsconsole.slas.state import DagSla
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.metadata import Metadata
from opsconsole.web.changes import Changes
from opsconsole.web.settings import AuthSettings, ServerSettings


@dataclass(frozen=True)
class Deployment:
    """A watched Airflow, as pages name it; `expected` is how many of each component there should be."""

    name: str
    url: str
    labels: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[str, int] = field(default_factory=dict)
    interval: timedelta = timedelta(seconds=15)


@dataclass(frozen=True)
class SelfCheck:
    """One thing that must hold for the console to be ready; `problem` answers what is wrong, or nothing."""

    name: str
    problem: Callable[[datetime], Awaitable[str]]
    vital: bool = False
    """A vital check that fails says that the process should be restarted (`/livez`), not only that it is not ready."""


def _nothing_collects(deployment: str | None) -> Sequence[Standing]:
    return ()


async def _nothing_promised(now: datetime) -> Sequence[DagSla]:
    return ()


@dataclass(frozen=True, slots=True)
class GroupStanding:
    """How a rule group fared last, and its rules by their place in it."""

    whole: Evaluated | None = None
    rules: Mapping[int, Evaluated] = field(default_factory=dict)


class NoSeries:
    """A `MetricsReader` that knows none."""

    async def labels(
        self, matchers: Sequence[Matcher] = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[Labels]:
        return []

    async def label_names(
        self, matchers: Sequence[Matcher] = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[str]:
        return []

    async def label_values(
        self, name: str, matchers: Sequence[Matcher] = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[str]:
        return []


@dataclass(frozen=True)
class Console:
    """`reload` reads the configuration anew and answers what is wrong with it, or nothing and it is in force.

    `standings` answers how a deployment's collectors fared last (of all deployments, for None); `promised` how every SLA
    stands; `alerts` which alerts are open, `muted` why one of such labels is not told, if it is not; `evaluated` how the rule
    group of that key fared. `compat` is the Prometheus whose ways the query language has, 2 or 3. `metadata` holds what
    exporters and senders tell of their metrics.
    """

    db: Database
    writer: GroupWriter
    clock: Clock
    telemetry: Telemetry
    querier: Querier
    server: ServerSettings
    auth: AuthSettings
    deployments: tuple[Deployment, ...] = ()
    dashboards: tuple[Dashboard, ...] = ()
    rules: tuple[RuleGroup, ...] = ()
    runbooks: Path | None = None
    checks: tuple[SelfCheck, ...] = ()
    ping_key: Secret | None = None
    promised: Callable[[datetime], Awaitable[Sequence[DagSla]]] = _nothing_promised
    reload: Callable[[], list[str]] | None = None
    changes: Changes = field(default_factory=Changes)
    standings: Callable[[str | None], Sequence[Standing]] = _nothing_collects
    reader: MetricsReader = field(default_factory=NoSeries)
    alerts: Callable[[], Sequence[Alert]] = tuple
    muted: Callable[[Labels, datetime], Muted] = lambda labels, now: Muted()
    silences: Silences | None = None
    keeper: AlertKeeper | None = None
    incidents: Incidents | None = None
    alerting: Alerting = field(default_factory=Alerting)
    receivers: tuple[Receiver, ...] = ()
    evaluated: Callable[[str], GroupStanding] = lambda key: GroupStanding()
    compat: Literal[2, 3] = 3
    query_timeout: timedelta = timedelta(minutes=2)
    """How long a query or a look-up of series may take, its wait included."""
    metadata: Metadata = field(default_factory=Metadata)
    store: MetricsStore | None = None
    """Where samples go that are written to the console."""

    def deployment(self, name: str) -> Deployment | None:
        return next((deployment for deployment in self.deployments if deployment.name == name), None)

    def alerting_rule(self, scope: str) -> AlertingRule | None:
        """The rule whose alerts live under `scope`."""
        every = (rule for group in self.rules for rule in group.rules)
        return next((rule for rule in every if isinstance(rule, AlertingRule) and rule.scope == scope), None)

    def recorded(self) -> Mapping[str, str]:
        """The expressions of recording rules, by the name of what they record."""
        return {rule.name: rule.expr for group in self.rules for rule in group.rules if isinstance(rule, RecordingRule)}
