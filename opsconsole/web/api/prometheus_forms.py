"""Parameters of Prometheus' API, from the address and from a posted form, read and refused as Prometheus does."""

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

from opsconsole import promql
from opsconsole.model import Matcher, QueryError
from opsconsole.model.matching import predicate
from opsconsole.promql.tokens import go_quoted
from opsconsole.web.api.prometheus_times import BEGINNING, END, Nanoseconds, parse_duration, parse_time, stored_ms
from opsconsole.web.forms import body

LARGEST = 4 * 1024 * 1024
"""Bytes of a posted form: a long expression, or many selectors."""
_MOST_FIELDS = 10_000
_LONGEST_NUMBER = 18
"""Digits that fit 64 bits, and that Python reads without complaint."""
_FORM = "application/x-www-form-urlencoded"


class BadData(Exception):
    """A request that cannot be answered as it stands; the text is what Prometheus says."""


class Form:
    """The values of each name: those of the body come before those of the address."""

    def __init__(self, pairs: Sequence[tuple[str, str]], compat: int = 3) -> None:
        self._values: dict[str, list[str]] = {}
        self._compat = compat
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def get(self, name: str) -> str:
        """The first value, or nothing."""
        return next(iter(self.all(name)), "")

    def time(self, name: str, default: Nanoseconds | None = None) -> Nanoseconds:
        """A time. Raises BadData; a parameter that has a `default` may be absent."""
        text = self.get(name)
        if default is not None and not text:
            return default
        try:
            return parse_time(text, self._compat)
        except ValueError:
            raise self._no_time(name, optional=default is not None) from None

    def window_ms(self) -> tuple[int, int]:
        """From `start` to `end` in Unix milliseconds: the whole of time unless told. Raises BadData."""
        return stored_ms(self.time("start", BEGINNING)), stored_ms(self.time("end", END))

    def _no_time(self, name: str, *, optional: bool) -> BadData:
        """Prometheus says it twice of a parameter that may be absent."""
        twice = f"{'Invalid' if self._compat == 2 else 'invalid'} time value for '{name}': " if optional else ""
        return invalid(name, f"{twice}cannot parse {go_quoted(self.get(name))} to a valid timestamp")

    def duration(self, name: str) -> Nanoseconds:
        """Seconds as a number, or `1h30m`. Raises BadData."""
        try:
            return parse_duration(self.get(name))
        except ValueError as error:
            raise invalid(name, str(error)) from None

    def limit(self) -> int:
        """How many results are wanted, 0 for all; Prometheus 2.42 has no such parameter. Raises BadData."""
        text = self.get("limit")
        if not text or self._compat == 2:
            return 0
        if not re.fullmatch(r"[+-]?[0-9]+", text):
            raise invalid("limit", f"strconv.Atoi: parsing {go_quoted(text)}: invalid syntax")
        if len(text) > _LONGEST_NUMBER:
            raise invalid("limit", f"strconv.Atoi: parsing {go_quoted(text)}: value out of range")
        if int(text) < 0:
            raise invalid("limit", "limit must be non-negative")
        return int(text)

    def selectors(self) -> list[tuple[Matcher, ...]]:
        """The series selectors of `match[]`, each of which must demand something. Raises BadData."""
        found = [_selector(text, self._compat) for text in self.all("match[]")]
        if any(all(predicate(matcher)("") for matcher in matchers) for matchers in found):
            raise BadData("match[] must contain at least one non-empty matcher")
        return found


def invalid(name: str, why: str) -> BadData:
    return BadData(f"invalid parameter {go_quoted(name)}: {why}")


async def form(request: Request, compat: int = 3) -> Form:
    """Raises HTTPException for a body that is too large, too slow or broken off."""
    pairs: list[tuple[str, str]] = []
    if request.method == "POST" and request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
        pairs += _pairs(await body(request, LARGEST))
    return Form(pairs + _pairs(request.scope["query_string"]), compat)


def _pairs(text: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text.decode(errors="replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise HTTPException(400, f"a form has {_MOST_FIELDS} fields at most") from error


def _selector(text: str, compat: int) -> tuple[Matcher, ...]:
    try:
        return promql.parse_selector(text, compat)
    except QueryError as error:
        raise BadData(str(error)) from None
