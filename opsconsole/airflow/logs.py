"""The last error line of a task's log.

2.x gives a log as the Python text of a list of (host, text) pairs; 3.x as a list of structured records, whose exceptions
stand in `error_detail` with the one that was raised first and its causes after it.
"""

import ast
import re
from collections.abc import Iterable, Sequence
from typing import Any

from opsconsole.secrets import masked

_LONGEST = 400
_SCANNED = 4000
_FAILED = "Task failed with exception"
_TRACEBACK = "Traceback (most recent call last):"
_LEVEL = re.compile(r"^\[[^\]]{10,40}\] \{[^}]{1,200}\} (ERROR|CRITICAL) - (.*)$")
_ANY_LEVEL = re.compile(r"^\[[^\]]{10,40}\] \{[^}]{1,200}\} [A-Z]+ - ")
_SEVERE = frozenset({"error", "critical", "exception"})


def last_error_line(content: Any) -> str | None:
    """One line that says why a task failed, secrets masked; None where the log does not tell."""
    line = _of_records(content) if isinstance(content, list) else _of_text(str(content))
    line = " ".join((line or "")[:_SCANNED].split())
    return masked(line)[:_LONGEST].replace("\x00", "") or None


def _of_records(records: Sequence[Any]) -> str | None:
    if any(isinstance(record, str) for record in records):
        return _of_lines([line for record in records if isinstance(record, str) for line in record.splitlines()])
    severe = [r for r in records if isinstance(r, dict) and str(r.get("level", "")).lower() in _SEVERE]
    failed = [record for record in severe if record.get("event") == _FAILED]
    for record in (*reversed(failed), *reversed(severe)):
        if line := _of_detail(record.get("error_detail")):
            return line
    if severe:
        return str(severe[-1].get("event", ""))
    return _of_lines([line for r in records if isinstance(r, dict) for line in str(r.get("event", "")).splitlines()])


def _of_detail(detail: Any) -> str | None:
    raised = detail[0] if isinstance(detail, list) and detail and isinstance(detail[0], dict) else None
    if raised is None or not raised.get("exc_type"):
        return None
    first_line = next(iter(str(raised.get("exc_value") or "").strip().splitlines()), "")
    return f"{raised['exc_type']}: {first_line}" if first_line else str(raised["exc_type"])


def _of_text(text: str) -> str | None:
    return _of_lines([line for part in _parts(text) for line in part.splitlines()])


def _parts(text: str) -> Iterable[str]:
    """The log texts in 2.x's repr; the text itself, its escapes undone, where it is something else."""
    try:
        pairs = ast.literal_eval(text)
        return [str(pair[1]) for pair in pairs]
    except (ValueError, SyntaxError, TypeError, IndexError, KeyError, MemoryError, RecursionError):
        return [text.replace("\\n", "\n")]


def _of_lines(lines: Sequence[str]) -> str | None:
    """The exception under the last "Task failed with exception", else under the last traceback, else the last error logged."""
    failed = [number for number, line in enumerate(lines) if line.endswith(_FAILED)]
    for start in reversed(failed[-3:]):
        if found := _last_exception(lines[start:], first=True):
            return found
    if found := _last_exception(lines, first=False):
        return found
    errors = [match[2] for line in lines if (match := _LEVEL.match(line))]
    return errors[-1] if errors else None


def _last_exception(lines: Sequence[str], *, first: bool) -> str | None:
    """The line that ends a traceback: the last of all, or, where `first`, of those before the log goes on."""
    found, inside = None, False
    for number, line in enumerate(lines):
        if _ANY_LEVEL.match(line) and number > 0:
            if first and found:
                return found
            inside = line.endswith(_TRACEBACK)
        elif line.strip() == _TRACEBACK:
            inside = True
        elif inside and line[:1].strip():
            found, inside = line, False
    return found
