"""Text into items, one at a time: a mistake further on is not seen before the parser gets there, as in Prometheus."""

import re
from typing import NoReturn

from opsconsole.promql.prometheus2.words import Item, Kind, kind_of
from opsconsole.promql.strings import rune, string_end
from opsconsole.promql.tokens import go_quoted, parse_error

_SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*)+")
_WORD = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"(?:0[xX][0-9a-fA-F]*(?:\.[0-9a-fA-F]*)?|[0-9]*(?:\.[0-9]*)?)(?:[eE][+-]?[0-9]*)?")
_UNITS = re.compile(r"[smhdwy]s?(?:[0-9]+[smhdw]s?)*")
_DIGITS = re.compile(r"[0-9]+")
_BLANK = re.compile(r"[ \t\r\n]*")
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9_]")
_OPERATORS = re.compile(r"==|!=|<=|>=|[-+*/%^<>]")


class Lexer:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._parens = 0
        self._in_braces = self._in_brackets = self._after_bracket = self._after_colon = False

    def next(self) -> Item:
        """The next item, at last an END. Raises QueryError."""
        if self._after_bracket:
            return self._range()
        if space := _SPACE.match(self._text, self._at):
            self._at = space.end()
        char = self._char(self._at)
        return self._within_braces(char) if self._in_braces else self._outside(char)

    def _char(self, at: int) -> str:
        return self._text[at : at + 1]

    def _fail(self, message: str, position: int | None = None) -> NoReturn:
        raise parse_error(self._text, self._at if position is None else position, message)

    def _item(self, kind: Kind, length: int) -> Item:
        item = Item(kind, self._at, self._text[self._at : self._at + length])
        self._at += length
        return item

    def _within_braces(self, char: str) -> Item:
        if not char:
            self._fail("unexpected end of input inside braces")
        if name := _NAME.match(self._text, self._at):
            return self._item(Kind.IDENTIFIER, len(name[0]))
        following = self._char(self._at + 1)
        if char == ",":
            return self._item(Kind.MARK, 1)
        if char in "\"'`":
            return self._item(Kind.STRING, string_end(self._text, self._at, self._fail) - self._at)
        if char == "=":
            return self._item(Kind.OPERATOR if following == "~" else Kind.MARK, 2 if following == "~" else 1)
        if char == "!":
            if following and following in "~=":
                return self._item(Kind.OPERATOR, 2)
            self._fail(f"unexpected character after '!' inside braces: {rune(following)}")
        if char == "{":
            self._fail("unexpected left brace '{'")
        if char != "}":
            self._fail(f"unexpected character inside braces: {rune(char)}")
        self._in_braces = False
        return self._item(Kind.MARK, 1)

    def _outside(self, char: str) -> Item:
        if not char:
            if self._parens:
                self._fail("unclosed left parenthesis")
            if self._in_brackets:
                self._fail("unclosed left bracket")
            return self._item(Kind.END, 0)
        if char in "()[]{},":
            return self._bracket(char)
        if char == "@":
            return self._item(Kind.AT, 1)
        if char in "\"'`":
            return self._item(Kind.STRING, string_end(self._text, self._at, self._fail) - self._at)
        if char in "0123456789" or (char == "." and (self._char(self._at + 1) or "x") in "0123456789"):
            return self._number()
        if word := _WORD.match(self._text, self._at):
            return self._letter(char) if self._in_brackets else self._item(kind_of(word[0]), len(word[0]))
        return self._operator(char)

    def _operator(self, char: str) -> Item:
        if operator := _OPERATORS.match(self._text, self._at):
            return self._item(Kind.OPERATOR, len(operator[0]))
        following = self._char(self._at + 1)
        if char == "=":
            if following == "~":
                self._fail("unexpected character after '=': '~'")
            return self._item(Kind.MARK, 1)
        if char == "!":
            self._fail(f"unexpected character after '!': {rune(following)}")
        return self._fail(f"unexpected character: {rune(char)}")

    def _letter(self, char: str) -> Item:
        """Within brackets any letter is read as the colon."""
        if self._after_colon:
            self._fail(f"unexpected colon {rune(char)}")
        self._after_colon = True
        return self._item(Kind.MARK, 1)

    def _bracket(self, char: str) -> Item:
        if char == "[":
            return self._open_bracket()
        if char == "]" and not self._in_brackets:
            self._fail("unexpected right bracket ']'")
        self._in_brackets = self._in_brackets and char != "]"
        self._in_braces = char == "{"
        if char == "}":
            self._fail("unexpected character: '}'")
        self._parens += (char == "(") - (char == ")")
        if self._parens < 0:
            self._fail("unexpected right parenthesis ')'", self._at + 1)
        return self._item(Kind.MARK, 1)

    def _open_bracket(self) -> Item:
        if self._in_brackets:
            self._fail("unexpected left bracket '['")
        self._in_brackets, self._after_bracket, self._after_colon = True, True, False
        return self._item(Kind.MARK, 1)

    def _range(self) -> Item:
        """A duration, as it must stand right after an opening bracket."""
        self._after_bracket = False
        space = _BLANK.match(self._text, self._at)
        self._at = space.end() if space else self._at
        end, complete = self._scan_number()
        if complete:
            self._fail("missing unit character in duration")
        return self._duration(end, "bad duration syntax")

    def _number(self) -> Item:
        end, complete = self._scan_number()
        return self._item(Kind.NUMBER, end - self._at) if complete else self._duration(end, "bad number or duration syntax")

    def _scan_number(self) -> tuple[int, bool]:
        """Where the digits end, and whether nothing that could belong to them follows."""
        match = _NUMBER.match(self._text, self._at)
        end = match.end() if match else self._at
        return end, not _ALPHANUMERIC.match(self._text, end)

    def _duration(self, end: int, complaint: str) -> Item:
        units = _UNITS.match(self._text, end)
        if units is None:
            self._fail(f"{complaint}: {go_quoted(self._text[self._at : end])}")
        if count := _DIGITS.match(self._text, units.end()):
            self._fail(f"{complaint}: {go_quoted(self._text[self._at : count.end()])}")
        if _ALPHANUMERIC.match(self._text, units.end()):
            self._fail(f"{complaint}: {go_quoted(self._text[self._at : units.end() + 1])}")
        return self._item(Kind.DURATION, units.end() - self._at)
