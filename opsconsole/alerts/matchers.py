"""Alertmanager's matchers: `severity=~"high|critical", team="data"`.

Syntax and tolerance are those of Alertmanager 0.25, `pkg/labels/parse.go`: values may stand without quotes, `\\"`, `\\\\` and
`\\n` are escapes, any other backslash stands for itself. Regular expressions are RE2's and fit the whole value.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import re2

from opsconsole.model import Matcher, MatchOp

_SHAPE = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*(.*?)\s*", re.DOTALL | re.ASCII)
_ORDER = list(MatchOp)
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


def parse_matchers(text: str) -> list[Matcher]:
    """One or more matchers, separated by commas, in braces or without. Raises ValueError."""
    text = text.removeprefix("{").removesuffix("}")
    pieces = _split(text)
    if not pieces[-1].strip():
        pieces.pop()
    return [parse_matcher(piece) for piece in pieces]


def parse_matcher(text: str) -> Matcher:
    """Raises ValueError."""
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise ValueError(f'{text!r} is not a matcher: write it like severity="critical" or dag_id=~"orders_.*"')
    name, op, value = shape.groups()
    return checked(Matcher(name, MatchOp(op), _unquoted(value)))


def checked(matcher: Matcher) -> Matcher:
    """The matcher, if its expression is one. Raises ValueError."""
    if matcher.op in (MatchOp.REGEX, MatchOp.NOT_REGEX):
        _expression(matcher.value)
    return matcher


def _split(text: str) -> list[str]:
    """Cut at the commas outside of quotes."""
    pieces, quoted, escaped = [""], False, False
    for letter in text:
        if letter == "," and not quoted:
            pieces.append("")
            continue
        if letter == '"' and not escaped:
            quoted = not quoted
        escaped = letter == "\\" and not escaped
        pieces[-1] += letter
    return pieces


def _unquoted(raw: str) -> str:
    value = raw
    if raw.startswith('"'):
        if len(raw) < 2 or not raw.endswith('"') or _ends_escaped(raw[:-1]):
            raise ValueError(f"the quote of {raw} is not closed")
        value = raw[1:-1]
    out, index = "", 0
    while index < len(value):
        letter, following = value[index], value[index + 1 : index + 2]
        if letter == "\\" and following in _ESCAPES and following:
            out, index = out + _ESCAPES[following], index + 2
            continue
        if letter == '"':
            raise ValueError(f'{raw} has a quote inside: write it as \\"')
        out, index = out + letter, index + 1
    return out


def _ends_escaped(text: str) -> bool:
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def _expression(pattern: str) -> Any:
    try:
        return re2.compile(pattern)
    except re2.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression (RE2): {error}") from error


@dataclass(frozen=True, slots=True)
class _Compiled:
    matcher: Matcher
    expression: Any

    def fits(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.matcher.name, "")
        match self.matcher.op:
            case MatchOp.EQUAL:
                return value == self.matcher.value
            case MatchOp.NOT_EQUAL:
                return value != self.matcher.value
            case MatchOp.REGEX:
                return self.expression.fullmatch(value) is not None
            case MatchOp.NOT_REGEX:
                return self.expression.fullmatch(value) is None


class Condition:
    """All of some matchers; without any, it fits everything. A missing label is an empty one."""

    def __init__(self, matchers: Iterable[Matcher]) -> None:
        """Matchers are sorted, as Alertmanager sorts them, so that a group's key does not depend on their order."""
        self.matchers = tuple(sorted(matchers, key=lambda m: (m.name, m.value, _ORDER.index(m.op))))
        self._compiled = tuple(_Compiled(m, _expression(m.value) if "~" in m.op else None) for m in self.matchers)

    def fits(self, labels: Mapping[str, str]) -> bool:
        return all(compiled.fits(labels) for compiled in self._compiled)

    def __str__(self) -> str:
        return "{" + ",".join(f"{m.name}{m.op}{_quoted(m.value)}" for m in self.matchers) + "}"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
