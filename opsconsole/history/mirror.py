"""Keeping the recorded runs and tries in step with one Airflow."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsconsole.airflow import Airflow, Page
from opsconsole.db import Database
from opsconsole.db.dags import owners_of
from opsconsole.db.runs import forget_run, open_runs_beside
from opsconsole.db.tries import Try, failed_tries_without_log
from opsconsole.db.watermarks import RUNS, RUNS_BACKFILL, TASKS, set_watermark, watermark
from opsconsole.history.dags import record_dag
from opsconsole.history.runs import begin_watching, record_runs
from opsconsole.history.slices import Slice, slices
from opsconsole.history.tries import record_earlier_tries, record_log, record_tasks
from opsconsole.model import OPEN_RUN_STATES, OPEN_TASK_STATES, CollectError, DagRun, TaskInstance

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How much one poll asks for, at most.

    `overlap` is read again at every poll: a change is stamped before its transaction commits. `look_back` is how far the
    first poll goes for tries, `log_look_back` for their logs, `backfill` for runs, of which one slice a poll is fetched.
    At most `unlisted` Dags are asked for by name.
    A log without an error is read again until the try's end was seen `log_grace` ago, one that cannot be read `log_patience`.
    """

    overlap: timedelta = timedelta(seconds=20)
    look_back: timedelta = timedelta(hours=24)
    backfill: timedelta = timedelta(days=30)
    slice_items: int = 1000
    slices: int = 5
    open_items: int = 500
    retried: int = 10
    strays: int = 10
    logs: int = 10
    unlisted: int = 10
    log_look_back: timedelta = timedelta(hours=1)
    log_grace: timedelta = timedelta(seconds=60)
    log_patience: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Polled:
    """Open runs and tasks by state, and the runs that ended since the last poll."""

    runs: Mapping[str, int]
    tasks: Mapping[str, int]
    finished: Sequence[DagRun]


