"""A query's answer as a table for people, or as Prometheus' API writes it."""

import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from rich.console import Console
from rich.table import Table
from rich.text import Text

from opsconsole.clock import from_millis, millis
from opsconsole.model import Labels, QueryResult
from opsconsole.web.api.prometheus_json import envelope, number, query_data

MOST_LINES = 2000
"""Lines of a table; `--json` has no limit."""
_WIDTH_OF_A_FILE = 10_000


def told(result: QueryResult, now: datetime, *, as_json: bool) -> None:
    """Print the answer, asked for at `now`; warnings, and what is left out, go to standard error."""
    for warning in result.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if as_json:
        print("".join(envelope(query_data(result, millis(now)), result.warnings)))
    elif result.kind == "string":
        print(result.text)
    elif result.kind == "scalar":
        print(number(result.points[0].value))
    else:
        _print_table(result)


def _print_table(result: QueryResult) -> None:
    lines = len(result.points) + sum(len(row.timestamps) for row in result.rows)
    if not lines:
        print("no data", file=sys.stderr)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("series", overflow="fold")
    if result.kind == "matrix":
        table.add_column("time", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    for cells in islice(_lines(result), MOST_LINES):
        table.add_row(*(Text(cell) for cell in cells))
    screen = Console(highlight=False, markup=False, emoji=False)
    screen.print(table, width=None if screen.is_terminal else _WIDTH_OF_A_FILE, crop=False)
    if lines > MOST_LINES:
        print(f"{MOST_LINES} of {lines} lines shown; --json has all", file=sys.stderr)


def _lines(result: QueryResult) -> Iterator[tuple[str, ...]]:
    for point in result.points:
        yield named(point.labels), number(point.value)
    for row in result.rows:
        name = named(row.labels)
        for at, value in zip(row.timestamps.tolist(), row.values.tolist(), strict=True):
            yield name, f"{from_millis(at):%Y-%m-%d %H:%M:%S}Z", number(value)


def named(labels: Labels) -> str:
    """A series as PromQL writes it, and nothing in it that a terminal would obey."""
    rest = labels.without("__name__")
    return visible(labels.get("__name__", "") + (repr(rest) if rest or "__name__" not in labels else ""))


def visible(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
