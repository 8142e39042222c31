"""Label matchers as predicates; regular expressions are RE2's, anchored at both ends, the dot matching a newline too."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import re2

from opsconsole.model import Labels, Matcher, MatchOp


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    return options


@lru_cache(maxsize=2048)
def pattern(regex: str) -> Any:
    """A compiled anchored expression, sound by itself too (`a)|(b` is not). Raises ValueError with RE2's complaint."""
    try:
        re2.compile(regex, _options())
        return re2.compile(f"^(?s:{regex})$", _options())
    except re2.error as error:
        reason = error.args[0]
        raise ValueError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)) from None


@lru_cache(maxsize=2048)
def predicate(matcher: Matcher) -> Callable[[str], bool]:
    """Whether a label's value (empty if it has none) fits; the answer for each value of an expression is remembered."""
    value = matcher.value
    match matcher.op:
        case MatchOp.EQUAL:
            return lambda text: text == value
        case MatchOp.NOT_EQUAL:
            return lambda text: text != value
    search, wanted = pattern(value).search, matcher.op is MatchOp.REGEX
    return lru_cache(maxsize=10_000)(lambda text: (search(text) is not None) is wanted)


def fits(labels: Labels, matchers: Iterable[Matcher]) -> bool:
    return all(predicate(matcher)(labels.get(matcher.name, "")) for matcher in matchers)
