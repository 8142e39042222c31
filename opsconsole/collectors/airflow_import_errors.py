"""Dag files that cannot be imported; a broken one makes no failed task, so nothing else tells."""

from datetime import datetime, timedelta

from opsconsole.airflow.logs import last_error_line
from opsconsole.collectors.base import PullCollector, sample
from opsconsole.history import record_import_errors
from opsconsole.model import Sample


class AirflowImportErrors(PullCollector):
    """Airflow's own time of an error moves at every parse; when a file was first seen broken is kept here."""

    name = "airflow_import_errors"
    within = timedelta(seconds=30)

    async def collect(self, now: datetime) -> list[Sample]:
        airflow = await self._target.airflow()
        errors = await airflow.import_errors()
        async with self._target.db.begin() as session:
            first_seen = await record_import_errors(session, self._target.name, errors, now)
        name = "airflow_dag_import_error_first_seen_timestamp_seconds"
        reasons = {error.key: last_error_line(error.stack_trace) or "" for error in errors}
        return [
            sample("airflow_dag_import_errors", len(first_seen), now),
            *(sample(name, at.timestamp(), now, file=file) for file, at in first_seen.items()),
            *(sample("airflow_dag_import_error_info", 1, now, file=file, error=reason) for file, reason in reasons.items()),
        ]
