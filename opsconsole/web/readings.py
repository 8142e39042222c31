"""The newest values of the series that a status is made of, read with a fixed number of queries for the whole fleet."""

import asyncio
import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from opsconsole.clock import from_millis
from opsconsole.model import Labels, Point, Querier, QueryError

log = logging.getLogger(__name__)

LAST_SUCCESS = "opsconsole_collector_last_success_timestamp_seconds"
NEWEST = (
    "airflow_component_up",
    "airflow_component_heartbeat_timestamp_seconds",
    "airflow_component_replicas",
    "airflow_component_replicas_lost",
    "airflow_scheduler_port_up",
    "airflow_scheduler_busy",
    "airflow_api_up",
    "airflow_api_response_seconds",
    "airflow_info",
    "airflow_statsd_heartbeat_timestamp_seconds",
    "airflow_statsd_scheduler_loop_timestamp_seconds",
    "opsconsole_collector_up",
    LAST_SUCCESS,
)
"""Read over a short window: what a fleet that is being watched has."""
ASKED_AT = "timestamp(airflow_api_up)"
"""When the API was last asked, whatever it answered."""
_WINDOW = "10m"
_LONG_AGO = "1d"
_REMEMBERED = (
    "airflow_component_up",
    "airflow_component_heartbeat_timestamp_seconds",
    "airflow_api_up",
    "airflow_info",
    LAST_SUCCESS,
)


@dataclass(frozen=True)
class Readings:
    """Values by (deployment, metric); `problem` says why there are none, where the store could not answer.

    `why` says in a few words why an Airflow cannot be read, by deployment, where its health collection fails.
    """

    values: dict[tuple[str, str], list[tuple[Labels, float]]] = field(default_factory=dict)
    problem: str = ""
    why: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Iterable[tuple[str, Labels, float]], problem: str = "") -> "Readings":
        """From (metric, labels with `deployment`, value)."""
        values: dict[tuple[str, str], list[tuple[Labels, float]]] = defaultdict(list)
        for metric, labels, value in found:
            values[labels.get("deployment", ""), metric].append((labels, value))
        return cls(dict(values), problem)

    def all(self, deployment: str, metric: str, **labels: str) -> list[tuple[Labels, float]]:
        found = self.values.get((deployment, metric), [])
        return [(have, value) for have, value in found if all(have.get(name) == want for name, want in labels.items())]

    def one(self, deployment: str, metric: str, **labels: str) -> float | None:
        """The largest of the values that fit: of timestamps, the newest."""
        return max((value for _, value in self.all(deployment, metric, **labels)), default=None)

    def moment(self, deployment: str, metric: str, **labels: str) -> float | None:
        """A timestamp's value in Unix seconds; Airflow says 0 or nothing where there never was one."""
        return self.one(deployment, metric, **labels) or None

    def label(self, deployment: str, metric: str, name: str) -> str:
        return next((labels.get(name, "") for labels, _ in self.all(deployment, metric)), "")


def at(unix_seconds: float | None) -> datetime | None:
    return None if unix_seconds is None else from_millis(unix_seconds * 1000)


async def read(querier: Querier, deployments: Sequence[str], now: datetime) -> Readings:
    """The fleet's readings; a deployment that has been silent for long is looked up once more, further back."""
    try:
        found = await _newest(querier, NEWEST, "", _WINDOW, now)
        found += [(ASKED_AT, point.labels, point.value) for point in (await querier.instant(ASKED_AT, now)).points]
        fresh = {labels.get("deployment", "") for metric, labels, _ in found if metric == "airflow_component_up"}
        if silent := sorted(set(deployments) - fresh):
            found += await _newest(querier, _REMEMBERED, _one_of(silent), _LONG_AGO, now)
    except QueryError as error:
        log.warning("the metrics store did not answer a page", extra={"problem": str(error)})
        return Readings(problem=str(error))
    return Readings.of(found)


async def _newest(
    querier: Querier, metrics: Sequence[str], matcher: str, window: str, now: datetime
) -> list[tuple[str, Labels, float]]:
    answers = await asyncio.gather(*(querier.instant(f"last_over_time({metric}{matcher}[{window}])", now) for metric in metrics))
    return [
        (metric, point.labels, point.value)
        for metric, answer in zip(metrics, answers, strict=True)
        for point in _numbers(answer.points)
    ]


def _numbers(points: Iterable[Point]) -> Iterable[Point]:
    return (point for point in points if point.value == point.value)


def _one_of(names: Sequence[str]) -> str:
    alternatives = "|".join(re.escape(name) for name in names)
    return '{deployment=~"' + alternatives.replace("\\", "\\\\").replace('"', '\\"') + '"}'


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old evidence may be before it is no longer evidence: three intervals, at least half a minute."""

    interval: timedelta

    @property
    def limit(self) -> timedelta:
        return max(3 * self.interval, timedelta(seconds=30))
