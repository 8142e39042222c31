"""Reading tokens one after the other, and complaining about the one that should not be there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from opsconsole.model import QueryError
from opsconsole.promql.lexer import Kind, Token, parse_error, tokens
from opsconsole.promql.literals import parse_duration_ms, parse_number, unquote

LONGEST_SECONDS = 2**63 / 1e9
_DEEPEST = 100


class Cursor:
    """`compat` 2 refuses what Prometheus 2 did not know: durations as numbers and the reverse, quoted names."""

    def __init__(self, text: str, compat: int = 3) -> None:
        self.text, self.compat = text, compat
        self._tokens = tokens(text)
        self._index = 0
        self._depth = 0

    @contextmanager
    def nested(self) -> Iterator[None]:
        """One level deeper, up to a limit that hostile text meets."""
        self._depth += 1
        if self._depth > _DEEPEST:
            self.fail(f"the expression is nested deeper than {_DEEPEST} levels")
        yield
        self._depth -= 1

    @property
    def token(self) -> Token:
        return self._tokens[self._index]

    def ended(self) -> bool:
        return self.token.kind is Kind.END

    @property
    def following(self) -> Token:
        return self._tokens[min(self._index + 1, len(self._tokens) - 1)]

    def advance(self) -> Token:
        token = self.token
        if token.kind is not Kind.END:
            self._index += 1
        return token

    def sees(self, *texts: str) -> bool:
        """Whether the next token is one of these symbols, or one of these words in any case."""
        token = self.token
        return (token.kind is Kind.SYMBOL and token.text in texts) or (token.kind is Kind.WORD and token.text.lower() in texts)

    def accept(self, *texts: str) -> bool:
        if found := self.sees(*texts):
            self.advance()
        return found

    def expect(self, text: str, context: str) -> Token:
        if not self.sees(text):
            self.unexpected(context, f'"{text}"')
        return self.advance()

    def fail(self, message: str, position: int | None = None) -> NoReturn:
        raise self.error(message, position)

    def error(self, message: str, position: int | None = None) -> QueryError:
        return parse_error(self.text, self.token.position if position is None else position, message)

    def unexpected(self, context: str, expected: str = "") -> NoReturn:
        token = self.token
        what = "end of input" if token.kind is Kind.END else f'{token.kind} "{token.text}"'.removeprefix("symbol ")
        place = f" in {context}" if context else ""
        self.fail(f"unexpected {what}{place}" + (f", expected {expected}" if expected else ""))

    def string(self, context: str) -> str:
        if self.token.kind is not Kind.STRING:
            self.unexpected(context, "string")
        try:
            value = unquote(self.token.text)
        except ValueError as error:
            raise self.error(str(error)) from None
        self.advance()
        return value

    def number(self) -> float:
        """A number token's value; a duration counts its seconds, as in Prometheus 3."""
        token = self.token
        if token.kind is Kind.DURATION and self.compat == 2:
            self.unexpected("")
        if "_" in token.text and self.compat == 2:
            self.fail(f'bad number or duration syntax: "{token.text}"')
        try:
            value = parse_duration_ms(token.text) / 1000 if token.kind is Kind.DURATION else parse_number(token.text)
        except (ValueError, OverflowError) as error:
            raise self.error(f"error parsing number: {error}") from None
        self.advance()
        return value

    def duration_ms(self, context: str) -> int:
        """A duration, or as in Prometheus 3 a number of seconds."""
        if self.token.kind not in (Kind.NUMBER, Kind.DURATION):
            self.unexpected(context, "duration")
        start, seconds = self.token.position, self._seconds(context)
        if not -LONGEST_SECONDS <= seconds <= LONGEST_SECONDS:
            self.fail("duration out of range", start)
        return round(seconds * 1000)

    def _seconds(self, context: str) -> float:
        if self.compat == 3:
            return self.number()
        if self.token.kind is not Kind.DURATION:
            self.unexpected(context, "duration")
        try:
            return parse_duration_ms(self.advance().text) / 1000
        except ValueError as error:
            raise self.error(str(error)) from None

    def positive_duration_ms(self, context: str) -> int:
        start = self.token.position
        if (duration := self.duration_ms(context)) <= 0:
            self.fail("duration must be greater than 0", start)
        return duration
