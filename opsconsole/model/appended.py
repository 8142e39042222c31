"""What became of samples that were handed to the store."""

from typing import NamedTuple


class Appended(NamedTuple):
    """Numbers of samples. Only `accepted` are kept; `duplicates` were there already, bit for bit, and are no fault.

    `conflicting`: another value stands at that time. `too_old`: before the retention, or at a time that no store can hold.
    `series_limit`: of a series that its deployment may not have. `deployment_limit`: of a deployment that there may not
    be. `backlog`: the database could not be written for too long.
    """

    accepted: int = 0
    duplicates: int = 0
    conflicting: int = 0
    too_old: int = 0
    series_limit: int = 0
    deployment_limit: int = 0
    backlog: int = 0

    @property
    def refused(self) -> int:
        return self.conflicting + self.too_old + self.series_limit + self.deployment_limit + self.backlog
