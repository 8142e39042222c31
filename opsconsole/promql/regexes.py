"""What Go says of a regular expression that it cannot read."""

import re
from functools import lru_cache
from typing import Any

import re2

_ONE_LINE = "(?-s:"
_SINGLE_BYTE = re.compile(r"(?:[^\\]|\\[^CQ])*\\C.*", re.DOTALL)
"""What the original in C++ takes for any byte, and Go does not know."""
_VERBATIM = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
"""Escapes and classes of characters."""
_IN_GO = {
    "invalid escape sequence": "invalid escape sequence",
    "invalid character class": "invalid character class",
    "invalid character class range": "invalid character class range",
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "unexpected )": "unexpected )",
    "trailing \\": "trailing backslash at end of expression",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid UTF-8": "invalid UTF-8",
    "invalid named capture group": "invalid named capture",
}
"""RE2's complaints, in C++ and in Go."""


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    return options


@lru_cache(maxsize=1024)
def complaint(regex: str) -> str:
    """Nothing if the expression is sound, anchored as Prometheus 2 anchors it and by itself; its Go knows `(?P<…>` alone."""
    told = _complaint(f"^(?:{regex})$") or _complaint(regex)
    newer = not told and "(?<" in _VERBATIM.sub("", regex)
    return "error parsing regexp: invalid or unsupported Perl syntax: `(?<`" if newer else told


def complaint_alone(regex: str) -> str:
    """The same of the expression by itself, which Prometheus 3 reads before it anchors it."""
    return _complaint(regex)


def of_one_line(regex: str) -> str:
    """A sound expression whose dot matches no newline, as in Prometheus 2."""
    return f"{_ONE_LINE}{regex})" if "." in regex else regex


def as_written(regex: str) -> str:
    """What `of_one_line` was given."""
    return regex.removeprefix(_ONE_LINE)[:-1] if regex.startswith(_ONE_LINE) else regex


def _complaint(regex: str) -> str:
    if _SINGLE_BYTE.fullmatch(regex):
        return "error parsing regexp: invalid escape sequence: `\\C`"
    try:
        re2.compile(regex, _options())
    except re2.error as error:
        reason = error.args[0]
        told = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        what, _, part = told.partition(": ")
        return f"error parsing regexp: {_IN_GO.get(what, what)}: `{part}`"
    return ""
