"""Deployments that are no longer watched."""

import json
import logging
from collections.abc import Callable, Collection, Iterable
from datetime import datetime

from opsconsole.model import STALE, Querier, QueryError, Sample

log = logging.getLogger(__name__)


class Departed:
    """`step` until it once succeeds: a cluster may not answer yet while the console starts."""

    def __init__(self, querier: Querier, record: Callable[[Iterable[Sample]], object], watched: Collection[str]) -> None:
        self._querier, self._record, self._watched, self._done = querier, record, watched, False

    async def step(self, now: datetime) -> None:
        if self._done:
            return
        try:
            await end_departed(self._querier, self._record, self._watched, now)
        except QueryError as error:
            log.info("whether a deployment departed is asked again in a while", extra={"error": str(error)})
        else:
            self._done = True


async def end_departed(
    querier: Querier, record: Callable[[Iterable[Sample]], object], watched: Collection[str], now: datetime
) -> None:
    """End every series of the deployments that were collected from until lately and are not `watched` any more, so that no
    rule takes their silence for a fault."""
    collected = await querier.instant("group by (deployment) (opsconsole_collector_up)", now)
    for name in {point.labels["deployment"] for point in collected.points} - set(watched):
        left = await querier.instant(f"{{deployment={json.dumps(name)}}}", now)
        record([Sample(point.labels["__name__"], STALE, now, point.labels.without("__name__")) for point in left.points])
