"""Text into tokens, one at a time: a mistake further on is not seen before the parser gets there, as in Prometheus.

What a character may be depends on the braces or brackets that it stands in (prometheus/prometheus, `promql/parser/lex.go`).
"""

import re
from typing import NoReturn

from opsconsole.promql.strings import rune, string_end
from opsconsole.promql.tokens import KEYWORDS, NUMBER_WORDS, Kind, Token, go_quoted, parse_error

_SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*)+")
_BLANK = re.compile(r"[ \t\r\n]+")
_WORD = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LETTERS = re.compile(r"[A-Za-z_]*")
_HEXADECIMAL = re.compile(r"0[xX]_?[0-9a-fA-F]*(?:_?[0-9a-fA-F]+)*")
_DECIMAL = re.compile(r"(?:[0-9]+(?:_[0-9]+)*)?(?:\.[0-9]*(?:_[0-9]+)*)?(?:[eE][+-]?[0-9]+(?:_[0-9]+)*)?")
_UNITS = re.compile(r"[smhdwy]s?(?:[0-9]+[smhdw]s?)*")
_DIGITS = re.compile(r"[0-9]*")
_CONTINUED = re.compile(r"[A-Za-z0-9_.]")
_OPERATORS = re.compile(r"==|!=|<=|>=|</|>/|[-+*/%^<>]")
_DURATION_WORDS = frozenset({"step", "range", "min_of", "max_of"})


