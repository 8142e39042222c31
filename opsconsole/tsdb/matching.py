"""Label matchers as predicates: a label that is missing has the empty value."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import re2

from opsconsole.model import Matcher, MatchOp, QueryError

Predicate = Callable[[str], bool]


def predicate(matcher: Matcher) -> Predicate:
    """What the matcher says of a value. Raises QueryError for a regular expression that RE2 does not take."""
    wanted = matcher.value
    if matcher.op is MatchOp.EQUAL:
        return lambda value: value == wanted
    if matcher.op is MatchOp.NOT_EQUAL:
        return lambda value: value != wanted
    _compiled(wanted)
    if matcher.op is MatchOp.REGEX:
        return lambda value: _matches(wanted, value)
    return lambda value: not _matches(wanted, value)


def fits(tests: Sequence[tuple[str, Predicate]], labels: Mapping[str, str]) -> bool:
    return all(test(labels.get(name, "")) for name, test in tests)


@functools.lru_cache(maxsize=50_000)
def _matches(pattern: str, value: str) -> bool:
    try:
        return _compiled(pattern).fullmatch(value) is not None
    except UnicodeEncodeError:  # half a surrogate pair, from a sender's broken bytes
        return _compiled(pattern).fullmatch(value.encode(errors="replace").decode()) is not None


@functools.lru_cache(maxsize=1000)
def _compiled(pattern: str) -> Any:
    """Anchored by `fullmatch`; `.` takes a line end too, as in Prometheus 3 (`model/labels/regexp.go`)."""
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise QueryError(f"invalid regular expression {pattern!r}: {_reason(error)}", kind="bad_data") from error


def _reason(error: Exception) -> str:
    said = error.args[0] if error.args else error
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
