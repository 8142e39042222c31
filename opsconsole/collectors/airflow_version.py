"""Which Airflow it is."""

from datetime import datetime, timedelta

from opsconsole.collectors.base import PullCollector, sample
from opsconsole.model import CollectError, Sample


class AirflowVersion(PullCollector):
    """Asks again now and then: an Airflow that was upgraded is to be spoken to in its new way."""

    name = "airflow_version"
    at_least = timedelta(seconds=60)

    async def collect(self, now: datetime) -> list[Sample]:
        airflow = await self._target.airflow()
        try:
            version = await airflow.ask_version()
        except CollectError as error:
            if not error.retryable:
                self._target.forget()
            raise
        if version != airflow.version:
            self._target.forget()
            airflow = await self._target.airflow()
        return [sample("airflow_info", 1, now, version=airflow.version, generation=str(airflow.generation))]
