"""What is told of metrics besides samples: type, help and unit. Kept in memory alone, since whoever tells it tells it again."""

from collections.abc import Mapping
from typing import NamedTuple

MOST_METRICS = 20_000
"""Metric families kept; of more, those told least recently are forgotten."""
MOST_EACH = 8
"""Different descriptions of one family, as of exporters of different versions."""
LONGEST = 1024
"""Characters of a help text or a unit that are kept."""


class Description(NamedTuple):
    """`type` is one of Prometheus' words: `counter`, `gauge`, `histogram`, `summary`, `unknown`, …; all may be empty."""

    type: str = "unknown"
    help: str = ""
    unit: str = ""


class Metadata:
    """Descriptions by metric family, the newest last."""

    def __init__(self, most: int = MOST_METRICS) -> None:
        self._most = most
        self._told: dict[str, dict[Description, None]] = {}

    def note(self, metric: str, description: Description) -> None:
        """Somebody says this of the family."""
        description = Description(description.type or "unknown", description.help[:LONGEST], description.unit[:LONGEST])
        known = self._told.pop(metric, {})
        known.pop(description, None)
        known[description] = None
        while len(known) > MOST_EACH:
            del known[next(iter(known))]
        self._told[metric] = known
        while len(self._told) > self._most:
            del self._told[next(iter(self._told))]

    def of(self, metric: str) -> list[Description]:
        return list(self._told.get(metric, ()))

    def all(self) -> Mapping[str, list[Description]]:
        """Every family's descriptions, in order of name."""
        return {metric: list(self._told[metric]) for metric in sorted(self._told)}
