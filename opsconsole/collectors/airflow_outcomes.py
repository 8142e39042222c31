"""How runs ended over a day, a week and a month: counted in the recorded history, so it is true from the first look on."""

from datetime import datetime, timedelta
from typing import ClassVar

from opsconsole.collectors.base import PullCollector, sample
from opsconsole.db.runs import ended_counts, failing_dags
from opsconsole.model import FINAL_RUN_STATES, Sample

WINDOWS = {"1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_MOST_DAGS = 20


class AirflowOutcomes(PullCollector):
    """Asks nothing of Airflow. Only the Dags that failed most have a series of their own."""

    name = "airflow_outcomes"
    every: ClassVar[timedelta] = timedelta(seconds=60)

    async def collect(self, now: datetime) -> list[Sample]:
        samples: list[Sample] = []
        async with self._target.db.read() as session:
            for window, length in WINDOWS.items():
                ended = await ended_counts(session, self._target.name, now - length)
                failing = await failing_dags(session, self._target.name, now - length, _MOST_DAGS)
                samples += [
                    *(
                        sample("airflow_dag_runs_ended", ended.get(state, 0), now, state=state, window=window)
                        for state in FINAL_RUN_STATES
                    ),
                    *(sample("airflow_dag_failed_runs", count, now, dag_id=dag, window=window) for dag, count in failing.items()),
                ]
        return samples
