"""What both API generations share: the endpoints that differ only in their prefix and in a field's name.

Airflow stamps events by its own clock. All times that go in and come out here are by ours, corrected by the skew that the
answers' Date headers show; only when something was due stays as scheduled.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from opsconsole.airflow.client import ApiClient, understood
from opsconsole.airflow.errors import Refused
from opsconsole.airflow.fields import moment, number, words
from opsconsole.airflow.links import Links
from opsconsole.airflow.logs import last_error_line
from opsconsole.airflow.nouns import (
    ComponentHealth,
    DagImportError,
    Health,
    Job,
    Page,
    Pool,
)
from opsconsole.model import OPEN_RUN_STATES, OPEN_TASK_STATES, Dag, DagRun, TaskInstance

_COMPONENTS = ("scheduler", "triggerer", "dag_processor")
_STACK_TRACE = 20_000

T = TypeVar("T", ComponentHealth, Job, DagRun, TaskInstance)
Found = TypeVar("Found")
Window = tuple[datetime, datetime | None]
"""From (inclusive) and until (inclusive; None: open)."""


class Airflow(Protocol):
    """An Airflow, whatever its version. Every method may raise CollectError.

    Where a page's `total` is more than `most`, its items are only some, and one asks again for less.
    """

    generation: int
    version: str
    links: Links

    @property
    def skew(self) -> timedelta | None:
        """How far Airflow's clock is ahead of ours, to about a second; None before an answer told."""
        ...

    async def health(self) -> Health: ...
    async def ask_version(self) -> str: ...
    async def executor(self) -> str | None:
        """The name of a 2.x's executor; None where it keeps its configuration to itself, and of 3.x."""
        ...

    async def jobs(self) -> list[Job]:
        """The daemons' rows that say `running`; 2.x does not tell them and answers none."""
        ...

    async def pools(self) -> list[Pool]: ...
    async def import_errors(self) -> list[DagImportError]: ...
    async def dags(self) -> list[Dag]: ...
    async def dag(self, dag_id: str) -> Dag | None: ...
    async def runs_changed(self, window: Window, most: int) -> Page[DagRun]: ...
    async def tasks_changed(self, window: Window, most: int) -> Page[TaskInstance]: ...
    async def open_runs(self, most: int) -> Page[DagRun]: ...
    async def open_tasks(self, most: int) -> Page[TaskInstance]: ...
    async def count_runs(self, state: str) -> int: ...
    async def count_tasks(self, state: str) -> int: ...
    async def run(self, dag_id: str, run_id: str) -> DagRun | None: ...
    async def tries(self, task: TaskInstance) -> list[TaskInstance]:
        """Every try of a task instance, oldest first; none where this version does not tell."""
        ...

    async def error_line(self, dag_id: str, run_id: str, task_id: str, map_index: int, try_number: int) -> str | None:
        """The last error line of a try's log, None where it has none."""
        ...


