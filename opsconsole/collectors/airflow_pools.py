"""Pools and their slots."""

from datetime import datetime

from opsconsole.airflow import Pool
from opsconsole.collectors.base import PullCollector, sample
from opsconsole.model import Sample


class AirflowPools(PullCollector):
    name = "airflow_pools"

    async def collect(self, now: datetime) -> list[Sample]:
        airflow = await self._target.airflow()
        return [one for pool in await airflow.pools() for one in _samples(pool, now)]


def _samples(pool: Pool, now: datetime) -> list[Sample]:
    slots = {
        "open": pool.open,
        "queued": pool.queued,
        "running": pool.running,
        "deferred": pool.deferred,
        "scheduled": pool.scheduled,
    }
    return [
        sample("airflow_pool_size", pool.slots, now, pool=pool.name),
        *(sample("airflow_pool_slots", count, now, pool=pool.name, state=state) for state, count in slots.items()),
    ]
