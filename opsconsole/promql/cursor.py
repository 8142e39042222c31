"""Reading tokens one after the other, with one looked at ahead, and complaining about the one that should not be there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from opsconsole.model import QueryError
from opsconsole.promql.lexer import Lexer
from opsconsole.promql.literals import parse_duration_ms, parse_number, unquote
from opsconsole.promql.nodes import Number
from opsconsole.promql.tokens import Kind, Token, parse_error

LONGEST_SECONDS = 2**63 / 1e9
_DEEPEST = 100
_WORDY = (Kind.SYMBOL, Kind.WORD)


class Cursor:
    def __init__(self, text: str) -> None:
        self.text = text
        self.ended_at = 0
        self._lexer = Lexer(text)
        self._ahead: Token | None = None
        self._depth = self._aggregations = 0

    @contextmanager
    def nested(self) -> Iterator[None]:
        """One level deeper, up to a limit that hostile text meets."""
        self._depth += 1
        if self._depth > _DEEPEST:
            self.fail(f"the expression is nested deeper than {_DEEPEST} levels", self.token.position)
        yield
        self._depth -= 1

    @contextmanager
    def aggregating(self) -> Iterator[None]:
        """While an aggregation lies open it is what a complaint without a place of its own names."""
        self._aggregations += 1
        yield
        self._aggregations -= 1

    @property
    def token(self) -> Token:
        """The next token; only now is it looked for, and its mistakes come out."""
        if self._ahead is None:
            self._ahead = self._lexer.next()
        return self._ahead

    def ended(self) -> bool:
        return self.token.kind is Kind.END

    def advance(self) -> Token:
        token, self._ahead = self.token, None
        self.ended_at = token.position + len(token.text)
        return token

    def sees(self, *texts: str) -> bool:
        """Whether the next token is one of these symbols, or one of these words in any case."""
        return self.token.kind in _WORDY and self.token.word in texts

    def accept(self, *texts: str) -> bool:
        if found := self.sees(*texts):
            self.advance()
        return found

    def expect(self, text: str, context: str = "", expected: str = "") -> Token:
        if not self.sees(text):
            self.unexpected(context, expected)
        return self.advance()

    def fail(self, message: str, position: int) -> NoReturn:
        raise self.error(message, position)

    def error(self, message: str, position: int) -> QueryError:
        return parse_error(self.text, position, message)

    def unexpected(self, context: str = "", expected: str = "") -> NoReturn:
        context = context or ("aggregation" if self._aggregations else "")
        place = (f" in {context}" if context else "") + (f", expected {expected}" if expected else "")
        self.fail(f"unexpected {self.token.described()}{place}", self.token.position)

    def string(self, context: str = "") -> str:
        if self.token.kind is not Kind.STRING:
            self.unexpected(context, "string")
        return unquote(self.advance().text)

    def number(self) -> float:
        """A number token's value; a duration counts its seconds."""
        token = self.advance()
        if token.kind is Kind.DURATION:
            try:
                return parse_duration_ms(token.text) / 1000
            except ValueError as error:
                raise self.error(str(error), token.position) from None
        try:
            return parse_number(token.text)
        except ValueError as error:
            raise self.error(f"error parsing number: {error}", token.position) from None


def numeral(cursor: Cursor) -> Number:
    """The number, or duration, that the cursor stands at."""
    token = cursor.token
    return Number(cursor.number(), token.position, "duration" if token.kind is Kind.DURATION else "decimal")
