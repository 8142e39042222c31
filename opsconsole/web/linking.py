"""Links into the explore page from the pages whose figures and findings an expression made."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from opsconsole.settings import format_duration
from opsconsole.web.exploring import USUAL, Asked

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Ask:
    """A question that the reader may go on with: its `name` among those beside it, and its path below the prefix."""

    name: str
    expr: str
    path: str


def chart_of(expr: str, span: str = USUAL, end: str = "") -> str:
    """The path of the page that draws `expr` over the `span` up to `end`, now where that is empty."""
    return f"/explore?{urlencode(Asked(expr.strip(), 'chart', span, end).address)}"


def chart_between(expr: str, start: datetime, end: datetime | None, now: datetime) -> str:
    """The same from `start`, in whole minutes, to `end`; without one, to the present of whoever follows the link."""
    minutes = max(1, -((start - (end or now)) // _MINUTE))
    return chart_of(expr, format_duration(minutes * _MINUTE), f"{end:%Y-%m-%dT%H:%M:%SZ}" if end else "")


def from_prometheus(parameters: Mapping[str, str]) -> dict[str, str]:
    """The explore page's parameters for those of Prometheus' expression browser, of which the first panel counts."""
    given = {
        name: parameters.get(f"g0.{name}", "")
        for name in ("expr", "tab", "range_input", "end_input", "moment_input", "step_input")
    }
    chart = given["tab"] in ("0", "graph")
    end = given["end_input"] if chart else given["moment_input"]
    asked = Asked(given["expr"], "chart" if chart else "table", given["range_input"] or USUAL, end, given["step_input"])
    return asked.address
