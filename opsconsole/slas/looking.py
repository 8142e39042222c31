"""Looking at the mirror with the SLAs in mind."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from opsconsole.db import Session
from opsconsole.db.dags import known_dags
from opsconsole.db.runs import dags_with_older_runs, dags_with_runs, last_success_ended, runs_since
from opsconsole.db.watermarks import RUNS, WATCHING, watermark
from opsconsole.model import Dag, DagRun
from opsconsole.slas.judge import Seen, judge
from opsconsole.slas.settings import Sla
from opsconsole.slas.state import DagSla, Judgement, Kind, SlaState

STALE_AFTER = timedelta(minutes=2)
"""A mirror older than this tells nothing about now."""
_WINDOW = timedelta(days=3)


async def look(session: Session, deployment: str, slas: Sequence[Sla], now: datetime) -> list[DagSla] | None:
    """Every SLA × Dag of `deployment`; None where the mirror is missing or stale, so that nothing can be told."""
    read, since = await watermark(session, deployment, RUNS), await watermark(session, deployment, WATCHING)
    if read is None or now - read > STALE_AFTER:
        return None
    seen = await _seen(session, deployment, slas, since or read, now)
    return [one for sla in slas for one in _of(sla, seen, now)]


def untold(slas: Sequence[Sla]) -> list[DagSla]:
    """The same where nothing can be told."""
    return [_unknown(sla, "its runs were not read lately") for sla in slas]


def _of(sla: Sla, seen: dict[str, Seen], now: datetime) -> list[DagSla]:
    fitting = [one for one in seen.values() if _fits(sla, one.dag.dag_id)]
    if not fitting:
        return [_unknown(sla, f"no Dag fits {', '.join(sla.dags)}")]
    return [DagSla(sla.name, sla.deployment, one.dag.dag_id, one.dag.owners, judge(sla, one, now)) for one in fitting]


def _fits(sla: Sla, dag_id: str) -> bool:
    return any(fnmatchcase(dag_id, glob) for glob in sla.dags)


def _unknown(sla: Sla, reason: str) -> DagSla:
    kinds = [kind for kind in Kind if getattr(sla, kind.value) is not None]
    return DagSla(sla.name, sla.deployment, "", (), tuple(Judgement(kind, SlaState.UNKNOWN, reason) for kind in kinds))


async def _seen(session: Session, deployment: str, slas: Sequence[Sla], watching: datetime, now: datetime) -> dict[str, Seen]:
    """What the mirror holds of every Dag that an SLA speaks of, by name."""
    begin = now - _WINDOW
    listed = {dag.dag_id: dag for dag in await known_dags(session, deployment)}
    every = sorted({*listed, *await dags_with_runs(session, deployment, begin)})
    wanted = [dag_id for dag_id in every if any(_fits(sla, dag_id) for sla in slas)]
    runs: dict[str, list[DagRun]] = {dag_id: [] for dag_id in wanted}
    for run in await runs_since(session, deployment, wanted, begin):
        runs[run.dag_id].append(run)
    old = await dags_with_older_runs(session, deployment, wanted, begin)
    successes = await _newest_successes(session, deployment, runs, old)
    return {
        dag_id: Seen(
            dag=listed.get(dag_id) or Dag(dag_id),
            runs=runs[dag_id],
            watching_since=watching,
            newest_success=successes.get(dag_id),
            listed=dag_id in listed,
            is_old=dag_id in old,
        )
        for dag_id in wanted
    }


async def _newest_successes(
    session: Session, deployment: str, runs: dict[str, list[DagRun]], old: set[str]
) -> dict[str, datetime]:
    """From the runs at hand where they hold one; only for the others the database is asked about all times."""
    ends = {dag_id: [run.end_at for run in some if run.state == "success" and run.end_at] for dag_id, some in runs.items()}
    recent = {dag_id: max(some) for dag_id, some in ends.items() if some}
    return recent | await last_success_ended(session, deployment, old - set(recent))
