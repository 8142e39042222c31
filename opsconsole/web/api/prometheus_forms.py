"""Parameters of Prometheus' API, from the address and from a posted form, read and refused as Prometheus does."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

from opsconsole import promql
from opsconsole.clock import from_millis
from opsconsole.model import Matcher, QueryError
from opsconsole.promql.literals import parse_duration_ms
from opsconsole.promql.matchers import predicate
from opsconsole.promql.tokens import go_quoted
from opsconsole.web.forms import body

LARGEST = 4 * 1024 * 1024
"""Bytes of a posted form: a long expression, or many selectors."""
_MOST_FIELDS = 10_000
_LONGEST_NUMBER = 18
"""Digits that fit 64 bits, and that Python reads without complaint."""
_FORM = "application/x-www-form-urlencoded"
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAR = 2**62
"""Milliseconds; nobody's samples are older or younger."""
_BOUNDS = {"-292273086-05-16T16:47:06Z": -FAR, "292277025-08-18T07:12:54.999999999Z": FAR}
"""How Prometheus' own clients write the beginning and the end of time."""


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

    def time_ms(self, name: str, default: int | None = None) -> int:
        """Unix milliseconds. Raises BadData; a parameter that has a `default` may be absent."""
        text = self.get(name)
        if default is not None and not text:
            return default
        try:
            return _time_ms(text)
        except ValueError:
            raise self._no_time(name, optional=default is not None) from None

    def moment(self, name: str, default: datetime | None = None) -> datetime:
        """The same as a time of the calendar, which ends where Python's does."""
        if default is not None and not self.get(name):
            return default
        try:
            return from_millis(_time_ms(self.get(name)))
        except (ValueError, OverflowError):
            raise self._no_time(name, optional=default is not None) from None

    def _no_time(self, name: str, *, optional: bool) -> BadData:
        """Prometheus says it twice of a parameter that may be absent."""
        twice = f"{'Invalid' if self._compat == 2 else 'invalid'} time value for '{name}': " if optional else ""
        return invalid(name, f"{twice}cannot parse {go_quoted(self.get(name))} to a valid timestamp")

    def nanoseconds(self, name: str) -> int:
        """A duration: seconds as a number, or `1h30m`. Raises BadData."""
        try:
            return _nanoseconds(self.get(name))
        except ValueError as error:
            raise invalid(name, str(error)) from None

    def limit(self) -> int:
        """How many results are wanted, 0 for all. Raises BadData."""
        text = self.get("limit")
        if not text:
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


def _float(text: str) -> float:
    """As Go reads one: in ASCII, without white space around it or marks between digits. Raises ValueError."""
    if text != text.strip() or "_" in text or not text.isascii():
        raise ValueError(text)
    if not re.match(r"[+-]?0[xX].*[pP]", text):
        return float(text)
    try:
        return float.fromhex(text)
    except OverflowError as error:
        raise ValueError(text) from error


def _time_ms(text: str) -> int:
    try:
        seconds = _float(text)
    except ValueError:
        return _BOUNDS[text] if text in _BOUNDS else _calendar_ms(text)
    if not math.isfinite(seconds):
        raise ValueError(text)
    fraction, whole = math.modf(seconds)
    thousandths = math.copysign(math.floor(abs(fraction) * 1000 + 0.5), fraction)
    return max(-FAR, min(FAR, int(whole) * 1000 + int(thousandths)))


def _calendar_ms(text: str) -> int:
    """RFC 3339, to any fraction of a second, of which milliseconds count."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(text)
    moment = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
    return round((moment - _EPOCH).total_seconds()) * 1000 + int((match[2] or "").ljust(3, "0")[:3])


def _nanoseconds(text: str) -> int:
    try:
        nanoseconds = _float(text) * 1e9
    except ValueError:
        pass
    else:
        if math.isnan(nanoseconds):
            return -1
        if abs(nanoseconds) > 2**63:
            raise ValueError(f"cannot parse {go_quoted(text)} to a valid duration. It overflows int64")
        return int(nanoseconds)
    try:
        return 0 if text == "0" else parse_duration_ms(text) * 1_000_000
    except ValueError:
        raise ValueError(f"cannot parse {go_quoted(text)} to a valid duration") from None


def _selector(text: str, compat: int) -> tuple[Matcher, ...]:
    try:
        return promql.parse_selector(text, compat)
    except QueryError as error:
        raise BadData(str(error)) from None
