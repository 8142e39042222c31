"""Tables in our Markdown pages, read by what their head says."""

import re
from collections.abc import Iterator

_CELLS = re.compile(r"(?<!\\)\|")


def rows(text: str, *head: str) -> list[tuple[str, ...]]:
    """The rows of every table with exactly this head, cells stripped and `\\|` read as `|`."""
    return [cells for heads, cells in _tables(text) if heads == head]


def _tables(text: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    head: tuple[str, ...] = ()
    for line in text.splitlines():
        if not line.startswith("|"):
            head = ()
        elif not head:
            head = _cells(line)
        elif not set(line) <= set("|-: "):
            yield head, _cells(line)


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip().replace("\\|", "|") for cell in _CELLS.split(line.strip())[1:-1])
