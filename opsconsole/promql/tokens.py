"""What a text falls into, what Prometheus calls it when it stands in the wrong place, and how Go quotes text."""

import enum
from dataclasses import dataclass

from opsconsole.model import QueryError


class Kind(enum.StrEnum):
    """Values are the names that a complaint prints before the text. A WORD may be a keyword, by where it stands."""

    NUMBER = "number"
    DURATION = "duration"
    STRING = "string"
    WORD = "identifier"
    LABEL = "label"
    METRIC = "metric identifier"
    SYMBOL = "symbol"
    END = "end of input"


@dataclass(frozen=True, slots=True)
class Token:
    """`position` is an offset in characters."""

    kind: Kind
    text: str
    position: int

    @property
    def word(self) -> str:
        """Keywords are known in any case."""
        return self.text.lower()

    def described(self) -> str:
        match self.kind:
            case Kind.END:
                return str(self.kind)
            case Kind.SYMBOL:
                return f"<op:{self.text}>" if self.text in _OPERATORS else go_quoted(self.text)
            case Kind.WORD:
                return _word(self.text)
            case Kind.LABEL | Kind.METRIC:
                return f"{'identifier' if self.kind is Kind.LABEL else self.kind} {go_quoted(self.text)}"
        return f"{self.kind} {_short(self.text)}"


_LONGEST_SHOWN = 10
_OPERATORS = frozenset({"+", "-", "*", "/", "%", "^", "==", "!=", "<", "<=", ">", ">=", "</", ">/", "=~", "!~", "@"})
OPERATOR_WORDS = frozenset({"and", "or", "unless", "atan2"})
AGGREGATION_WORDS = frozenset(
    {
        "avg",
        "bottomk",
        "count",
        "count_values",
        "group",
        "limit_ratio",
        "limitk",
        "max",
        "min",
        "quantile",
        "stddev",
        "stdvar",
        "sum",
        "topk",
    }
)
KEYWORDS = frozenset(
    {
        "anchored",
        "bool",
        "by",
        "fill",
        "fill_left",
        "fill_right",
        "group_left",
        "group_right",
        "ignoring",
        "offset",
        "on",
        "smoothed",
        "without",
    }
)
QUERY_WORDS = frozenset({"start", "end", "step", "range", "min_of", "max_of"})
"""Names of functions that are keywords too."""
NUMBER_WORDS = frozenset({"inf", "nan"})


def _word(text: str) -> str:
    lower = text.lower()
    if lower in KEYWORDS:
        return f"<{text}>"
    if lower in OPERATOR_WORDS:
        return f"<op:{text}>"
    if lower in AGGREGATION_WORDS:
        return f"<aggr:{text}>"
    return go_quoted(text) if lower in QUERY_WORDS else f"identifier {go_quoted(text)}"


def _short(text: str) -> str:
    return go_quoted(text[:_LONGEST_SHOWN]) + "..." if len(text.encode(errors="replace")) > _LONGEST_SHOWN else go_quoted(text)


def parse_error(text: str, position: int, message: str) -> QueryError:
    """A `bad_data` error in Prometheus' form, line and column first."""
    return QueryError(f"{place(text, position)}: parse error: {message}", "bad_data", position)


def place(text: str, position: int) -> str:
    """Line and column, both from 1; the column counts bytes of UTF-8, as Go does."""
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return f"{text.count(chr(10), 0, position) + 1}:{len(line.encode(errors='replace')) + 1}"


_NAMED_ESCAPES = {7: "\\a", 8: "\\b", 12: "\\f", 10: "\\n", 13: "\\r", 9: "\\t", 11: "\\v", 92: "\\\\"}


def go_quoted(text: str, mark: str = '"') -> str:
    """Go's `%q`: of a string in double quotes, of a character in single ones."""
    return mark + "".join(_escaped(char, mark) for char in text) + mark


def _escaped(char: str, mark: str) -> str:
    code = ord(char)
    if char == mark:
        return "\\" + mark
    if code in _NAMED_ESCAPES:
        return _NAMED_ESCAPES[code]
    if char.isprintable() or code == 0xFFFD:
        return char
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
