"""Looking at the mirror with the SLAs in mind."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from opsconsole.db import Database, Session
from opsconsole.db.dags import known_dags
from opsconsole.db.moves import Moves, moved_after, newest_moves
from opsconsole.db.runs import dags_with_older_runs, dags_with_runs, last_success_ended, runs_since
from opsconsole.db.watermarks import RUNS, WATCHING, every_watermark
from opsconsole.model import Dag, DagRun
from opsconsole.slas.judge import Seen, judge
from opsconsole.slas.lasting import until
from opsconsole.slas.settings import Sla
from opsconsole.slas.state import DagSla, Judgement, Kind, SlaState

STALE_AFTER = timedelta(minutes=2)
"""A mirror older than this tells nothing about now."""
_WINDOW = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Mirrored:
    """How far a deployment is mirrored: when its runs were read last and first, and the number of its newest change."""

    read: datetime
    watching_since: datetime
    moves: int


async def mirrored(session: Session) -> dict[str, Mirrored]:
    """Of each deployment whose runs were read; the changes up to `moves` are seen by whoever looks after this."""
    moves, marks = await newest_moves(session), await every_watermark(session, (RUNS, WATCHING))
    return {
        deployment: Mirrored(at, marks.get((deployment, WATCHING), at), moves.get(deployment, Moves()).dags)
        for (deployment, feed), at in marks.items()
        if feed == RUNS
    }


@dataclass(frozen=True, slots=True)
class _Judged:
    """A Dag under the SLAs that fit it, by name. It stands so from `at` to just before `until`, unless its record moves."""

    at: datetime
    until: datetime
    slas: Mapping[str, DagSla]


class Looking:
    """Looks at one deployment again and again; reads a Dag anew where its record moved, or time may change how it stands."""

    def __init__(self, db: Database, deployment: str, slas: Sequence[Sla]) -> None:
        self._db, self._deployment, self._slas = db, deployment, slas
        self._watching_since: datetime | None = None
        self._moves = 0
        self._dags: dict[str, _Judged] = {}
        self._found: list[DagSla] = []

    async def look(self, at: Mirrored | None, now: datetime) -> Sequence[DagSla] | None:
        """Every SLA × Dag; None where the mirror is missing or stale, so that nothing can be told."""
        if at is None or now - at.read > STALE_AFTER:
            return None
        if at.watching_since != self._watching_since or at.moves < self._moves:
            async with self._db.read() as session:
                judged = await self._judged(session, None, at, now)
            self._keep(judged, at)
            return self._found
        again = {dag_id for dag_id, one in self._dags.items() if not one.at <= now < one.until}
        if again or at.moves != self._moves:
            async with self._db.read() as session:
                again |= await moved_after(session, self._deployment, self._moves)
                judged = await self._judged(session, again, at, now)
            self._keep({dag_id: one for dag_id, one in self._dags.items() if dag_id not in again} | judged, at)
        return self._found

    async def _judged(self, session: Session, dag_ids: Collection[str] | None, at: Mirrored, now: datetime) -> dict[str, _Judged]:
        seen = await _seen(session, self._deployment, self._slas, dag_ids, at.watching_since, now)
        return {dag_id: self._one(one, now) for dag_id, one in seen.items()}

    def _one(self, seen: Seen, now: datetime) -> _Judged:
        dag, fitting = seen.dag, [sla for sla in self._slas if _fits(sla, seen.dag.dag_id)]
        slas = {sla.name: DagSla(sla.name, sla.deployment, dag.dag_id, dag.owners, judge(sla, seen, now)) for sla in fitting}
        return _Judged(now, until(fitting, seen, _WINDOW, now), slas)

    def _keep(self, dags: dict[str, _Judged], at: Mirrored) -> None:
        self._dags = {dag_id: dags[dag_id] for dag_id in sorted(dags)}
        self._watching_since, self._moves = at.watching_since, at.moves
        self._found = [one for sla in self._slas for one in self._of(sla)]

    def _of(self, sla: Sla) -> list[DagSla]:
        fitting = [one.slas[sla.name] for one in self._dags.values() if sla.name in one.slas]
        return fitting or [_unknown(sla, f"no Dag fits {', '.join(sla.dags)}")]


def untold(slas: Sequence[Sla]) -> list[DagSla]:
    """The same where nothing can be told."""
    return [_unknown(sla, "its runs were not read lately") for sla in slas]


def _fits(sla: Sla, dag_id: str) -> bool:
    return any(fnmatchcase(dag_id, glob) for glob in sla.dags)


def _unknown(sla: Sla, reason: str) -> DagSla:
    kinds = [kind for kind in Kind if getattr(sla, kind.value) is not None]
    return DagSla(sla.name, sla.deployment, "", (), tuple(Judgement(kind, SlaState.UNKNOWN, reason) for kind in kinds))


async def _seen(
    session: Session, deployment: str, slas: Sequence[Sla], dag_ids: Collection[str] | None, watching: datetime, now: datetime
) -> dict[str, Seen]:
    """What the mirror holds of every Dag (or of those among `dag_ids`) that an SLA speaks of, by name."""
    begin = now - _WINDOW
    if dag_ids is not None:
        dag_ids = [dag_id for dag_id in dag_ids if any(_fits(sla, dag_id) for sla in slas)]
    listed = {dag.dag_id: dag for dag in await known_dags(session, deployment, dag_ids)}
    every = {*listed, *await dags_with_runs(session, deployment, begin, dag_ids)}
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
