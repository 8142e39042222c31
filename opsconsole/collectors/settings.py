"""What is watched: one entry of `deployments`."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from opsconsole.airflow.settings import Airflow
from opsconsole.collectors.scrape_settings import ScrapeSettings
from opsconsole.settings import Duration, Settings

_SHORTEST = timedelta(seconds=1)


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError(f"{value!r} is no address: write it like 127.0.0.1:8126")
    return value


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a health_url is like http://127.0.0.1:8974/health")
    return value


Listen = Annotated[str, AfterValidator(_listen)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]


class StatsdSource(Settings):
    """A StatsD socket of this deployment's own, and what the wire does not tell of its sender.

    `timer_unit_consistency` is Airflow 2's `[metrics] timer_unit_consistency`.
    """

    listen: Listen | None = None
    timer_unit_consistency: bool = False


class Component(Settings):
    expected: int | None = Field(default=None, ge=0)


class Scheduler(Component):
    """`sequential` tells whether an Airflow 2 uses SequentialExecutor, where it does not tell itself."""

    health_url: HttpUrl | None = None
    sequential: bool | None = None


class Components(Settings):
    """How many replicas of each there should be, and the scheduler's own health port."""

    scheduler: Scheduler = Scheduler()
    triggerer: Component = Component()
    dag_processor: Component = Component()

    def expected(self) -> dict[str, int]:
        parts = {"scheduler": self.scheduler, "triggerer": self.triggerer, "dag_processor": self.dag_processor}
        return {name: part.expected for name, part in parts.items() if part.expected is not None}


class Deployment(Airflow):
    """One Airflow deployment."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    labels: dict[str, str] = Field(default_factory=dict)
    interval: Duration = timedelta(seconds=15)
    statsd_prefix: str | None = None
    statsd: StatsdSource = StatsdSource()
    components: Components = Components()
    scrape: tuple[ScrapeSettings, ...] = ()

    @property
    def encrypted(self) -> bool:
        return super().encrypted or urlsplit(self.components.scheduler.health_url or "").scheme == "https"

    @field_validator("interval")
    @classmethod
    def _not_too_often(cls, value: timedelta) -> timedelta:
        if value < _SHORTEST:
            raise ValueError("interval must be 1s or more")
        return value

    @model_validator(mode="after")
    def _scrapes_can_be_told_apart(self) -> "Deployment":
        seen = [(one.job, one.instance) for one in self.scrape]
        for job, instance in seen:
            if seen.count((job, instance)) > 1:
                raise ValueError(f"two scrapes have the job {job} and the address {instance}: give them different jobs")
        return self
