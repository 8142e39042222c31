"""Telling people that rules see nothing: no rule can, since rules are what cannot look."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from opsconsole.cluster.querier import ClusterQuerier
from opsconsole.cluster.store import ClusterStore
from opsconsole.model import Finding, Labels, QueryError, Verdict

SCOPE = "metrics"
PENDING_FOR = timedelta(minutes=1)


class ClusterWatch:
    """Gives a verdict every few seconds: whether the cluster takes samples and answers queries."""

    def __init__(self, store: ClusterStore, querier: ClusterQuerier, take: Callable[[Verdict], Awaitable[None]]) -> None:
        self._store, self._querier, self._take = store, querier, take

    async def step(self, now: datetime) -> None:
        reason = await self._reason(now)
        await self._take(Verdict(SCOPE, now, (finding(reason),) if reason else ()))

    async def _reason(self, now: datetime) -> str:
        if reason := self._store.problem or self._store.refusal:
            return reason
        try:
            await self._querier.instant("1", now)
        except QueryError as error:
            return str(error)
        return ""


def finding(reason: str) -> Finding:
    """The summary stays the same while it lasts."""
    return Finding(
        labels=Labels(alertname="MetricsClusterAway", severity="critical", component="console"),
        annotations={
            "summary": "console: rules see nothing, the metrics cluster is away",
            "description": f"Alerts of rules neither fire nor resolve meanwhile, and samples wait on disk. {reason}",
            "runbook_url": "docs/runbooks/metrics-cluster-away.md",
        },
        pending_for=PENDING_FOR,
    )
