"""Watching SLAs: what is missed now, as findings."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from opsconsole.airflow.links import Links
from opsconsole.db import Database
from opsconsole.model import Finding, Labels, Verdict
from opsconsole.settings import format_duration
from opsconsole.slas.looking import STALE_AFTER, Looking, mirrored, untold
from opsconsole.slas.settings import Sla
from opsconsole.slas.state import DagSla, Judgement, Kind

_WORDS = {
    Kind.DEADLINE: "missed its deadline",
    Kind.MAX_START_DELAY: "starts too late",
    Kind.FRESHNESS: "is not fresh",
}
_PROMISES = {
    Kind.DEADLINE: "a run has succeeded by",
    Kind.MAX_DURATION: "a run takes at most",
    Kind.MAX_START_DELAY: "a run starts late by at most",
    Kind.FRESHNESS: "the last success is never older than",
}


class SlaWatch:
    """Gives one verdict a deployment, every few seconds; none where its runs were not read lately."""

    def __init__(
        self,
        db: Database,
        slas: Sequence[Sla],
        deployments: Sequence[str],
        take: Callable[[Verdict], Awaitable[None]],
        links: Callable[[str], Links | None],
    ) -> None:
        """`deployments` are all there are: one that lost its last SLA has nothing wrong any more."""
        self._db, self._take, self._links = db, take, links
        self._slas = {name: [sla for sla in slas if sla.deployment == name] for name in deployments}
        self._lookings = {name: Looking(db, name, of) for name, of in self._slas.items() if of}
        self._stand: dict[str, tuple[datetime, Sequence[DagSla]]] = {}

    async def step(self, now: datetime) -> None:
        async with self._db.read() as session:
            marks = await mirrored(session) if self._lookings else {}
        for deployment, slas in self._slas.items():
            looked: Sequence[DagSla] | None = []
            if slas:
                looked = await self._lookings[deployment].look(marks.get(deployment), now)
            self._stand[deployment] = now, untold(slas) if looked is None else looked
            if looked is not None:
                links = self._links(deployment)
                by_name = {sla.name: sla for sla in slas}
                found = [finding(by_name[one.sla], one, how, links) for one in looked for how in one.judgements if how.live]
                await self._take(Verdict(f"slas/{deployment}", now, tuple(found)))

    async def standing(self, now: datetime) -> list[DagSla]:
        """Every SLA × Dag as the last look found it, for pages: many may be open. Unknown where that is long ago."""
        found: list[DagSla] = []
        for deployment, slas in self._slas.items():
            at, looked = self._stand.get(deployment, (now, untold(slas)))
            found += untold(slas) if now - at > STALE_AFTER else looked
        return found


def finding(sla: Sla, one: DagSla, how: Judgement, links: Links | None) -> Finding:
    """The text stays the same for as long as the miss lasts."""
    promised = getattr(sla, how.kind.value)
    allowed = str(promised) if how.kind is Kind.DEADLINE else format_duration(promised)
    annotations = {
        "summary": f"{one.deployment}: {one.dag_id} {_said(how, allowed)}",
        "description": f"SLA {sla.name!r}: {_PROMISES[how.kind]} {allowed}.",
        "owner": ", ".join(one.owners),
        "duration": f"more than {allowed}" if how.kind is Kind.MAX_DURATION else "",
        "run_url": _page(one, how, links),
        "runbook_url": "docs/runbooks/sla-missed.md",
    }
    labels = Labels(
        alertname="SLAMissed",
        severity=sla.severity,
        deployment=one.deployment,
        sla=one.sla,
        dag_id=one.dag_id,
        kind=how.kind.value,
        run_id=how.run_id,
    )
    return Finding(labels, {name: text for name, text in annotations.items() if text}, since=how.since)


def _page(one: DagSla, how: Judgement, links: Links | None) -> str:
    if links is None:
        return ""
    return links.run(one.dag_id, how.run_id) if how.run_id else links.dag(one.dag_id)


def _said(how: Judgement, allowed: str) -> str:
    """Short enough for a title: the run of an overrun is a fact of its own."""
    return f"runs longer than {allowed}" if how.kind is Kind.MAX_DURATION else f"{_WORDS[how.kind]} ({how.reason})"
