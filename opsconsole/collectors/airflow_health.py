"""Airflow's health endpoint: which components are up, and when each last gave a sign of life."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opsconsole.airflow import Airflow, ComponentHealth, Health
from opsconsole.collectors import sequential
from opsconsole.collectors.base import PartlyCollected, PullCollector, Target, counted, sample
from opsconsole.collectors.sequential import Busy, Work
from opsconsole.model import CollectError, Sample

_HEALTHY = "healthy"
_CLOCKS_AGREE = timedelta(seconds=2)
_ASIDE = 4.0
"""Seconds for asking what may excuse a late heartbeat; the report must not wait longer."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What to remember from one answer to the next.

    `doubted_at`: when the database was last not healthy. `beats`: the newest heartbeat of every component that ever had one.
    """

    doubted_at: datetime | None = None
    beats: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    up: Mapping[str, bool]
    beats: Mapping[str, datetime]
    seen: Seen


def judge(health: Health, seen: Seen, now: datetime, busy: Collection[str] = ()) -> Judged:
    """Which components are up; one that is `busy` is excused for a late heartbeat.

    Airflow calls a component healthy while its newest heartbeat is younger than a threshold, so after a database outage it
    calls dead ones healthy until that has passed: what was in doubt is up only with a heartbeat from after the doubt. While
    the database is down every component reads unhealthy, even one that never existed: those without a heartbeat ever are
    left out. A heartbeat may move back (after a clean stop Airflow reports an older, killed job): the newest counts, unless
    it lies in the future, as after a clock was set back.
    """
    database_up = health.database == _HEALTHY
    doubted_at = seen.doubted_at if database_up and not _all_silent(health) else now
    beats = {**seen.beats, **_beats(health, seen, now)}
    exist = [one for one in health.components if one.status is not None and (one.component in beats or database_up)]
    up = {one.component: (one.status == _HEALTHY or one.component in busy) and _fresh(one, doubted_at) for one in exist}
    return Judged(
        {"metadatabase": database_up, **up},
        {one.component: beats[one.component] for one in exist if one.component in beats},
        Seen(doubted_at, beats),
    )


def _all_silent(health: Health) -> bool:
    """Components that claim a state and no heartbeat: Airflow could not look."""
    claim = [one for one in health.components if one.status is not None]
    return bool(claim) and all(one.heartbeat_at is None for one in claim)


def _beats(health: Health, seen: Seen, now: datetime) -> dict[str, datetime]:
    newest: dict[str, datetime] = {}
    for one in health.components:
        if one.heartbeat_at is None:
            continue
        before = seen.beats.get(one.component)
        keep = before is not None and one.heartbeat_at < before <= now + _CLOCKS_AGREE
        newest[one.component] = before if keep and before else min(one.heartbeat_at, now)
    return newest


def _fresh(one: ComponentHealth, doubted_at: datetime | None) -> bool:
    if doubted_at is None:
        return True
    return one.heartbeat_at is not None and one.heartbeat_at > doubted_at + _CLOCKS_AGREE


class AirflowHealth(PullCollector):
    name = "airflow_health"
    every = timedelta(seconds=5)
    within = timedelta(seconds=10)

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._seen, self._busy = Seen(), Busy()

    async def collect(self, now: datetime) -> list[Sample]:
        expected = counted("airflow_component_replicas_expected", "component", self._target.deployment.components.expected(), now)
        try:
            airflow = await self._target.airflow()
            health = await airflow.health()
        except CollectError as error:
            raise PartlyCollected(error, [sample("airflow_api_up", 0, now), *expected]) from error
        busy = await self._is_busy(airflow, health, now)
        judged = judge(health, self._seen, now, ["scheduler"] if busy else [])
        self._seen = judged.seen
        skew = [] if airflow.skew is None else [sample("airflow_clock_skew_seconds", airflow.skew.total_seconds(), now)]
        return [
            sample("airflow_api_up", 1, now),
            sample("airflow_api_response_seconds", health.seconds, now),
            *counted("airflow_component_up", "component", judged.up, now),
            *counted("airflow_component_heartbeat_timestamp_seconds", "component", _unix(judged.beats), now),
            *([] if busy is None else [sample("airflow_scheduler_busy", busy, now)]),
            *skew,
            *expected,
        ]

    async def _is_busy(self, airflow: Airflow, health: Health, now: datetime) -> bool | None:
        """Whether the scheduler runs a task itself and so misses its heartbeats; None where the executor is another."""
        if self._target.executor != sequential.NAME:
            return None
        beat = next((one.heartbeat_at for one in health.components if one.component == "scheduler"), None)
        if beat is None or now - beat <= sequential.LATE:
            self._busy = Busy()
            return False
        with suppress(CollectError, TimeoutError):
            async with asyncio.timeout(_ASIDE):
                work = Work(await airflow.count_tasks("running"), await airflow.count_tasks("queued"))
                self._busy = sequential.looked(self._busy, work, now)
        return sequential.explains(self._busy, beat, now)


def _unix(times: Mapping[str, datetime]) -> dict[str, float]:
    return {name: at.timestamp() for name, at in times.items()}
