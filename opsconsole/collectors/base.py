"""What a collector is, and what it is given."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Protocol, Self

import httpx

from opsconsole.airflow import Airflow, connect, open_http
from opsconsole.clock import Clock
from opsconsole.collectors.settings import Deployment
from opsconsole.db import Database
from opsconsole.model import CollectError, Sample

_ASK_AGAIN_AFTER = 2.0


class Collector(Protocol):
    """Measures one thing of one deployment. The runner adds `deployment`, success, duration and the time of last success."""

    name: ClassVar[str]

    @classmethod
    def of(cls, target: "Target") -> "Collector | None":
        """The collector for a deployment; None where its settings do not ask for one."""
        ...

    @classmethod
    def interval(cls, deployment: Deployment) -> timedelta: ...

    @classmethod
    def deadline(cls, deployment: Deployment) -> timedelta: ...

    async def collect(self, now: datetime) -> list[Sample]: ...


class PullCollector(ABC):
    """The usual `Collector`, of every deployment: a subclass gives its `name` and `collect`, and what is unusual about it.

    It collects once in its deployment's `interval`, or in `at_least` where that is longer; where `every` is given, in that.
    A collection that takes longer than `within` has failed.
    """

    name: ClassVar[str]
    every: ClassVar[timedelta | None] = None
    at_least: ClassVar[timedelta] = timedelta(0)
    within: ClassVar[timedelta] = timedelta(seconds=20)

    def __init__(self, target: "Target") -> None:
        self._target = target

    @classmethod
    def of(cls, target: "Target") -> Self | None:
        return cls(target)

    @classmethod
    def interval(cls, deployment: Deployment) -> timedelta:
        return cls.every or max(deployment.interval, cls.at_least)

    @classmethod
    def deadline(cls, deployment: Deployment) -> timedelta:
        return cls.within

    @abstractmethod
    async def collect(self, now: datetime) -> list[Sample]: ...


class PartlyCollected(CollectError):
    """A collection that failed and still measured something."""

    def __init__(self, error: CollectError, samples: Iterable[Sample]) -> None:
        super().__init__(str(error), retryable=error.retryable)
        self.samples = list(samples)


Connect = Callable[[Deployment, httpx.AsyncClient, Clock], Awaitable[Airflow]]


class Target:
    """One deployment and the way to it: everything a collector needs. Nothing is opened before it is first used."""

    def __init__(
        self,
        deployment: Deployment,
        db: Database,
        clock: Clock,
        *,
        open_client: Callable[[Deployment], httpx.AsyncClient] = open_http,
        connect_to: Connect = connect,
    ) -> None:
        self.deployment, self.db, self.clock = deployment, db, clock
        self._open_client, self._connect_to = open_client, connect_to
        self._client: httpx.AsyncClient | None = None
        self._airflow: Airflow | None = None
        self._refusal: tuple[float, CollectError] | None = None
        self._lock = asyncio.Lock()
        self.executor: str | None = None
        """The executor's name, where it is known."""

    @property
    def name(self) -> str:
        return self.deployment.name

    @property
    def known(self) -> Airflow | None:
        """The Airflow, where it has answered once: its generation, version and links."""
        return self._airflow

    def http(self) -> httpx.AsyncClient:
        """A client with the deployment's TLS settings. Raises CollectError where its CA file cannot be used."""
        if self._client is None:
            self._client = self._open_client(self.deployment)
        return self._client

    async def airflow(self) -> Airflow:
        """The Airflow, found on first use. Who asks at the same time waits for the same attempt, and shares its failure."""
        async with self._lock:
            if self._airflow is None:
                self._airflow = await self._connect()
            return self._airflow

    def forget(self) -> None:
        """Find out anew at the next use what answers there: Airflow was upgraded, or is another one."""
        self._airflow = None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _connect(self) -> Airflow:
        if self._refusal and self.clock.monotonic() - self._refusal[0] < _ASK_AGAIN_AFTER:
            raise CollectError(str(self._refusal[1]), retryable=self._refusal[1].retryable)
        try:
            return await self._connect_to(self.deployment, self.http(), self.clock)
        except CollectError as error:
            self._refusal = self.clock.monotonic(), error
            raise


def sample(name: str, value: float, at: datetime, **labels: str) -> Sample:
    return Sample.of(name, float(value), at, labels)


def counted(name: str, label: str, counts: Mapping[str, float], at: datetime) -> list[Sample]:
    """One sample for each key of `counts`, which is the value of `label`."""
    return [Sample.of(name, float(count), at, {label: key}) for key, count in counts.items()]
