"""The items of a text one after the other, with one looked at ahead, and Prometheus' words for one that is out of place."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from opsconsole.promql.literals import unquote
from opsconsole.promql.prometheus2.lexer import Lexer
from opsconsole.promql.prometheus2.numbers import parse_duration_ms, parse_number
from opsconsole.promql.prometheus2.words import Item, Kind
from opsconsole.promql.tokens import go_quoted, parse_error

_WORDS = (Kind.OPERATOR, Kind.MARK, Kind.KEYWORD)


class Items:
    def __init__(self, text: str) -> None:
        self.text = text
        self.taken = Item(Kind.END, 0, "")
        self._lexer = Lexer(text)
        self._ahead: Item | None = None
        self._aggregations = 0

    def peek(self) -> Item:
        """Reads the next item if it was not read yet; this is when its mistakes come out."""
        if self._ahead is None:
            self._ahead = self._lexer.next()
        return self._ahead

    def take(self) -> Item:
        self.taken, self._ahead = self.peek(), None
        return self.taken

    def sees(self, *words: str) -> bool:
        item = self.peek()
        return item.kind in _WORDS and item.word in words

    def accept(self, *words: str) -> bool:
        if found := self.sees(*words):
            self.take()
        return found

    def expect(self, mark: str, context: str = "", wanted: str = "") -> None:
        if not self.accept(mark):
            self.unexpected(context, wanted)

    @contextmanager
    def aggregating(self) -> Iterator[None]:
        """While an aggregation lies open it is what a complaint without a place of its own names."""
        self._aggregations += 1
        yield
        self._aggregations -= 1

    def unexpected(self, context: str = "", wanted: str = "") -> NoReturn:
        context = context or ("aggregation" if self._aggregations else "")
        place = (f" in {context}" if context else "") + (f", expected {wanted}" if wanted else "")
        self.fail(self.peek().position, f"unexpected {self.peek().described()}{place}")

    def fail(self, position: int, message: str) -> NoReturn:
        raise parse_error(self.text, position, message)

    def number(self) -> float:
        item = self.take()
        try:
            return parse_number(item.text)
        except ValueError as error:
            return self.fail(item.position, f"error parsing number: {error}")

    def string(self) -> str:
        item = self.take()
        try:
            return unquote(item.text)
        except ValueError:
            return self.fail(item.position, f"error unquoting string {go_quoted(item.text)}: invalid syntax")

    def duration_ms(self, context: str, wanted: str) -> int:
        if self.peek().kind is not Kind.DURATION:
            self.unexpected(context, wanted)
        item = self.take()
        try:
            duration = parse_duration_ms(item.text)
        except ValueError as error:
            return self.fail(item.position, str(error))
        if duration == 0:
            self.fail(item.position, "duration must be greater than 0")
        return duration
