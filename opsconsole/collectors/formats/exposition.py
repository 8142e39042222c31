"""One line of Prometheus' text format 0.0.4 or of OpenMetrics 1.0, read strictly; names in quotes as Prometheus 3 has them.

A page is read by `page.py`, which asks here for lines that it does not know yet.
"""

import math
import re
from typing import NamedTuple

LONGEST_KEY = 65_536
"""Bytes of a series' name and labels, at most."""
_SHOWN = 80
_NAME = rb"[a-zA-Z_:][a-zA-Z0-9_:]*+"
_LABEL = rb"[a-zA-Z_][a-zA-Z0-9_]*+"
_QUOTED = rb'"(?:[^\\"\n]|\\.)*+"'
_FLOAT = re.compile(rb"[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?|[+-]?inf(?:inity)?|nan", re.IGNORECASE)
_FINITE = re.compile(rb"[^iI]*")
_ESCAPE = re.compile(r"\\([\\n\"])")
_TYPES = ("counter", "gauge", "histogram", "summary")
TEXT_TYPES = frozenset((*_TYPES, "untyped"))
OPENMETRICS_TYPES = frozenset((*_TYPES, "gaugehistogram", "info", "stateset", "unknown"))


class Wrong(ValueError):
    """A line that the format does not allow; the text says why."""


class Grammar(NamedTuple):
    """How a format spells its lines.

    `series` is name and labels, `pair` one label with what follows it, `rest` everything behind the series.
    """

    series: re.Pattern[bytes]
    pair: re.Pattern[bytes]
    rest: re.Pattern[bytes]
    comment: re.Pattern[bytes]
    types: frozenset[str]


def _grammar(space: bytes, value: bytes, comment: bytes, types: frozenset[str]) -> Grammar:
    label = rb"(?:" + _LABEL + rb"|" + _QUOTED + rb")"
    pair = space + label + space + rb"(?:=" + space + _QUOTED + space + rb")?"
    braces = rb"\{(?:" + pair + rb",)*+(?:" + pair + rb"|" + space + rb")\}"
    return Grammar(
        re.compile(space + rb"(?:" + _NAME + rb"(?:" + space + braces + rb")?|" + braces + rb")"),
        re.compile(space + rb"(" + label + rb")" + space + rb"(?:=" + space + rb"(" + _QUOTED + rb")" + space + rb")?[,}]"),
        re.compile(value),
        re.compile(comment, re.DOTALL),
        types,
    )


TEXT = _grammar(
    rb"[ \t]*+",
    rb"[ \t]*+([^{ \t]++)(?:[ \t]++([0-9]++))?[ \t]*+",
    rb"[ \t]*+#[ \t]++(HELP|TYPE)[ \t]++(?:(" + _NAME + rb"|" + _QUOTED + rb")(?:[ \t](.*))?|.*)",
    TEXT_TYPES,
)
OPENMETRICS = _grammar(
    rb"",
    rb" ([^ ]++)(?: ([^ #]++))?(?: # (\{.*))?",
    rb"# (HELP|TYPE|UNIT) (?:(" + _NAME + rb"|" + _QUOTED + rb")(?: (.*))?|.*)",
    OPENMETRICS_TYPES,
)


class Line(NamedTuple):
    """A sample's line; `at` is the time as it is written, in the format's own unit."""

    key: bytes
    value: float
    at: bytes | None


class Told(NamedTuple):
    """A comment that tells something: `what` is HELP, TYPE or UNIT."""

    what: str
    family: str
    text: str


def split(line: bytes, grammar: Grammar) -> Line:
    """The series, the value and the time of a line. Raises Wrong."""
    found = grammar.series.match(line)
    if found is None:
        raise Wrong(f"{_shown(line)} does not begin with a metric's name and labels")
    if found.end() > LONGEST_KEY:
        raise Wrong(f"a series has more than {LONGEST_KEY:,} bytes of name and labels")
    rest = grammar.rest.fullmatch(line, found.end())
    if rest is None:
        raise Wrong(f"{_shown(line[found.end() :])} behind a series is no value, with or without a time")
    if grammar is OPENMETRICS and rest[3]:
        _check_exemplar(rest[3])
    return Line(found[0], number(rest[1]), rest[2])


def number(text: bytes) -> float:
    """A value. Raises Wrong."""
    if not _FLOAT.fullmatch(text):
        raise Wrong(f"{_shown(text)} is no value")
    value = float(text)
    if math.isinf(value) and _FINITE.fullmatch(text):
        raise Wrong(f"{_shown(text)} is larger than any value")
    return value


def millis(text: bytes, grammar: Grammar) -> int:
    """Unix milliseconds from a time as the format writes it: those in text, seconds in OpenMetrics. Raises Wrong."""
    at = float(int(text)) if grammar is TEXT and len(text) < 20 else number(text) * (1 if grammar is TEXT else 1000)
    if not -(2.0**63) <= at < 2.0**63:
        raise Wrong(f"{_shown(text)} is no time")
    return int(at)


def labels(key: bytes, grammar: Grammar) -> dict[str, str]:
    """What a series' bytes say, `__name__` included. Raises Wrong."""
    head, brace, _ = key.partition(b"{")
    found = {"__name__": head.strip(b" \t").decode()} if head.strip(b" \t") else {}
    at = len(head) + 1
    while brace and (pair := grammar.pair.match(key, at)):
        at = pair.end()
        if pair[2] is None:
            if pair[1][:1] != b'"':
                raise Wrong(f"label {_shown(pair[1])} has no value")
            name, value = "__name__", _text(pair[1])
        else:
            name, value = _text(pair[1]), _text(pair[2])
        if name in found:
            raise Wrong(f"label name {name[:_SHOWN]!r} is not unique")
        found[name] = value
    if not found.get("__name__"):
        raise Wrong(f"{_shown(key)} has no metric name")
    if "" in found:
        raise Wrong(f"{_shown(key)} has a label without a name")
    return found


def told(line: bytes, grammar: Grammar) -> Told | None:
    """What a comment tells, None where it is just a comment. Raises Wrong."""
    found = grammar.comment.fullmatch(line)
    if found is None:
        return None
    what, name, text = found[1].decode(), found[2], found[3] or b""
    if name is None:
        raise Wrong(f"{what} is not followed by a metric's name and a space")
    said = Told(what, _text(name), _unescaped(_utf8(text)) if what == "HELP" else _utf8(text))
    if what == "TYPE" and said.text not in grammar.types:
        raise Wrong(f"{_shown(text)} is no type of metric")
    if what == "UNIT" and said.text and not said.family.endswith(f"_{said.text}"):
        raise Wrong(f"the unit {said.text[:_SHOWN]!r} is not how {said.family[:_SHOWN]!r} ends")
    return said


def _check_exemplar(text: bytes) -> None:
    """It is not kept, and must be one all the same. Raises Wrong."""
    found = OPENMETRICS.series.match(text)
    rest = OPENMETRICS.rest.fullmatch(text, found.end()) if found else None
    if rest is None or rest[3]:
        raise Wrong(f"{_shown(text)} is no exemplar")
    number(rest[1])
    if rest[2]:
        millis(rest[2], OPENMETRICS)


def _text(quoted: bytes) -> str:
    return _unescaped(_utf8(quoted[1:-1])) if quoted[:1] == b'"' else quoted.decode()


def _utf8(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise Wrong(f"{_shown(text)} is not UTF-8") from None


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else found[1], text) if "\\" in text else text


def _shown(text: bytes) -> str:
    return repr(text[:_SHOWN].decode(errors="replace"))
