"""Random PromQL that is wrong, or nearly: texts with items dropped, doubled, swapped and slipped in, and wrong types."""

import re

from tests.support.queries import AGGREGATIONS, ARITHMETIC, COMPARISONS, DATES, MATH, OVER_TIME, SHIFTS, Queries, words

_PIECES = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`[^`]*`|[A-Za-z_:0-9.ü]+|==|!=|=~|!~|<=|>=|\s+|.', re.DOTALL)
_SLIPPED_IN = words(
    "( ) { } [ ] , + - * / % ^ == = != =~ !~ < > <= >= ! @ : \" ' ` # $ & | ; ~ ? \\ by without on ignoring group_left"
    " group_right bool offset and or unless atan2 sum topk count_values quantile rate foo 5m 5 1.5e 0x 1.2.3 5mm 1y2w 1h1y"
    ' 99999y inf nan start end "s" \'x\\q\' "\\xZZ" "\\u12" "\\777" "\\400" `r ü _ a.b a-b 1e999 0777 08 1_000 5m5s'
    ' 0s -5m 1e . .. e5 1. .5 "unterminated __name__="x" job="api" job=~"(" job=~"a**" job!~"[b-a]" {} () [5m] [5m:]'
    " [5m:1m] [:] [5] [5m [1m:1m:1m] by(1) by(a,,b) group_left(a) ignoring() =1 label_replace count Sum AND Offset STDDEV"
    ' holt_winters unknown_fn( rate( sum( time() vector(1) "\\'
)
_WITH_SPACES = (
    "\n",
    "\t",
    " ",
    "[ 5m ]",
    "[5m :1m ]",
    "offset 5m",
    "offset -5m",
    "offset 0s",
    "offset 5",
    "@ 5",
    "@ start()",
    "@ end",
    "@ -1",
)
_MORE = ("@ 1e400", "@ foo", "bool bool", "on (a)", "by (a b)", "== bool", "# told\n", "\ufffd")
_LETTERS = "()[]{},\"'`\\#@!=~ax05m_:$ü\n.-"
_FUNCTIONS = words(
    "clamp clamp_min round label_replace label_join histogram_quantile absent scalar vector sort time pi timestamp"
    " quantile_over_time predict_linear holt_winters nosuch first_over_time mad_over_time sort_by_label"
)


class Mistakes(Queries):
    def garbled(self) -> str:
        """A query of moderate length with up to three things done to its text."""
        text = self.any()
        while len(text) > 150:
            text = self.any()
        pieces = _PIECES.findall(text) or [""]
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            self._garble(pieces)
        return "".join(pieces) if self._likely(0.5) else self.pick(("", " ")).join(pieces)

    def _garble(self, pieces: list[str]) -> None:
        at, other = self.random.randrange(len(pieces)), self.random.randrange(len(pieces))
        odd = self.pick((*_SLIPPED_IN, *_WITH_SPACES, *_MORE))
        match self.random.randrange(8):
            case 0 if len(pieces) > 1:
                del pieces[at]
            case 1 | 2:
                pieces.insert(at, odd)
            case 3:
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case 4:
                pieces[at] = odd
            case 5:
                pieces.insert(at, pieces[at])
            case 6:
                del pieces[at + 1 :]
            case _:
                cut = self.random.randrange(len(pieces[at]) + 1)
                pieces[at] = pieces[at][:cut] + self.pick(_LETTERS) + pieces[at][cut:]

    def mistyped(self) -> str:
        """Well-formed, but with operands and arguments of any type and number."""
        operator = self.pick((*ARITHMETIC, *COMPARISONS, "and", "or", "unless"))
        modifiers = ("", "bool", "on(job)", "ignoring()", "on(job) group_left(job)", "bool on(x) group_right")
        match self.random.randrange(9):
            case 0 | 1 | 2 | 3:
                return f"{self.pick((*OVER_TIME, *MATH, *DATES, *_FUNCTIONS))}({self._arguments(5)})"
            case 4:
                grouping = self.pick(("", " by (job) "))
                return f"{self.pick((*AGGREGATIONS, 'topk', 'quantile', 'count_values'))}{grouping}({self._arguments(4)})"
            case 5:
                return f"{self._whatever()} {operator} {self.pick(modifiers)} {self._whatever()}"
            case 6:
                return self.pick("+-") + self._whatever()
            case 7:
                return f"({self._whatever()})[5m:1m]{self.pick(SHIFTS)}"
            case _:
                ranges = (*SHIFTS, "[5m]", "[5m:]")
                return self._whatever() + self.pick(ranges) + self.pick(ranges)

    def _arguments(self, most: int) -> str:
        return ", ".join(self._whatever() for _ in range(self.random.randrange(most)))

    def _whatever(self) -> str:
        return self.random.choices((self.vector, self.scalar, self.matrix, self.string), (28, 28, 28, 15))[0](3)
