"""Dag runs and task states, polled incrementally and mirrored into the database."""

from collections import Counter
from datetime import datetime, timedelta

from opsconsole.collectors.base import PullCollector, Target, counted, sample
from opsconsole.collectors.settings import Deployment
from opsconsole.db.dags import known_dags
from opsconsole.history import Mirror, Polled
from opsconsole.model import FINAL_RUN_STATES, Sample

Key = tuple[str, str]
"""A Dag's id and the state its run ended in."""
_JUST_BEFORE = timedelta(seconds=1)


class AirflowRuns(PullCollector):
    """Every run that ends while the console watches is counted once, whatever is polled twice; a Dag's counters begin at 0."""

    name = "airflow_runs"

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._mirror = Mirror(target.db, target.name)
        self._finished: Counter[Key] = Counter()

    @classmethod
    def deadline(cls, deployment: Deployment) -> timedelta:
        """Long: a backlog takes a while, and what was read by then is kept."""
        return max(4 * deployment.interval, timedelta(seconds=60))

    async def collect(self, now: datetime) -> list[Sample]:
        airflow = await self._target.airflow()
        polled = await self._mirror.poll(airflow, now)
        newborn = await self._count(polled)
        return [
            *counted("airflow_dag_runs", "state", polled.runs, now),
            *counted("airflow_task_instances", "state", polled.tasks, now),
            *(_finished(key, 0, now - _JUST_BEFORE) for key in newborn),
            *(_finished(key, count, now) for key, count in self._finished.items()),
        ]

    async def _count(self, polled: Polled) -> list[Key]:
        """The counters that begin with a run of a Dag not told yet: without a 0 before it, that run is in no `increase`."""
        before = set(self._finished)
        async with self._target.db.read() as session:
            dags = await known_dags(session, self._target.name)
        for dag in dags:
            for state in FINAL_RUN_STATES:
                self._finished.setdefault((dag.dag_id, state), 0)
        ended = [(run.dag_id, run.state) for run in polled.finished]
        newborn = [key for key in dict.fromkeys(ended) if key not in before]
        self._finished.update(ended)
        return newborn


def _finished(key: Key, count: int, at: datetime) -> Sample:
    return sample("airflow_dag_run_finished_total", count, at, dag_id=key[0], state=key[1])
