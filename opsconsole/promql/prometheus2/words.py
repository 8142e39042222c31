"""Tokens of Prometheus 2.42, what they are called in its complaints, and how Go prints numbers there."""

import enum
import math
from dataclasses import dataclass

from opsconsole.promql.literals import format_value
from opsconsole.promql.nodes import COMPARISONS, SET_OPERATORS
from opsconsole.promql.signatures import AGGREGATIONS, NEWER
from opsconsole.promql.tokens import go_quoted


class Kind(enum.StrEnum):
    """Values are Prometheus' names where a complaint prints one before the text."""

    IDENTIFIER = "identifier"
    METRIC = "metric identifier"
    STRING = "string"
    NUMBER = "number"
    DURATION = "duration"
    KEYWORD = "keyword"
    OPERATOR = "op"
    AGGREGATION = "aggr"
    MARK = "mark"
    AT = "at"
    END = "end of input"


@dataclass(frozen=True, slots=True)
class Item:
    """`position` is an offset in the text; `text` is as written."""

    kind: Kind
    position: int
    text: str

    @property
    def word(self) -> str:
        """Keywords and operators are known in any case."""
        return self.text.lower()

    @property
    def end(self) -> int:
        return self.position + len(self.text)

    def described(self) -> str:
        match self.kind:
            case Kind.END:
                return "end of input"
            case Kind.KEYWORD:
                return f"<{self.text}>"
            case Kind.OPERATOR | Kind.AGGREGATION:
                return f"<{self.kind}:{self.text}>"
            case Kind.AT:
                return f'"<Item {_AT_NUMBER}>" <op:@>'
            case Kind.MARK:
                return go_quoted(self.text)
            case Kind.IDENTIFIER | Kind.METRIC:
                return f"{self.kind} {go_quoted(self.text)}"
        long = len(self.text.encode()) > _LONGEST_SHOWN
        shown = go_quoted(self.text[:_LONGEST_SHOWN]) + "..." if long else go_quoted(self.text)
        return f"{self.kind} {shown}"


_AT_NUMBER = 57385
"""That token has no name there, so that its number is printed."""
_LONGEST_SHOWN = 10
_MATCHING = ("bool", "by", "group_left", "group_right", "ignoring", "offset", "on", "without")
_KINDS = {
    **dict.fromkeys(_MATCHING, Kind.KEYWORD),
    **dict.fromkeys((*SET_OPERATORS, "atan2"), Kind.OPERATOR),
    **dict.fromkeys(AGGREGATIONS.keys() - NEWER, Kind.AGGREGATION),
    **dict.fromkeys(("start", "end"), Kind.MARK),
    **dict.fromkeys(("inf", "nan"), Kind.NUMBER),
}
OPERATORS = frozenset({"+", "-", "*", "/", "%", "^", "atan2"}) | COMPARISONS | SET_OPERATORS
_NEVER_NAMES = frozenset({"atan2", "bool", "on", "ignoring", "group_left", "group_right"})


def kind_of(word: str) -> Kind:
    """What a run of letters, digits, underscores and colons is outside braces."""
    return _KINDS.get(word.lower()) or (Kind.METRIC if ":" in word else Kind.IDENTIFIER)


def may_name_metric(item: Item) -> bool:
    if item.kind in (Kind.IDENTIFIER, Kind.METRIC, Kind.AGGREGATION):
        return True
    named = item.kind in (Kind.KEYWORD, Kind.OPERATOR) and item.word not in _NEVER_NAMES and item.text[:1].isalpha()
    return named or (item.kind is Kind.MARK and item.word in ("start", "end"))


def may_name_label(item: Item) -> bool:
    """Within `by (…)` and its kin, where keywords are names too."""
    wordy = item.kind in (Kind.IDENTIFIER, Kind.METRIC, Kind.AGGREGATION, Kind.KEYWORD, Kind.OPERATOR, Kind.MARK)
    return wordy and (item.text[0].isalpha() or item.text[0] in "_:")


def go_fixed(value: float) -> str:
    """Go's `%f`."""
    return f"{value:f}" if math.isfinite(value) else format_value(value)
