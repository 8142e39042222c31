"""Recording Dag runs."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

from opsconsole.db import Session
from opsconsole.db.moves import note_moves
from opsconsole.db.rows import Row, differs, existing, upsert
from opsconsole.db.runs import dag_runs
from opsconsole.db.watermarks import WATCHING, set_watermark, watermark
from opsconsole.model import FINAL_RUN_STATES, DagRun


async def record_runs(session: Session, deployment: str, runs: Iterable[DagRun], now: datetime) -> list[DagRun]:
    """Write what changed; the runs that ended since they were recorded last, a run that was cleared and ended anew included."""
    newest = {run.key: run for run in runs}
    before = {
        (row["dag_id"], row["run_id"]): row for row in await existing(session, dag_runs, ("dag_id", "run_id"), newest, deployment)
    }
    rows = {key: {**asdict(run), "deployment": deployment, "seen_at": now} for key, run in newest.items()}
    changed = {key: row for key, row in rows.items() if differs(row, before.get(key))}
    await upsert(session, dag_runs, list(changed.values()))
    await note_moves(session, deployment, {dag_id for dag_id, _ in changed})
    return [run for key, run in newest.items() if _ended(run, before.get(key))]


def _ended(run: DagRun, before: Row | None) -> bool:
    if run.state not in FINAL_RUN_STATES:
        return False
    return before is None or before["state"] not in FINAL_RUN_STATES or before["end_at"] != run.end_at


async def begin_watching(session: Session, deployment: str, now: datetime) -> datetime:
    """When the console first looked at this deployment; now, if it never did."""
    since = await watermark(session, deployment, WATCHING)
    if since is None:
        await set_watermark(session, deployment, WATCHING, now)
    return since or now
