"""Whether every deployment answers now, its scheduler's port too, and takes our login: asked before a file is put to work."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from opsconsole.airflow import Health, connect, open_http
from opsconsole.airflow.errors import Refused
from opsconsole.clock import Clock
from opsconsole.collectors import airflow_scheduler_port as scheduler_port
from opsconsole.collectors.settings import Deployment
from opsconsole.model import CollectError

_WITHIN = 10.0
"""Seconds for everything that one deployment is asked."""
_AT_ONCE = 50
_HEALTHY = "healthy"
_SILENT = {"refused": "the connection is refused", "timeout": "no answer in time"}
_PORT_ADVICE = "is the scheduler running with [scheduler] enable_health_check, and can it be reached from here?"
_NAMED = re.compile(r"(auth|tls)\.(\w+):")


@dataclass(frozen=True, slots=True)
class PortAnswered:
    """What the scheduler's own health port at `instance` said: `healthy` or `unhealthy`, or a `problem`."""

    instance: str
    health: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """`version` and `ailing` (the components that are not healthy) as far as it answered; `problem` is empty where all went well.

    `setting` is the key of the deployment that mends the problem; `port` is None where no health_url is configured.
    """

    deployment: str
    version: str = ""
    ailing: tuple[str, ...] = ()
    problem: str = ""
    setting: tuple[str, ...] = ("url",)
    port: PortAnswered | None = None

    @property
    def problems(self) -> list[tuple[tuple[str, ...], str]]:
        """Each with the key to look at."""
        found = [
            (self.setting, self.problem),
            (("components", "scheduler", "health_url"), self.port.problem if self.port else ""),
        ]
        return [(setting, problem) for setting, problem in found if problem]


async def ask_all(deployments: Sequence[Deployment], clock: Clock, within: float = _WITHIN) -> list[Answered]:
    """Ask all side by side; the answers in the deployments' order."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def asked(deployment: Deployment) -> Answered:
        async with gate:
            api, port = await asyncio.gather(_ask(deployment, clock, within), _ask_port(deployment, within))
            return replace(api, port=port)

    return list(await asyncio.gather(*map(asked, deployments)))


async def _ask(deployment: Deployment, clock: Clock, within: float) -> Answered:
    """Version and health, which need no login, and the pools, which do."""
    version = ""
    try:
        async with open_http(deployment) as http, asyncio.timeout(within):
            airflow = await connect(deployment, http, clock)
            version = airflow.version
            health = await airflow.health()
            await airflow.pools()
    except CollectError as error:
        return Answered(deployment.name, version, (), _after(version, str(error)), _setting(error))
    except TimeoutError:
        return Answered(deployment.name, version, (), _after(version, f"not all was answered within {within:g} s"))
    return Answered(deployment.name, version, _ailing(health))


async def _ask_port(deployment: Deployment, within: float) -> PortAnswered | None:
    url = deployment.components.scheduler.health_url
    if url is None:
        return None
    instance = scheduler_port.instance(url)
    try:
        async with open_http(deployment) as http:
            answer = await scheduler_port.ask(http, url, within)
    except CollectError as error:
        return PortAnswered(instance, problem=str(error))
    if answer in _SILENT:
        return PortAnswered(instance, problem=f"scheduler health port: {_SILENT[answer]}: {_PORT_ADVICE}")
    return PortAnswered(instance, "healthy" if answer == "ok" else answer)


def _after(version: str, problem: str) -> str:
    return f"Airflow {version} answers, but: {problem}" if version else problem


def _setting(error: CollectError) -> tuple[str, ...]:
    if isinstance(error, Refused) and error.status in (400, 401, 403, 422):
        return ("auth",)
    named = _NAMED.match(str(error))
    return (named[1], named[2]) if named else ("url",)


def _ailing(health: Health) -> tuple[str, ...]:
    """A component without a status is not deployed."""
    statuses = {"metadatabase": health.database, **{one.component: one.status for one in health.components if one.status}}
    return tuple(f"{name} {status or 'unknown'}" for name, status in statuses.items() if status != _HEALTHY)