class Lexer:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._parens = 0
        self._in_braces = self._in_brackets = self._after_colon = self._after_duration = self._after_number = False

    def next(self) -> Token:
        """The next token, at last an END. Raises QueryError."""
        space = (_BLANK if self._in_brackets and not self._after_number else _SPACE).match(self._text, self._at)
        if space:
            self._at = space.end()
        char = self._char(self._at)
        if self._in_braces:
            return self._braced(char)
        return self._bracketed(char) if self._in_brackets else self._outside(char)

    def _char(self, at: int) -> str:
        return self._text[at : at + 1]

    def _fail(self, message: str, position: int | None = None) -> NoReturn:
        raise parse_error(self._text, self._at if position is None else position, message)

    def _token(self, kind: Kind, length: int) -> Token:
        token = Token(kind, self._text[self._at : self._at + length], self._at)
        self._at += length
        return token

    def _braced(self, char: str) -> Token:
        if not char:
            self._fail("unexpected end of input inside braces")
        if name := _NAME.match(self._text, self._at):
            return self._token(Kind.LABEL, len(name[0]))
        following = self._char(self._at + 1)
        if char == "," or char == "}":
            self._in_braces = char != "}"
            return self._token(Kind.SYMBOL, 1)
        if char in "\"'`":
            return self._token(Kind.STRING, string_end(self._text, self._at, self._fail) - self._at)
        if char == "=":
            return self._token(Kind.SYMBOL, 2 if following == "~" else 1)
        if char == "!":
            if following and following in "~=":
                return self._token(Kind.SYMBOL, 2)
            self._fail(f"unexpected character after '!' inside braces: {rune(following)}")
        brace = "unexpected left brace" if char == "{" else "unexpected character inside braces:"
        return self._fail(f"{brace} {rune(char)}")

    def _bracketed(self, char: str) -> Token:
        """Within brackets stand durations and one colon; once a number was read, the words for all else are those of outside."""
        if char == "]":
            self._in_brackets = False
            return self._token(Kind.SYMBOL, 1)
        if char == ":":
            return self._colon()
        letters = _LETTERS.match(self._text, self._at)
        if letters and letters[0].lower() in _DURATION_WORDS:
            self._after_duration = True
            return self._token(Kind.WORD, len(letters[0]))
        if self._after_number:
            return self._after_a_number(char)
        if not char:
            self._fail("unexpected end of input in duration expression")
        if char in "()":
            return self._parenthesis(char)
        if char in "+-*/%^,":
            return self._token(Kind.SYMBOL, 1)
        if self._begins_number(char):
            self._after_duration = self._after_number = True
            return self._number()
        return self._fail(f"unexpected character in duration expression: {rune(char)}")

    def _after_a_number(self, char: str) -> Token:
        if not char and not self._parens:
            self._fail("unclosed left bracket")
        if char == "[":
            self._fail("unexpected left bracket '['")
        if _NAME.match(self._text, self._at):
            self._fail(f"unexpected character: {rune(char)}, expected ':'")
        return self._outside(char)

    def _colon(self) -> Token:
        if self._after_number and self._after_colon:
            self._fail("unexpected colon ':'")
        token = self._token(Kind.SYMBOL, 1)
        if not self._after_duration:
            self._fail("unexpected colon before duration in duration expression")
        if self._after_colon:
            self._fail("unexpected repeated colon in duration expression")
        self._after_colon = True
        return token

    def _outside(self, char: str) -> Token:
        if not char:
            if self._parens:
                self._fail("unclosed left parenthesis")
            return self._token(Kind.END, 0)
        if char in "()":
            return self._parenthesis(char)
        if char == "[":
            self._in_brackets, self._after_colon, self._after_number = True, False, False
        if char in "[{,@":
            self._in_braces = char == "{"
            return self._token(Kind.SYMBOL, 1)
        if char in "\"'`":
            return self._token(Kind.STRING, string_end(self._text, self._at, self._fail) - self._at)
        if self._begins_number(char):
            return self._number()
        if word := _WORD.match(self._text, self._at):
            return self._named(word[0])
        return self._operator(char)

    def _named(self, word: str) -> Token:
        lower = word.lower()
        if lower in NUMBER_WORDS:
            return self._token(Kind.NUMBER, len(word))
        if lower.startswith("fill") and lower in KEYWORDS:
            space = _BLANK.match(self._text, self._at + len(word))
            opened = self._char(space.end() if space else self._at + len(word)) == "("
            return self._token(Kind.WORD if opened else Kind.LABEL, len(word))
        return self._token(Kind.METRIC if ":" in word else Kind.WORD, len(word))

    def _operator(self, char: str) -> Token:
        if operator := _OPERATORS.match(self._text, self._at):
            return self._token(Kind.SYMBOL, len(operator[0]))
        following = self._char(self._at + 1)
        if char == "=" and following == "~":
            self._fail("unexpected character after '=': '~'")
        if char == "=":
            return self._token(Kind.SYMBOL, 1)
        if char == "!":
            self._fail(f"unexpected character after '!': {rune(following)}")
        what = "unexpected right bracket" if char == "]" else "unexpected character:"
        return self._fail(f"{what} {rune(char)}")

    def _parenthesis(self, char: str) -> Token:
        self._parens += (char == "(") - (char == ")")
        if self._parens < 0:
            self._fail("unexpected right parenthesis ')'", self._at + 1)
        return self._token(Kind.SYMBOL, 1)

    def _begins_number(self, char: str) -> bool:
        return char in "0123456789" or (char == "." and (self._char(self._at + 1) or "x") in "0123456789")

    def _number(self) -> Token:
        match = _HEXADECIMAL.match(self._text, self._at) or _DECIMAL.match(self._text, self._at)
        end = match.end() if match else self._at
        if not self._goes_on(end):
            return self._token(Kind.NUMBER, end - self._at)
        units = _UNITS.match(self._text, end)
        if units is None:
            beyond = end + (self._char(end) in "._eE")
            self._fail(f"bad number or duration syntax: {go_quoted(self._text[self._at : beyond])}")
        if self._goes_on(units.end()):
            digits = _DIGITS.match(self._text, units.end())
            beyond = max(units.end() + 1, digits.end() if digits else 0)
            self._fail(f"bad number or duration syntax: {go_quoted(self._text[self._at : beyond])}")
        return self._token(Kind.DURATION, units.end() - self._at)

    def _goes_on(self, at: int) -> bool:
        return _CONTINUED.match(self._text, at) is not None
