"""Watching the mirror for tasks and runs that finally failed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from opsconsole.airflow.links import Links
from opsconsole.db import Database, Session
from opsconsole.db.dags import owners_of
from opsconsole.db.moves import Moves, newest_moves
from opsconsole.db.runs import failed_runs_without_task, first_judged, last_success_due, last_task_success_due, runs_by_id
from opsconsole.db.tries import failed_tries, newest_tries
from opsconsole.failures.findings import Speaker
from opsconsole.failures.judge import Failure, Successes, standing, still_failing
from opsconsole.failures.record import Record, read_record
from opsconsole.failures.settings import Settings
from opsconsole.model import Verdict


class FailureWatch:
    """Gives one verdict a deployment, every few seconds.

    A failure ends when its task or run was cleared and came to another end, when a newer run of the Dag (or of the task)
    succeeded, or after `settings.keep`. What had failed before the console first looked at a deployment is not told.
    """

    def __init__(
        self,
        db: Database,
        settings: Settings,
        deployments: Sequence[str],
        take: Callable[[Verdict], Awaitable[None]],
        links: Callable[[str], Links | None],
    ) -> None:
        """`links(deployment)` is None until it is known which generation of Airflow answers there."""
        self._db, self._take, self._links = db, take, links
        self._watches = [Watching(db, settings, deployment) for deployment in deployments]

    async def step(self, now: datetime) -> None:
        async with self._db.read() as session:
            moves = await newest_moves(session)
        for watch in self._watches:
            verdict = await watch.judge(now, self._links(watch.deployment), moves.get(watch.deployment, Moves()))
            if verdict is not None:
                await self._take(verdict)


@dataclass(frozen=True, slots=True)
class _Looked:
    """The last look at the record, when it had moved so often: so it stands from `at` to just before `until`, None for ever."""

    moves: Moves
    at: datetime
    until: datetime | None

    def lasts(self, moves: Moves, now: datetime) -> bool:
        return moves == self.moves and self.at <= now and (self.until is None or now < self.until)


class Watching:
    """One deployment: remembers what it told, and since when it has been holding new failures back."""

    def __init__(self, db: Database, settings: Settings, deployment: str) -> None:
        self._db, self._settings, self.deployment = db, settings, deployment
        self._told: dict[tuple[str, ...], Failure] = {}
        self._waiting: dict[tuple[str, ...], datetime] = {}
        self._since: datetime | None = None
        self._owners: dict[str, str] = {}
        self._record = Record()
        self._looked: _Looked | None = None

    async def judge(self, now: datetime, links: Links | None, moves: Moves) -> Verdict | None:
        """None where nothing of the deployment was mirrored yet; `moves` were counted before, and what they say is seen."""
        if self._since is None:
            async with self._db.begin() as session:
                self._since = await first_judged(session, self.deployment)
        if self._since is None:
            return None
        if self._looked is None or not self._looked.lasts(moves, now):
            await self._look(self._since, moves, now)
        speaker = Speaker(self.deployment, self._settings, self._owners, links, self._record)
        return Verdict(f"failures/{self.deployment}", now, speaker.findings(self._told.values()))

    async def _look(self, since: datetime, moves: Moves, now: datetime) -> None:
        async with self._db.read() as session:
            failures = await self._standing(session, max(since, now - self._settings.keep))
            self._owners = await owners_of(session, self.deployment, {failure.dag_id for failure in failures})
            self._record = await read_record(session, self.deployment, failures)
        told = [failure for failure in failures if self._may_tell(failure, now)]
        self._told = {failure.key: failure for failure in told}
        held_back = {failure.key for failure in failures} - set(self._told)
        self._waiting = {key: at for key, at in self._waiting.items() if key in held_back}
        ends = [failure.end_at + self._settings.keep if failure.end_at else now for failure in failures]
        self._looked = _Looked(moves, now, now if self._waiting else min(ends, default=None))

    async def _standing(self, session: Session, since: datetime) -> list[Failure]:
        tries = await failed_tries(session, self.deployment, since)
        failed_runs = await failed_runs_without_task(session, self.deployment, since)
        runs = await runs_by_id(session, self.deployment, {one.run_id for one in tries})
        found = [Failure(one.dag_id, one.run_id, runs.get(one.run_key), one) for one in tries]
        found += [Failure(run.dag_id, run.run_id, run) for run in failed_runs]
        found += await self._reopened(session, {failure.key for failure in found}, since)
        dag_ids = {failure.dag_id for failure in found}
        if not dag_ids:
            return []
        successes = Successes(
            await last_success_due(session, self.deployment, dag_ids),
            await last_task_success_due(session, self.deployment, dag_ids, since),
        )
        return standing(found, successes)

    async def _reopened(self, session: Session, found: set[tuple[str, ...]], since: datetime) -> list[Failure]:
        gone = [one for key, one in self._told.items() if key not in found and (one.end_at is None or one.end_at > since)]
        if not gone:
            return []
        run_ids = {failure.run_id for failure in gone}
        tries = await newest_tries(session, self.deployment, run_ids)
        runs = await runs_by_id(session, self.deployment, run_ids)
        return still_failing(gone, tries, runs)

    def _may_tell(self, failure: Failure, now: datetime) -> bool:
        """A new failure waits shortly for its last log line, but not one that an earlier process may have told already."""
        if self._looked is None or failure.key in self._told or failure.is_read:
            return True
        return now - self._waiting.setdefault(failure.key, now) >= self._settings.grace
