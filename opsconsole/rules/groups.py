"""Rules, loaded and ready to evaluate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from opsconsole.rules.templates import Template


@dataclass(frozen=True, slots=True)
class AlertingRule:
    """`scope` is the stable name under which its alerts live; `labels` and `annotations` are compiled templates."""

    name: str
    expr: str
    scope: str
    line: int
    pending_for: timedelta = timedelta(0)
    keep_firing_for: timedelta = timedelta(0)
    labels: Mapping[str, Template] = field(default_factory=dict)
    annotations: Mapping[str, Template] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordingRule:
    name: str
    expr: str
    line: int
    labels: Mapping[str, str] = field(default_factory=dict)


Rule = AlertingRule | RecordingRule


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are evaluated together, in order, at one time; `limit` is the most results of a rule, 0 for no limit.

    `query_offset` is how long ago their queries look, and stamp what they record: what comes late is there by then.
    """

    name: str
    file: str
    rules: tuple[Rule, ...]
    interval: timedelta = timedelta(seconds=15)
    limit: int = 0
    query_offset: timedelta = timedelta(0)

    @property
    def key(self) -> str:
        return f"{self.file};{self.name}"
