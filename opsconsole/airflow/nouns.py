"""What Airflow tells beside its Dags, runs and tasks, whatever its version: frozen values, times aware UTC and by our clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of `total`."""

    items: Sequence[T]
    total: int


@dataclass(frozen=True, slots=True)
class ComponentHealth:
    """What the health endpoint says of one component; `status` is None where no such job ever ran."""

    component: str
    status: str | None
    heartbeat_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The health endpoint's answer, and how long it took."""

    database: str | None
    components: tuple[ComponentHealth, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Job:
    """A daemon's row in the metadata database; `component` in the console's words, `state` is `running` until a clean end."""

    job_id: int
    component: str
    hostname: str
    state: str
    start_at: datetime | None
    end_at: datetime | None
    heartbeat_at: datetime | None


@dataclass(frozen=True, slots=True)
class Pool:
    name: str
    slots: int
    open: int
    queued: int
    running: int
    deferred: int
    scheduled: int


@dataclass(frozen=True, slots=True)
class DagImportError:
    """`file` as Airflow names it: absolute on 2.x, relative to `bundle` on 3.x. `at` moves at every parse."""

    file: str
    bundle: str
    stack_trace: str
    at: datetime | None

    @property
    def key(self) -> str:
        """The file, told apart from the same name in another bundle."""
        return self.file if self.bundle in ("", "dags-folder") else f"{self.bundle}:{self.file}"
