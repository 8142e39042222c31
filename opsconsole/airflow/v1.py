"""Airflow 2.x: `/api/v1`."""

from typing import Any

from opsconsole.airflow.errors import Refused
from opsconsole.airflow.fields import moment, names, words
from opsconsole.airflow.nouns import Job
from opsconsole.airflow.rest import RestAirflow
from opsconsole.model import Dag, DagRun

PREFIX = "/api/v1"
_TIMED = ("scheduled", "backfill")


class AirflowV1(RestAirflow):
    generation = 2
    health_path = "/health"
    tasks_page = 1000  # taskInstances cannot be ordered, so a page must hold the whole answer; it is not clamped as others are
    dags_filter = (("only_active", "true"),)

    async def executor(self) -> str | None:
        try:
            return await self._client.get("/config/section/core/option/executor", (), _option)
        except Refused as error:
            if error.status in (403, 404):
                return None
            raise

    async def jobs(self) -> list[Job]:
        return []

    def _dag(self, item: Any) -> Dag:
        return Dag(
            dag_id=item["dag_id"],
            owners=names(item.get("owners")),
            tags=names(item.get("tags")),
            schedule=_schedule(item),
            paused=bool(item["is_paused"]),
            file=words(item.get("fileloc")),
            import_errors=bool(item.get("has_import_errors")),
            next_run_due_at=moment(item.get("next_dagrun_create_after")),
        )

    def _run(self, item: Any) -> DagRun:
        logical, interval_end = moment(item["logical_date"]), moment(item.get("data_interval_end"))
        return DagRun(
            dag_id=item["dag_id"],
            run_id=item["dag_run_id"],
            state=item["state"],
            run_type=item["run_type"],
            logical_date=logical,
            due_at=interval_end if item["run_type"] in _TIMED and interval_end else logical,
            queued_at=None,
            start_at=moment(item["start_date"]),
            end_at=moment(item["end_date"]),
        )


def _option(body: Any) -> str:
    return words(body["sections"][0]["options"][0]["value"])


def _schedule(item: Any) -> str:
    """A cron expression where there is one, else the timetable in words."""
    interval = item.get("schedule_interval")
    if isinstance(interval, dict) and interval.get("__type") == "CronExpression":
        return words(interval.get("value"))
    return words(item.get("timetable_description"))
