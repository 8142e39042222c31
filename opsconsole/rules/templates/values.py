"""What templates hold besides texts and numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from opsconsole.model import Labels


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a query's answer, `.Labels` and `.Value` to a template."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Context:
    """What a template may look at; `answers` are the answers of the queries that are known so far; `now` is Unix seconds."""

    labels: Mapping[str, str]
    value: float
    external_url: str = ""
    external_labels: Mapping[str, str] = field(default_factory=Labels)
    now: float = 0.0
    answers: Mapping[str, Sequence[Element]] = field(default_factory=dict)
