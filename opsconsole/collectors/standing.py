"""How a collector fared last."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """`error` is empty after a success, `at` None before the first collection came to an end."""

    deployment: str
    collector: str
    at: datetime | None
    seconds: float
    error: str
