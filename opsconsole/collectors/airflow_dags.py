"""The Dags that Airflow knows: owners, schedules, and when each is due next."""

from collections import Counter
from datetime import datetime, timedelta

from opsconsole.collectors.base import PullCollector, sample
from opsconsole.history import record_dags
from opsconsole.model import Sample


class AirflowDags(PullCollector):
    name = "airflow_dags"
    at_least = timedelta(seconds=60)
    within = timedelta(seconds=60)

    async def collect(self, now: datetime) -> list[Sample]:
        airflow = await self._target.airflow()
        dags = await airflow.dags()
        async with self._target.db.begin() as session:
            await record_dags(session, self._target.name, dags, now)
        paused = Counter(dag.paused for dag in dags)
        return [sample("airflow_dags", paused[state], now, paused=str(state).lower()) for state in (False, True)]