class Mirror:
    """Polls one deployment's changes into the database. Each slice is committed with its watermark: a poll may stop anywhere."""

    def __init__(self, db: Database, deployment: str, pace: Pace | None = None) -> None:
        self._db, self._deployment, self._pace = db, deployment, pace or Pace()
        self._introduced: set[str] = set()

    async def poll(self, airflow: Airflow, now: datetime) -> Polled:
        """Runs are asked for before tasks and written after them, so that an ended run's tasks are never missing."""
        async with self._db.begin() as session:
            watching = await begin_watching(session, self._deployment, now)
        runs = await airflow.open_runs(self._pace.open_items)
        tasks = await airflow.open_tasks(self._pace.open_items)
        changed_runs = await self._changed_runs(airflow, now)
        retried, caught_up = await self._changed_tasks(airflow, tasks, now)
        ended = await self._write_runs(runs, changed_runs if caught_up else [], now)
        await self._introduce(airflow, ended, watching, now)
        await self._fetch_earlier_tries(airflow, retried, watching, now)
        if runs.total <= self._pace.open_items:
            await self._look_after_strays(airflow, runs, changed_runs, now)
        await self._read_logs(airflow, watching, now)
        await self._backfill(airflow, watching, now)
        return Polled(
            await _counted(runs, OPEN_RUN_STATES, airflow.count_runs),
            await _counted(tasks, OPEN_TASK_STATES, airflow.count_tasks),
            [run for run in ended if run.end_at is not None and run.end_at >= watching],
        )

    async def _since(self, feed: str, now: datetime) -> datetime:
        async with self._db.read() as session:
            at = await watermark(session, self._deployment, feed)
        return (at or now - self._pace.look_back) - self._pace.overlap

    async def _changed_runs(self, airflow: Airflow, now: datetime) -> list[Slice[DagRun]]:
        since = await self._since(RUNS, now)
        found: list[Slice[DagRun]] = []
        async for piece in slices(airflow.runs_changed, since, now, self._pace.slice_items):
            found.append(piece)
            if len(found) == self._pace.slices:
                break
        return found

    async def _changed_tasks(
        self, airflow: Airflow, still_open: Page[TaskInstance], now: datetime
    ) -> tuple[list[TaskInstance], bool]:
        """The tasks of which an earlier try is to be fetched, and whether every change was read."""
        since, read = await self._since(TASKS, now), 0
        async with self._db.begin() as session:
            retried = await record_tasks(session, self._deployment, still_open.items, now)
        async for piece in slices(airflow.tasks_changed, since, now, self._pace.slice_items):
            async with self._db.begin() as session:
                retried += await record_tasks(session, self._deployment, piece.items, now)
                await set_watermark(session, self._deployment, TASKS, piece.until)
            read += 1
            if piece.last or read == self._pace.slices:
                return retried, piece.last
        return retried, True

    async def _write_runs(self, still_open: Page[DagRun], changed: Sequence[Slice[DagRun]], now: datetime) -> list[DagRun]:
        runs = [*still_open.items, *(run for piece in changed for run in piece.items)]
        async with self._db.begin() as session:
            ended = await record_runs(session, self._deployment, runs, now)
            if changed:
                await set_watermark(session, self._deployment, RUNS, changed[-1].until)
        return ended

    async def _introduce(self, airflow: Airflow, ended: Sequence[DagRun], watching: datetime, now: datetime) -> None:
        """Ask once for each Dag that failed before it was listed, so that the notice of its failure names its owner."""
        async with self._db.read() as session:
            unread = await failed_tries_without_log(session, self._deployment, self._logs_since(watching), self._pace.logs)
            failed = {run.dag_id for run in ended if run.state == "failed"} | {attempt.dag_id for attempt in unread}
            unlisted = failed - self._introduced - (await owners_of(session, self._deployment, failed)).keys()
        for dag_id in sorted(unlisted)[: self._pace.unlisted]:
            self._introduced.add(dag_id)
            try:
                dag = await airflow.dag(dag_id)
            except CollectError as error:
                log.info("a Dag could not be asked for", extra={"deployment": self._deployment, "error": str(error)})
                continue
            if dag is not None:
                async with self._db.begin() as session:
                    await record_dag(session, self._deployment, dag, now)

    async def _fetch_earlier_tries(
        self, airflow: Airflow, retried: Sequence[TaskInstance], watching: datetime, now: datetime
    ) -> None:
        news = [task for task in retried if task.end_at is None or task.end_at >= watching]
        for task in news[: self._pace.retried]:
            tries = await airflow.tries(task)
            async with self._db.begin() as session:
                await record_earlier_tries(session, self._deployment, task, tries, now)

    async def _look_after_strays(
        self, airflow: Airflow, still_open: Page[DagRun], changed: Sequence[Slice[DagRun]], now: datetime
    ) -> None:
        """Ask for the runs that are open in our record and neither open nor changed in Airflow: ended unseen, or deleted."""
        known = [run.key for run in (*still_open.items, *(run for piece in changed for run in piece.items))]
        async with self._db.read() as session:
            strays = await open_runs_beside(session, self._deployment, known, self._pace.strays)
        for key in strays:
            run = await airflow.run(*key)
            async with self._db.begin() as session:
                if run is None:
                    await forget_run(session, self._deployment, key)
                else:
                    await record_runs(session, self._deployment, [run], now)

    async def _read_logs(self, airflow: Airflow, watching: datetime, now: datetime) -> None:
        async with self._db.read() as session:
            unread = await failed_tries_without_log(session, self._deployment, self._logs_since(watching), self._pace.logs)
        if not unread:
            return
        lines = await asyncio.gather(*(self._error_line(airflow, attempt, now) for attempt in unread))
        async with self._db.begin() as session:
            for attempt, (line, done) in zip(unread, lines, strict=True):
                if done:
                    await record_log(session, self._deployment, attempt, line, now)

    def _logs_since(self, watching: datetime) -> datetime:
        return watching - self._pace.log_look_back

    async def _error_line(self, airflow: Airflow, attempt: Try, now: datetime) -> tuple[str | None, bool]:
        """The line, and whether this try's log need not be read again: a log may be complete only some time after the end."""
        age = now - attempt.seen_at
        try:
            line = await airflow.error_line(
                attempt.dag_id, attempt.run_id, attempt.task_id, attempt.map_index, attempt.try_number
            )
        except CollectError as error:
            log.info("a task's log could not be read", extra={"deployment": self._deployment, "error": str(error)})
            return None, age >= self._pace.log_patience
        return line, line is not None or age >= self._pace.log_grace

    async def _backfill(self, airflow: Airflow, watching: datetime, now: datetime) -> None:
        """One more slice of the runs that changed before the look-back of the first poll."""
        stop = watching - self._pace.look_back
        async with self._db.read() as session:
            since = await watermark(session, self._deployment, RUNS_BACKFILL)
        since = since or watching - self._pace.backfill
        if since >= stop:
            return
        async for piece in slices(airflow.runs_changed, since, stop, self._pace.slice_items, bounded=True):
            async with self._db.begin() as session:
                await record_runs(session, self._deployment, piece.items, now)
                await set_watermark(session, self._deployment, RUNS_BACKFILL, piece.until)
            return


async def _counted(
    page: Page[DagRun] | Page[TaskInstance], states: Sequence[str], count: Callable[[str], Awaitable[int]]
) -> Mapping[str, int]:
    """How many there are of each state; asked one by one where the page does not hold them all."""
    if page.total > len(page.items):
        return {state: await count(state) for state in states}
    found = Counter(item.state for item in page.items)
    return {state: found[state] for state in states}
