"""Every daemon replica of a 3.x, the dead ones too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsconsole.airflow import Job
from opsconsole.collectors.base import PullCollector, counted, sample
from opsconsole.model import Sample

_COMPONENTS = ("scheduler", "triggerer", "dag_processor")
_STALE_AFTER = timedelta(seconds=30)
"""Airflow's default threshold (`scheduler_health_check_threshold` and its likes); heartbeats are written every 5 s."""
_FORGOTTEN_AFTER = timedelta(hours=24)
_START_TO_FIRST_BEAT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Replicas:
    alive: Sequence[Job]
    lost: Sequence[Job]


def replicas(jobs: Sequence[Job], now: datetime, expected: int | None = None) -> Replicas:
    """Who of one component's running jobs is alive, and who was lost and not replaced.

    A killed daemon's row says `running` for ever. It counts as lost until a daemon that started after its last heartbeat
    takes its place (one each), until as many as expected are alive, or for a day.
    """
    alive = [job for job in jobs if _age(job, now) <= _STALE_AFTER]
    stale = sorted((job for job in jobs if _STALE_AFTER < _age(job, now) <= _FORGOTTEN_AFTER), key=_beat)
    starts = sorted(job.start_at for job in alive if job.start_at is not None)
    lost: list[Job] = []
    for job in stale:
        replacement = next((start for start in starts if start >= _beat(job) - _START_TO_FIRST_BEAT), None)
        if replacement is None:
            lost.append(job)
        else:
            starts.remove(replacement)
    missing = len(lost) if expected is None else max(0, expected - len(alive))
    return Replicas(alive, lost[-missing:] if missing else [])


def _beat(job: Job) -> datetime:
    beat = job.heartbeat_at or job.start_at
    assert beat is not None
    return beat


def _age(job: Job, now: datetime) -> timedelta:
    return timedelta.max if job.heartbeat_at is None and job.start_at is None else now - _beat(job)


class AirflowJobs(PullCollector):
    name = "airflow_jobs"

    async def collect(self, now: datetime) -> list[Sample]:
        airflow = await self._target.airflow()
        if airflow.generation == 2:
            return []
        jobs = await airflow.jobs()
        expected = self._target.deployment.components.expected()
        found = {
            component: replicas([job for job in jobs if job.component == component], now, expected.get(component))
            for component in _COMPONENTS
            if component in expected or any(job.component == component for job in jobs)
        }
        return _samples(found, now)


def _samples(found: Mapping[str, Replicas], now: datetime) -> list[Sample]:
    samples = [
        *counted("airflow_component_replicas", "component", {name: len(some.alive) for name, some in found.items()}, now),
        *counted("airflow_component_replicas_lost", "component", {name: len(some.lost) for name, some in found.items()}, now),
    ]
    for some in found.values():
        for job, up in [*((job, 1.0) for job in some.alive), *((job, 0.0) for job in some.lost)]:
            labels = {"component": job.component, "hostname": job.hostname, "job_id": str(job.job_id)}
            samples.append(sample("airflow_job_up", up, now, **labels))
            samples.append(sample("airflow_job_heartbeat_timestamp_seconds", _beat(job).timestamp(), now, **labels))
    return samples
