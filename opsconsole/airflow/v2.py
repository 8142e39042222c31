"""Airflow 3.x: `/api/v2`."""

from typing import Any

from opsconsole.airflow.fields import moment, names, words
from opsconsole.airflow.nouns import Job
from opsconsole.airflow.rest import RestAirflow
from opsconsole.model import Dag, DagRun

PREFIX = "/api/v2"
_COMPONENT = {"SchedulerJob": "scheduler", "TriggererJob": "triggerer", "DagProcessorJob": "dag_processor"}


class AirflowV2(RestAirflow):
    generation = 3
    health_path = "/monitor/health"
    tasks_order = (("order_by", "id"),)
    dags_filter = (("exclude_stale", "true"),)

    async def executor(self) -> str | None:
        return None

    async def jobs(self) -> list[Job]:
        parameters = (("job_state", "running"), ("order_by", "-latest_heartbeat"))
        jobs = await self._client.all("/jobs", "jobs", parameters, _job)
        return [self._by_our_clock(job, "start_at", "end_at", "heartbeat_at") for job in jobs if job.component]

    def _dag(self, item: Any) -> Dag:
        return Dag(
            dag_id=item["dag_id"],
            owners=names(item.get("owners")),
            tags=names(item.get("tags")),
            schedule=words(item.get("timetable_summary")),
            paused=bool(item["is_paused"]),
            file=words(item.get("fileloc") or item.get("relative_fileloc")),
            import_errors=bool(item.get("has_import_errors")),
            next_run_due_at=moment(item.get("next_dagrun_run_after")),
        )

    def _run(self, item: Any) -> DagRun:
        logical = moment(item.get("logical_date"))
        return DagRun(
            dag_id=item["dag_id"],
            run_id=item["dag_run_id"],
            state=item["state"],
            run_type=item["run_type"],
            logical_date=logical,
            due_at=moment(item.get("run_after")) or logical,
            queued_at=moment(item.get("queued_at")),
            start_at=moment(item["start_date"]),
            end_at=moment(item["end_date"]),
        )


def _job(item: Any) -> Job:
    """A daemon's row; `component` is empty for a kind that the console does not watch."""
    return Job(
        job_id=int(item["id"]),
        component=_COMPONENT.get(item["job_type"], ""),
        hostname=words(item.get("hostname")),
        state=words(item.get("state")),
        start_at=moment(item.get("start_date")),
        end_at=moment(item.get("end_date")),
        heartbeat_at=moment(item.get("latest_heartbeat")),
    )
