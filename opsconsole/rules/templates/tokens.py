"""Splitting a template into text and actions, and an action into words."""

import enum
import re
from dataclasses import dataclass

from opsconsole.promql.literals import unquote

LONGEST = 65_536
"""Characters of a template; a rule's text is far shorter, so more is a mistake or an attack."""


class TemplateError(ValueError):
    """A template that cannot be parsed or rendered."""


class Kind(enum.Enum):
    NUMBER = "number"
    TEXT = "text"
    VARIABLE = "variable"  # $name
    FIELD = "field"  # .Name
    DOT = "dot"
    WORD = "word"
    MARK = "mark"  # ( ) | , := =


@dataclass(frozen=True, slots=True)
class Word:
    """One word of an action; `spaced` says that white space stands before it, since `$x.y` and `$x .y` differ."""

    kind: Kind
    text: str
    spaced: bool


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Action:
    words: tuple[Word, ...]


_WORDS = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<raw>`[^`]*`)
    |(?P<quoted>"(?:[^"\\\n]|\\.)*")
    |(?P<rune>'(?:[^'\\\n]|\\[^\n])[^'\n]*')
    |(?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9]+)?|0[bB][01_]+|0[oO][0-7_]+|(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?))
    |(?P<variable>\$[A-Za-z0-9_]*)
    |(?P<field>\.[A-Za-z_][A-Za-z0-9_]*)
    |(?P<dot>\.)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<mark>:=|=|\(|\)|\||,)""",
    re.VERBOSE,
)
_KINDS = {
    "number": Kind.NUMBER,
    "variable": Kind.VARIABLE,
    "field": Kind.FIELD,
    "dot": Kind.DOT,
    "word": Kind.WORD,
    "mark": Kind.MARK,
}


def split(template: str) -> list[Text | Action]:
    """Text and actions in order; comments are gone and `{{-`, `-}}` have trimmed the text beside them."""
    if len(template) > LONGEST:
        raise TemplateError(f"a template may have {LONGEST} characters, this one has {len(template)}")
    parts: list[Text | Action] = []
    at, trim = 0, False
    while (opened := template.find("{{", at)) >= 0:
        inner = opened + 2
        trim_before = template[inner : inner + 2] in ("- ", "-\n", "-\t", "-\r")
        inner += trim_before
        _add_text(parts, template[at:opened], left=trim, right=trim_before)
        at, trim = _action(template, inner, parts)
    _add_text(parts, template[at:], left=trim, right=False)
    return parts


def _add_text(parts: list[Text | Action], text: str, *, left: bool, right: bool) -> None:
    text = text.lstrip() if left else text
    text = text.rstrip() if right else text
    if text:
        parts.append(Text(text))


def _action(template: str, at: int, parts: list[Text | Action]) -> tuple[int, bool]:
    """Read the action whose inside begins at `at`; where the text goes on, and whether it is to be trimmed."""
    body = at + (template[at - 1] == "-" and template[at : at + 1].isspace())
    if template.startswith("/*", body):
        closed = template.find("*/", body + 2)
        end = re.compile(r"(\s-)?\}\}").match(template, closed + 2) if closed >= 0 else None
        if end is None:
            raise TemplateError("a comment is not closed")
        return end.end(), bool(end[1])
    words: list[Word] = []
    spaced = False
    while True:
        if end := re.compile(r"(?:(?<=\s)-)?\}\}").match(template, at):
            parts.append(Action(tuple(words)))
            return end.end(), len(end[0]) == 3
        match = _WORDS.match(template, at)
        if match is None:
            raise TemplateError("an action is not closed" if at >= len(template) else f"unexpected {template[at]!r} in an action")
        at = match.end()
        if match.lastgroup == "space":
            spaced = True
            continue
        words.append(_word(match, spaced))
        spaced = False


def _word(match: re.Match[str], spaced: bool) -> Word:
    group, text = match.lastgroup or "", match[0]
    if group == "raw":
        return Word(Kind.TEXT, text[1:-1], spaced)
    if group == "quoted":
        return Word(Kind.TEXT, _unquoted(text), spaced)
    if group == "rune":
        rune = _unquoted(text)
        if len(rune) != 1:
            raise TemplateError(f"{text} is not one character")
        return Word(Kind.NUMBER, str(ord(rune)), spaced)
    return Word(_KINDS[group], text, spaced)


def _unquoted(text: str) -> str:
    other = "'" if text[0] == '"' else '"'
    try:
        if re.search(rf"(?<!\\)(?:\\\\)*\\{other}", text):
            raise ValueError(text)
        return unquote(text)
    except ValueError as error:
        raise TemplateError(f"{text} is not a quoted text") from error
