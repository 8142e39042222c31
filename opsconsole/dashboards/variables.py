"""What may stand in a dashboard's query for a value that is known only when it is asked: `$deployment`, `$__interval`, ….

`$__interval` is the step of the chart, `$__rate_interval` one that is long enough for `rate` at that step, and `$__range` the
whole range, as Grafana has them.
"""

import re
from collections.abc import Mapping
from datetime import timedelta

from opsconsole.settings import format_duration

EXAMPLES: Mapping[str, str] = {
    "deployment": "x",
    "__interval": "1m",
    "__rate_interval": "1m",
    "__range": "1h",
    "__interval_ms": "60000",
    "__range_s": "3600",
    "__range_ms": "3600000",
}
"""Every variable, with a value that is of its kind."""
NAMES = frozenset(EXAMPLES)
_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_COLLECTED = timedelta(seconds=15)


def bind(expr: str, values: Mapping[str, str]) -> str:
    """The expression with its variables' values put in, escaped for the quotes around them; others stay as they are."""

    def value(match: re.Match[str]) -> str:
        text = values.get(match[1] or match[2])
        return match[0] if text is None else _escaped(text)

    return _REFERENCE.sub(value, expr)


def references(expr: str) -> set[str]:
    return {match[1] or match[2] for match in _REFERENCE.finditer(expr)}


def values(deployment: str, length: timedelta, step: timedelta) -> dict[str, str]:
    """The variables of a dashboard that shows `length` of a deployment in steps."""
    rate = max(4 * _COLLECTED, step + _COLLECTED)
    return {
        "deployment": deployment,
        "__interval": format_duration(step),
        "__rate_interval": format_duration(rate),
        "__range": format_duration(length),
        "__interval_ms": f"{step / timedelta(milliseconds=1):.0f}",
        "__range_s": f"{length.total_seconds():.0f}",
        "__range_ms": f"{length / timedelta(milliseconds=1):.0f}",
    }


def _escaped(text: str) -> str:
    """Fit to stand between either kind of PromQL's quotes."""
    return text.translate({ord("\\"): "\\\\", ord('"'): "\\x22", ord("'"): "\\x27", ord("\n"): "\\n"})
