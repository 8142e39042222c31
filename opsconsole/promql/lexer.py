"""Text into tokens, each with its offset; what a word means is for the parser to say."""

import enum
import re
from dataclasses import dataclass

from opsconsole.model import QueryError


class Kind(enum.StrEnum):
    NUMBER = "number"
    DURATION = "duration"
    STRING = "string"
    WORD = "identifier"
    SYMBOL = "symbol"
    END = "end of input"


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str
    position: int


_PATTERN = re.compile(
    r"""(?P<space>[ \t\r\n]+|\#[^\r\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
      | (?P<duration>(?:[0-9]+(?:ms|[smhdwy]))+(?![0-9A-Za-z_.]))
      | (?P<number>0[xX](?:_?[0-9a-fA-F])+(?![0-9A-Za-z_.])
        |(?:[0-9](?:_?[0-9])*\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![0-9A-Za-z_.]))
      | (?P<word>[A-Za-z_:][A-Za-z0-9_:]*)
      | (?P<symbol>==|!=|=~|!~|<=|>=|</|>/|[-+*/%^<>=(){}\[\],@:])""",
    re.VERBOSE,
)
_COLON = re.compile(r":")
_PLAIN_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KINDS = {
    "string": Kind.STRING,
    "duration": Kind.DURATION,
    "number": Kind.NUMBER,
    "word": Kind.WORD,
    "symbol": Kind.SYMBOL,
}


def parse_error(text: str, position: int, message: str) -> QueryError:
    """A `bad_data` error in Prometheus' form, line and column first."""
    return QueryError(f"{place(text, position)}: parse error: {message}", "bad_data", position)


def place(text: str, position: int) -> str:
    """Line and column, both from 1."""
    before = text[:position]
    return f"{before.count(chr(10)) + 1}:{position - before.rfind(chr(10))}"


def tokens(text: str) -> list[Token]:
    """All tokens and an END. A colon is a word's letter, except within brackets and braces."""
    found: list[Token] = []
    at, depth = 0, 0
    while at < len(text):
        match = _match(text, at, enclosed=depth > 0)
        if match is None:
            raise parse_error(text, at, _complaint(text, at))
        group = match.lastgroup or "symbol"
        if group != "space":
            found.append(Token(_KINDS[group], match[0], at))
            depth += (match[0] in ("[", "{")) - (match[0] in ("]", "}") and depth > 0)
        at = match.end()
    return [*found, Token(Kind.END, "", len(text))]


def _match(text: str, at: int, *, enclosed: bool) -> re.Match[str] | None:
    match = _PATTERN.match(text, at)
    if enclosed and match is not None and match.lastgroup == "word" and ":" in match[0]:
        return _COLON.match(text, at) or _PLAIN_WORD.match(text, at)
    return match


def _complaint(text: str, at: int) -> str:
    char = text[at]
    if char in "\"'`":
        return "unterminated raw string" if char == "`" else "unterminated quoted string"
    if char.isdigit() or char == ".":
        word = re.match(r"[0-9A-Za-z_.]+", text[at:])
        return f'bad number or duration syntax: "{word[0] if word else char}"'
    if char == "!":
        return "unexpected character after '!'"
    return f"unexpected character: {char!r}"