class RestAirflow:
    """The shared half of both adapters."""

    generation: int
    health_path: str
    tasks_order: Sequence[tuple[str, str]] = ()
    tasks_page: int = 100
    dags_filter: Sequence[tuple[str, str]] = ()

    def __init__(self, client: ApiClient, version: str, url: str) -> None:
        self._client, self.version, self.links = client, version, Links(url, self.generation)

    @property
    def skew(self) -> timedelta | None:
        return self._client.skew

    async def health(self) -> Health:
        answer = await self._client.ask(self.health_path, login=False)
        database, components = understood(self.health_path, _health, answer.body)
        return Health(database, tuple(self._by_our_clock(one, "heartbeat_at") for one in components), answer.seconds)

    async def ask_version(self) -> str:
        answer = await self._client.ask("/version", login=False)
        return understood("/version", lambda body: words(body["version"], 40), answer.body)

    async def pools(self) -> list[Pool]:
        return await self._client.all("/pools", "pools", (), _pool)

    async def import_errors(self) -> list[DagImportError]:
        return await self._client.all("/importErrors", "import_errors", (), _import_error)

    async def dags(self) -> list[Dag]:
        return await self._client.all("/dags", "dags", (*self.dags_filter, ("order_by", "dag_id")), self._dag)

    async def dag(self, dag_id: str) -> Dag | None:
        return await self._if_found(f"/dags/{quote(dag_id, safe='')}", self._dag)

    async def runs_changed(self, window: Window, most: int) -> Page[DagRun]:
        # By id: a run that changes while we page through cannot move another one out of sight.
        return await self._runs((*self._changed(window), ("order_by", "id")), most)

    async def open_runs(self, most: int) -> Page[DagRun]:
        return await self._runs((*_states(OPEN_RUN_STATES), ("order_by", "id")), most)

    async def count_runs(self, state: str) -> int:
        return (await self._runs(_states((state,)), 1)).total

    async def tasks_changed(self, window: Window, most: int) -> Page[TaskInstance]:
        return await self._tasks((*self._changed(window), *self.tasks_order), most)

    async def open_tasks(self, most: int) -> Page[TaskInstance]:
        return await self._tasks((*_states(OPEN_TASK_STATES), *self.tasks_order), most)

    async def count_tasks(self, state: str) -> int:
        return (await self._tasks(_states((state,)), 1)).total

    async def run(self, dag_id: str, run_id: str) -> DagRun | None:
        return await self._if_found(_run_path(dag_id, run_id), self._our_run)

    async def tries(self, task: TaskInstance) -> list[TaskInstance]:
        mapped = f"/{task.map_index}" if task.map_index >= 0 else ""
        path = f"{_task_path(task.dag_id, task.run_id, task.task_id)}{mapped}/tries"
        return await self._if_found(path, lambda body: [self._our_task(item) for item in body["task_instances"]]) or []

    async def error_line(self, dag_id: str, run_id: str, task_id: str, map_index: int, try_number: int) -> str | None:
        path = f"{_task_path(dag_id, run_id, task_id)}/logs/{try_number}"
        parameters = (("full_content", "true"), ("map_index", str(map_index)))
        return await self._client.get(path, parameters, lambda body: last_error_line(body["content"]))

    async def _if_found(self, path: str, read: Callable[[Any], Found]) -> Found | None:
        try:
            return await self._client.get(path, (), read)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    async def _runs(self, parameters: Sequence[tuple[str, str]], most: int) -> Page[DagRun]:
        return await self._client.pages("/dags/~/dagRuns", "dag_runs", parameters, self._our_run, most)

    async def _tasks(self, parameters: Sequence[tuple[str, str]], most: int) -> Page[TaskInstance]:
        path = "/dags/~/dagRuns/~/taskInstances"
        return await self._client.pages(path, "task_instances", parameters, self._our_task, most, self.tasks_page)

    def _our_run(self, item: Any) -> DagRun:
        return self._by_our_clock(self._run(item), "queued_at", "start_at", "end_at")

    def _our_task(self, item: Any) -> TaskInstance:
        return self._by_our_clock(task_instance(item), "queued_at", "start_at", "end_at")

    def _by_our_clock(self, noun: T, *times: str) -> T:
        told: dict[str, Any] = {name: at and self._client.our_time(at) for name in times for at in [getattr(noun, name)]}
        return replace(noun, **told)

    def _changed(self, window: Window) -> list[tuple[str, str]]:
        since, until = window
        bounds = [("updated_at_gte", self._client.airflow_time(since).isoformat())]
        return bounds if until is None else [*bounds, ("updated_at_lte", self._client.airflow_time(until).isoformat())]

    def _dag(self, item: Any) -> Dag:
        raise NotImplementedError

    def _run(self, item: Any) -> DagRun:
        raise NotImplementedError


def task_instance(item: Any) -> TaskInstance:
    return TaskInstance(
        dag_id=item["dag_id"],
        run_id=item["dag_run_id"],
        task_id=item["task_id"],
        map_index=-1 if item.get("map_index") is None else int(item["map_index"]),
        try_number=number(item["try_number"]),
        state=item["state"],
        max_tries=number(item["max_tries"]) + 1,
        operator=words(item.get("operator")),
        pool=words(item.get("pool")),
        queue=words(item.get("queue")),
        hostname=words(item.get("hostname")),
        queued_at=moment(item.get("queued_when")),
        start_at=moment(item["start_date"]),
        end_at=moment(item["end_date"]),
    )


def _health(body: Any) -> tuple[str | None, tuple[ComponentHealth, ...]]:
    components = [
        ComponentHealth(name, body[name]["status"], moment(body[name].get(f"latest_{name}_heartbeat")))
        for name in _COMPONENTS
        if body.get(name) is not None
    ]
    return body["metadatabase"]["status"], tuple(components)


def _pool(item: Any) -> Pool:
    return Pool(
        name=item["name"],
        slots=number(item["slots"]),
        open=number(item["open_slots"]),
        queued=number(item["queued_slots"]),
        running=number(item["running_slots"]),
        deferred=number(item.get("deferred_slots")),
        scheduled=number(item.get("scheduled_slots")),
    )


def _import_error(item: Any) -> DagImportError:
    return DagImportError(
        file=words(item["filename"]),
        bundle=words(item.get("bundle_name")),
        stack_trace=words(item.get("stack_trace"), _STACK_TRACE),
        at=moment(item.get("timestamp")),
    )


def _states(states: Sequence[str]) -> list[tuple[str, str]]:
    return [("state", state) for state in states]


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"


def _task_path(dag_id: str, run_id: str, task_id: str) -> str:
    return f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id, safe='')}"
