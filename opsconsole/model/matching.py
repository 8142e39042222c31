"""Label matchers as predicates: a label that is missing has the empty value.

Regular expressions are RE2's, anchored at both ends, and the dot takes a line end too (Prometheus 3, `model/labels/regexp.go`).
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import re2

from opsconsole.model.series import Matcher, MatchOp, QueryError

Predicate = Callable[[str], bool]


@lru_cache(maxsize=2048)
def pattern(regex: str) -> Any:
    """A compiled anchored expression, sound by itself too (`a)|(b` is not). Raises ValueError with RE2's complaint."""
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(regex, options)
        return re2.compile(f"^(?s:{regex})$", options)
    except re2.error as error:
        reason = error.args[0]
        raise ValueError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)) from None


@lru_cache(maxsize=2048)
def predicate(matcher: Matcher) -> Predicate:
    """What the matcher says of a value. Raises QueryError for a regular expression that RE2 does not take."""
    wanted = matcher.value
    match matcher.op:
        case MatchOp.EQUAL:
            return lambda value: value == wanted
        case MatchOp.NOT_EQUAL:
            return lambda value: value != wanted
    try:
        pattern(wanted)
    except ValueError as error:  # half a surrogate pair is one too
        raise QueryError(f"invalid regular expression {wanted!r}: {error}", kind="bad_data") from error
    if matcher.op is MatchOp.REGEX:
        return lambda value: _matches(wanted, value)
    return lambda value: not _matches(wanted, value)


def fits(labels: Mapping[str, str], matchers: Iterable[Matcher]) -> bool:
    return all(predicate(matcher)(labels.get(matcher.name, "")) for matcher in matchers)


@lru_cache(maxsize=50_000)
def _matches(regex: str, value: str) -> bool:
    """Remembered for each value: the same ones are asked for at every evaluation."""
    search = pattern(regex).search
    try:
        return search(value) is not None
    except UnicodeEncodeError:  # half a surrogate pair, from a sender's broken bytes
        return search(value.encode(errors="replace").decode()) is not None
