"""What collectors measure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from opsconsole.model.labels import EMPTY, Labels


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured value of one series; `labels` leaves out `__name__`, `at` is aware UTC."""

    name: str
    value: float
    at: datetime
    labels: Labels = EMPTY

    @classmethod
    def of(cls, name: str, value: float, at: datetime, labels: Mapping[str, str] | None = None) -> "Sample":
        return cls(name, value, at, Labels(labels))
