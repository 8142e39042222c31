"""The scheduler's own health port: another witness than the API, which goes on where the API or its database is down."""

import asyncio
from datetime import datetime, timedelta
from typing import Self
from urllib.parse import urlsplit

import httpx

from opsconsole.collectors.base import PullCollector, Target, sample
from opsconsole.model import CollectError, Sample
from opsconsole.secrets import redacted

_DEADLINE = 4.0


class AirflowSchedulerPort(PullCollector):
    """200 is up. 503, a refused connection and silence are down, each named in `answer`; any other answer is no evidence."""

    name = "airflow_scheduler_port"
    every = timedelta(seconds=5)
    within = timedelta(seconds=10)

    def __init__(self, target: Target, url: str, deadline: float = _DEADLINE) -> None:
        super().__init__(target)
        self._url, self._deadline = url, deadline
        self._instance = instance(url)

    @classmethod
    def of(cls, target: Target) -> Self | None:
        url = target.deployment.components.scheduler.health_url
        return cls(target, url) if url else None

    async def collect(self, now: datetime) -> list[Sample]:
        answer = await ask(self._target.http(), self._url, self._deadline)
        return [
            sample("airflow_scheduler_port_up", float(answer == "ok"), now, instance=self._instance),
            sample("airflow_scheduler_port_answer", 1, now, instance=self._instance, answer=answer),
        ]


def instance(url: str) -> str:
    """The port's address without a login."""
    return urlsplit(url).netloc.rpartition("@")[2]


async def ask(http: httpx.AsyncClient, url: str, deadline: float = _DEADLINE) -> str:
    """`ok`, `unhealthy`, `refused` or `timeout`. Raises CollectError for what is no evidence."""
    try:
        async with asyncio.timeout(deadline), http.stream("GET", url) as response:
            status = response.status_code
    except (TimeoutError, httpx.TimeoutException):
        return "timeout"
    except httpx.ConnectError as error:
        if _is_refusal(error):
            return "refused"
        raise CollectError(f"scheduler health port: {_said(error)}") from error
    except httpx.HTTPError as error:
        raise CollectError(f"scheduler health port: {_said(error)}") from error
    if status in (200, 503):
        return "ok" if status == 200 else "unhealthy"
    raise CollectError(f"scheduler health port: status {status}: is this the scheduler's health_url?", retryable=status >= 500)


def _is_refusal(error: BaseException) -> bool:
    """Whether a refused connection is at the root; a name that cannot be resolved says nothing of the scheduler."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ConnectionRefusedError):
            return True
        if isinstance(seen, OSError) and "Connect call failed" in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return "All connection attempts failed" in str(error)


def _said(error: Exception) -> str:
    return redacted(" ".join(str(error).split()))[:200] or type(error).__name__
