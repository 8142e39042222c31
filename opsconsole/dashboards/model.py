"""What a dashboard is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from opsconsole.dashboards import variables

Show = Literal["line", "bar", "number", "table", "state"]
Needs = Literal["", "statsd"]
Unit = Literal["", "seconds", "ratio", "bytes", "count", "per_second", "timestamp"]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where a value turns bad; a `critical` below `warning` says that lower is worse."""

    warning: float | None = None
    critical: float | None = None


@dataclass(frozen=True, slots=True)
class PanelQuery:
    """One expression of a panel; `legend` names its series with `{{label}}`s, or is empty for all labels."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """`state` shows 1 as up and 0 as down; `number` and `table` show now, `line` and `bar` a range of time.

    `needs` names the one source of all its series, so that an empty panel can say what is missing.
    """

    title: str
    queries: tuple[PanelQuery, ...]
    show: Show = "line"
    unit: Unit = ""
    thresholds: Thresholds = field(default_factory=Thresholds)
    description: str = ""
    needs: Needs = ""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`slug` is the file's name without its ending, and the dashboard's address; `notes` say what of the file is left out."""

    slug: str
    title: str
    question: str
    panels: tuple[Panel, ...]
    notes: Sequence[str] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that its queries use."""
        used = {name for panel in self.panels for query in panel.queries for name in variables.references(query.expr)}
        return tuple(name for name in variables.EXAMPLES if name in used)
