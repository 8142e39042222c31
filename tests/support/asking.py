"""Random requests to Prometheus' query API: odd queries in odd parameters, some given twice, some not at all."""

from typing import NamedTuple
from urllib.parse import quote_plus

from tests.support.mistakes import Mistakes
from tests.support.peculiar import START
from tests.support.queries import ARITHMETIC, COMPARISONS, OVER_TIME, words

_BEGIN = int(START.timestamp())
_NAMES = words("reqs_total errs_total temp tie limit owner half irr lat_bucket up a:b:c one_shot missing : _ a: ü a.b a-b 9a")
_WORDS = words(
    "sum avg BY without on ignoring bool OffSet and or atan2 start end inf NaN rate time limitk fill anchored step Sum"
)
_LABELS = words("job instance group room code le n x_y __name__ a:b ü 9a on by sum bool offset inf start nothing")
_NUMBERS = words(
    "0x1F 0X1f 0xFFFFFFFFFFFFFFFF 0x8000000000000000 0x 0x1.8p3 1e308 1e309 1e-400 017 08 0o17 1_000 Inf -inf NaN iNf infinity"
    " 1e 1e+ .5 5. . 1.5.2 9223372036854775807 9223372036854775808 1e21 1e-7 3.0000000000000001 00 -0 --1 -+-1 1d 5ms 5e-324"
    " 2.5e-324 1e23 1/3 2^0.5 10^-6 2^53"
)
_DURATIONS = words(
    "5m 1m 30s 1h 1h30m 90s 1ms 1d 0s -5m 5 1.5m 5m5m 1m1h 292y 293y 5M 5m: 5m:1m 5m:0s 5m:7s 1h: :1m : 10m:13s 07m"
)
_TIMES_AT = ("0", "-1", "1767574800.1235", "1e10", "1e18", "1e19", "Inf", "NaN", "start()", "END()", "start", "foo", "0x10", "5m")
_OFFSETS = ("5m", "-5m", "1h", "0s", "5", "", "- 5m", "+5m", "1y", "5m offset 1m", "(5m)", "5m @ end()", "17s")
_TEXTS = (
    '"a"',
    "'a'",
    "`a`",
    '"ü"',
    '"\\u00fc"',
    '"\\n"',
    "'\"'",
    "`\\n`",
    '"<&>"',
    '""',
    '"a\\q"',
    '"\\x4"',
    '"\\400"',
    '"open',
)
_MORE_TEXTS = (
    "'\n'",
    '"\\ud800"',
    '"a\x00b"',
    '"%s"',
    '"job"',
    '"x"',
    '"__name__"',
    '"$1"',
    '"${1}x"',
    '"$0$2"',
    '"${1"',
    '"(.*)"',
)
_REGEXES = words(
    '"a.*" "(" ")" "[" "[z-a]" "a**" "*" "a{1001}" "a{2,1}" "(?i)API" "(?P<n>a)" "(?<n>a)" "(?=a)" "\\\\d+" "\\\\p{Greek}"'
    ' "\\\\p{Nope}" "\\\\1" "(?z)" "x|" ".+" "" "api|app" "^api$" "[[:alpha:]]+" "[[:nope:]]" "\\\\Q.\\\\E.*" "a{,2}" "\\\\C"'
)
_MATCHING = ("", "", "", "bool", "on(job)", "ignoring(job)", "on()", "on(job) group_left", "on(job) group_right(team)", "on job")
_GROUPING = ("", "", "by (job)", "without(instance, job)", "by ()", "by (a,)", "by", "by (a b)", "BY(code)")
_CALLS = words(
    "abs ceil exp ln log2 log10 sqrt sgn round timestamp sort absent scalar vector hour pi time sin Abs nosuch label_join"
)
_SLIPPED_IN = (" ", "\n", "# told\n", "#", "\r\n", "\u00a0", "ü", "\x00", "//", ";", "\ufeff", "😀", "$", "\\")
_TIMES = words(
    "0 -1.5 1e9 1e400 NaN Inf -Inf 0x1p30 0x69 1_0 +1767574800 2026-01-05T01:00:00Z 2026-01-05T01:00:00.123456789+01:00 now"
    " 2026-01-05t01:00:00z 2026-01-05T01:00:00 2026-02-30T00:00:00Z 2026-01-05T24:00:00Z 2026-01-05T01:00:00+25:00 ١ 5m"
    " 0001-01-01T00:00:00Z 9999-12-31T23:59:59Z 1767574800.00149 253402300800 9223372036 9223372037 9.3e18 -1e12 1e15 .5"
    " -292273086-05-16T16:47:06Z 292277025-08-18T07:12:54.999999999Z"
)
_STEPS = words(
    "60 71 15 300.5 1m 37.25 600 97s 1d 1ms 0.0001 0 -1 NaN Inf 1e300 9223372037 x 1h1m 1m1h 292y 300y 0x10 0s +60 1.9996"
)
_TIMEOUTS = words("1m 10 0 -1 -1m x NaN Inf 1e300 0s 1e10 300y 60s")
_OTHERS = (("limit", "1"), ("limit", "x"), ("lookback_delta", "x"), ("nocache", "1"), ("query", "1"), ("time", "x"), ("step", ""))
_DEEPEST = 4


