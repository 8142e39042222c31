"""What is said of failures."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from opsconsole.airflow.links import Links
from opsconsole.db.tries import Try
from opsconsole.failures.judge import Failure
from opsconsole.failures.record import Record
from opsconsole.failures.settings import Settings
from opsconsole.model import DagRun, Finding, Labels
from opsconsole.settings import format_duration

_NAMED = 5


class Speaker:
    """Turns the failures of one deployment into findings; `links` is None until its Airflow was reached."""

    def __init__(
        self, deployment: str, settings: Settings, owners: Mapping[str, str], links: Links | None, record: Record = Record()
    ) -> None:
        self._deployment, self._settings, self._owners, self._links = deployment, settings, owners, links
        self._record = record

    def findings(self, failures: Iterable[Failure]) -> tuple[Finding, ...]:
        """One for each, but one in all for a run with too many failed tasks."""
        runs: dict[tuple[str, str], list[Failure]] = defaultdict(list)
        for failure in failures:
            runs[failure.dag_id, failure.run_id].append(failure)
        found: list[Finding] = []
        for several in runs.values():
            if len(several) > self._settings.fold_above:
                found.append(self._folded(several))
            else:
                found += [self._task(one, one.task) if one.task else self._run(one) for one in several]
        return tuple(found)

    def _task(self, failure: Failure, task: Try) -> Finding:
        labels = {"task_id": task.task_id, "map_index": str(task.map_index) if task.map_index >= 0 else ""}
        log_url = ""
        if self._links is not None:
            log_url = self._links.log(task.dag_id, task.run_id, task.task_id, task.try_number, task.map_index)
        what = f"{task.dag_id}.{task.task_id}" + (f"[{task.map_index}]" if task.map_index >= 0 else "")
        told = f"{task.try_number} of {max(task.max_tries, task.try_number)}"
        return self._finding(
            failure,
            "AirflowTaskFailed",
            labels,
            {
                "summary": f"{self._deployment}: {what} failed, try {told}",
                "error": task.error_line or "",
                "try": told,
                "duration": _took(task.start_at, task.end_at),
                "log_url": log_url,
            },
        )

    def _run(self, failure: Failure) -> Finding:
        return self._finding(
            failure,
            "AirflowDagRunFailed",
            {},
            {
                "summary": f"{self._deployment}: run of {failure.dag_id} failed without a failed task",
                "duration": _took(failure.run.start_at, failure.run.end_at) if failure.run else "",
            },
        )

    def _folded(self, several: list[Failure]) -> Finding:
        """The same alert name as its tasks', so that a run whose failures grow past the limit stays one incident."""
        names = sorted({failure.task.task_id for failure in several if failure.task})
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        first = min(several, key=lambda failure: (failure.end_at is None, failure.end_at))
        error = next((one.task.error_line for one in several if one.task and one.task.error_line), "")
        return self._finding(
            first,
            "AirflowTaskFailed",
            {},
            {
                "summary": f"{self._deployment}: {len(several)} tasks failed in a run of {first.dag_id}",
                "description": f"Failed: {', '.join(names[:_NAMED])}{more}.",
                "error": error,
            },
            value=float(len(several)),
        )

    def _finding(
        self, failure: Failure, alertname: str, labels: Mapping[str, str], texts: Mapping[str, str], value: float | None = None
    ) -> Finding:
        page = "task-failed" if alertname == "AirflowTaskFailed" else "dag-run-failed"
        annotations = {
            **texts,
            "owner": self._owners.get(failure.dag_id, ""),
            **_of_run(failure.run),
            **self._record.annotations(failure),
            "run_url": self._links.run(failure.dag_id, failure.run_id) if self._links else "",
            "runbook_url": f"docs/runbooks/{page}.md",
        }
        return Finding(
            labels=Labels(
                labels,
                alertname=alertname,
                severity=self._settings.severity,
                deployment=self._deployment,
                dag_id=failure.dag_id,
                run_id=failure.run_id,
            ),
            annotations={name: text for name, text in annotations.items() if text},
            value=value,
            since=failure.end_at,
        )


def _of_run(run: DagRun | None) -> dict[str, str]:
    if run is None:
        return {}
    logical = run.logical_date.isoformat(timespec="seconds") if run.logical_date else ""
    return {"run_type": run.run_type, "logical_date": logical}


def _took(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None or end < start:
        return ""
    seconds = round((end - start).total_seconds())
    return format_duration(timedelta(seconds=seconds))
