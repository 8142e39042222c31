"""The four states, and a component's standing."""

import enum
from dataclasses import dataclass
from datetime import datetime


class Status(enum.StrEnum):
    """Unknown is never green. Ordered by `worst`."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"


_SEVERITY = {Status.OK: 0, Status.UNKNOWN: 1, Status.DEGRADED: 2, Status.DOWN: 3}


def worst(*statuses: Status) -> Status:
    """The status that most needs a person; `unknown` when there is none to compare."""
    return max(statuses, key=_SEVERITY.__getitem__, default=Status.UNKNOWN)


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """How one component of one deployment stands.

    `as_of` is the time of the newest evidence (None: there never was any), `last_seen` when the component itself last
    gave a sign of life; `replicas` of `expected` are alive, where known; `detail` is a few words for the page.
    """

    deployment: str
    component: str
    status: Status
    as_of: datetime | None
    last_seen: datetime | None = None
    replicas: int | None = None
    expected: int | None = None
    detail: str = ""