class Asked(NamedTuple):
    """A request: `query` stands in its address, `body` is the form that is posted, None of a GET."""

    path: str
    query: str
    body: str | None


class Asking(Mistakes):
    def request(self) -> Asked:
        path = self.pick(("query", "query", "query_range", "query_range", "format_query", "query_exemplars"))
        pairs = [f"{name}={quote_plus(value)}" for name, value in self._parameters(path)]
        if self._likely(0.5):
            return Asked(path, "&".join(pairs), None)
        cut = self.random.randrange(len(pairs) + 1) if self._likely(0.1) else 0
        return Asked(path, "&".join(pairs[:cut]), "&".join(pairs[cut:]))

    def _parameters(self, path: str) -> list[tuple[str, str]]:
        """A query about now would be answered differently a moment later, so there is always a time."""
        first, last = (str(_BEGIN + self.random.choice(choice)) for choice in ((0, 600, 0.5), (3600, 5000, 4000.25)))
        told = {"query": self._text(), "time": last, "start": first, "end": last, "step": self.pick(_STEPS)}
        names = ("query", "time") if path == "query" else ("query", "start", "end", "step")
        pairs = [
            (name, self.pick(_TIMES) if name in ("time", "start", "end") and self._likely(0.1) else told[name]) for name in names
        ]
        if path != "query" and self._likely(0.04):
            pairs.pop(self.random.randrange(4))
        if self._likely(0.06):
            pairs.append(("timeout", self.pick(_TIMEOUTS)))
        if self._likely(0.15):
            pairs.append(self.random.choice((*_OTHERS, pairs[0])))
        if self._likely(0.1):
            self.random.shuffle(pairs)
        return pairs

    def _text(self) -> str:
        drawn = self.random.choices((self.any, self.garbled, self.mistyped, self._odd, self._sprinkled), (30, 12, 10, 40, 8))[0]
        return drawn()

    def _sprinkled(self) -> str:
        text = self._odd()
        at = self.random.randrange(len(text) + 1)
        return text[:at] + self.pick(_SLIPPED_IN) + text[at:]

    def _odd(self, depth: int = 0) -> str:
        kinds = (self._chosen, self._number, self._windowed, self._between, self._grouped, self._called, self._wrapped)
        drawn = self.random.choices(kinds, (4, 2, 3, 3, 3, 4, 2))[0] if depth <= _DEEPEST else self._chosen
        return drawn(depth + 1)

    def _number(self, depth: int) -> str:
        return self.pick(_NUMBERS)

    def _chosen(self, depth: int) -> str:
        name = self.pick(_NAMES) if self._likely(0.75) else self.pick((*_WORDS, ""))
        if self._likely(0.4) or not name:
            return f"{name}{{{', '.join(self._matcher() for _ in range(self.random.choice((0, 1, 1, 2))))}}}{self._shift()}"
        return name + self._shift()

    def _matcher(self) -> str:
        op = self.pick(("=", "!=", "=~", "=~", "!~", "==", "=", "!", "~"))
        return self.pick(_LABELS) + op + self.pick(_REGEXES if self._likely(0.5) else _TEXTS)

    def _shift(self) -> str:
        if self._likely(0.6):
            return ""
        return self.pick((f" @ {self.pick(_TIMES_AT)}", f" offset {self.pick(_OFFSETS)}"))

    def _windowed(self, depth: int) -> str:
        inner = self._chosen(depth) if self._likely(0.5) else f"({self._odd(depth)})"
        return f"{self.pick((*OVER_TIME, 'mad_over_time', ''))}({inner}[{self.pick(_DURATIONS)}]{self._shift()})"

    def _between(self, depth: int) -> str:
        op = self.pick((*ARITHMETIC, *COMPARISONS, "and", "or", "unless"))
        return f"{self._odd(depth)} {op} {self.pick(_MATCHING)} {self._odd(depth)}"

    def _grouped(self, depth: int) -> str:
        name = self.pick(words("sum avg min max count group stddev stdvar topk quantile count_values"))
        param = f"{self.pick(_NUMBERS + _TEXTS)}, " if name in ("topk", "quantile", "count_values") else ""
        return f"{name} {self.pick(_GROUPING)} ({param}{self._odd(depth)})"

    def _called(self, depth: int) -> str:
        if self._likely(0.3):
            parts = [self._odd(depth), *(self.pick(_TEXTS + _MORE_TEXTS) for _ in range(4))]
            return f"label_replace({', '.join(parts)})"
        return f"{self.pick(_CALLS)}({self._odd(depth) if self._likely(0.9) else ''})"

    def _wrapped(self, depth: int) -> str:
        levels = self.random.choice((1, 1, 1, 1, 30))
        before, after = self.pick(("( )", "-( )", "abs( )", "sum( )")).split(" ")
        return before * levels + self._odd(depth) + after * levels
