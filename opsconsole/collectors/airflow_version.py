"""Which Airflow it is."""

from datetime import datetime, timedelta

from opsconsole.airflow import Airflow
from opsconsole.collectors import sequential
from opsconsole.collectors.base import PullCollector, Target, sample
from opsconsole.model import CollectError, Sample


class AirflowVersion(PullCollector):
    """Asks again now and then: an Airflow that was upgraded is to be spoken to in its new way."""

    name = "airflow_version"
    at_least = timedelta(seconds=60)

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._silent: Airflow | None = None

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
        executor = self._target.executor = await self._executor(airflow)
        return [
            sample("airflow_info", 1, now, version=airflow.version, generation=str(airflow.generation)),
            *([sample("airflow_executor_info", 1, now, executor=executor)] if executor else []),
        ]

    async def _executor(self, airflow: Airflow) -> str | None:
        """Asked each time, for it may be changed; but not again of an Airflow that did not tell."""
        told = self._target.deployment.components.scheduler.sequential
        if told and airflow.generation == 2:
            return sequential.NAME
        if told is not None or airflow is self._silent:
            return None
        try:
            executor = await airflow.executor()
        except CollectError:
            return self._target.executor
        self._silent = airflow if executor is None else None
        return executor
