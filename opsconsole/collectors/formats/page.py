"""A page of metrics: Prometheus' text format or OpenMetrics.

A page looks the same each time but for its values. So it is cut at line ends and at the last space of each line, all at once;
what stands in front of that is compared with the page before, as one list with another, and where it is the same, the
series are known without a look at any line; from then on `page_pattern.py` tells it with less. Else each line's series is
looked up by its bytes, and only a line that is new is read. That is exact, since only what was read in full is known: a
series, and one space before its value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import compress
from operator import itemgetter

import numpy as np

from opsconsole.collectors.formats.exposition import OPENMETRICS, TEXT, Grammar, Told, Wrong, millis, number, split, told
from opsconsole.collectors.formats.page_pattern import Pattern
from opsconsole.model import Millis, Refs, Values

_PLAIN = b"0123456789+-.eE"
_head, _tail = itemgetter(0), itemgetter(2)


class PageError(ValueError):
    """A page that cannot be used, with the line."""


@dataclass(slots=True)
class Shape:
    """What of a page returns with the next: the lines up to their values, and the series of each; `pattern` once it did."""

    grammar: Grammar
    heads: list[bytes]
    comments: list[bytes]
    samples: list[bool]
    refs: Refs
    pattern: Pattern | None = None

    def values(self, lines: list[bytes], heads: list[bytes], tails: list[bytes]) -> Values | None:
        """The values of a page of this shape, else None. Raises PageError."""
        if heads != self.heads or self.comments != _others(tails, self.samples):
            return None
        return _values(list(compress(tails, self.samples)), lines, self.samples)

    def learn(self, body: bytes) -> None:
        """It has returned: know it better."""
        if body.endswith(b"\n") and len(body) > 8:
            self.pattern = Pattern(body, [*self.samples, False] if self.grammar is OPENMETRICS else self.samples)
            self.heads = []

    def quickly(self, body: bytes, grammar: Grammar) -> Values | None:
        """The same as `values` of a page that was not cut, where the pattern is known."""
        if self.pattern is None or grammar is not self.grammar or (found := self.pattern.values(body)) is None:
            return None
        values, left, places = found
        try:
            values[left] = _numbers([body[start:end] for start, end in places.tolist()])
        except Wrong:
            return None
        return values


@dataclass(slots=True)
class Page:
    """Sample `i` is of the series `refs[i]` where that is positive, else of the new `keys[-1 - refs[i]]`.

    `times` are Unix milliseconds, None where no line has one, and `dated` says which do. `shape` is None where the page has
    none that could return, and the one that was given where it did.
    """

    refs: Refs
    values: Values
    keys: list[bytes] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    times: Millis | None = None
    dated: "np.ndarray[tuple[int], np.dtype[np.bool_]] | None" = None
    shape: Shape | None = None


def read(body: bytes, grammar: Grammar, known: Mapping[bytes, int], shape: Shape | None = None) -> Page:
    """Read a page; `known` are the refs of series by their bytes. Raises PageError."""
    if shape is not None and (values := shape.quickly(body, grammar)) is not None:
        return Page(shape.refs, values, shape=shape)
    lines = body.split(b"\n")
    if not lines[-1]:
        lines.pop()
    if grammar is OPENMETRICS:
        _check_end(lines)
    cut = [line.rpartition(b" ") for line in lines]
    heads, tails = list(map(_head, cut)), list(map(_tail, cut))
    if b"\t" in body:
        return _Reading(lines, grammar, known).page([b""] * len(lines), tails)  # spaces may be tabs: every line is read
    if shape is not None and shape.grammar is grammar and (values := shape.values(lines, heads, tails)) is not None:
        shape.learn(body)
        return Page(shape.refs, values, shape=shape)
    return _Reading(lines, grammar, known).page(heads, tails)


def _check_end(lines: list[bytes]) -> None:
    if lines and lines[-1] == b"# EOF":
        lines.pop()
    else:
        raise PageError(f"behind line {len(lines)}: the page does not end with # EOF")


def _others(tails: list[bytes], samples: list[bool]) -> list[bytes]:
    return [tails[i] for i, is_sample in enumerate(samples) if not is_sample] if not all(samples) else []


def _values(tails: list[bytes], lines: list[bytes], samples: list[bool]) -> Values:
    """Every value, strictly. Raises PageError."""
    try:
        return _numbers(tails)
    except Wrong:
        for place, tail in zip(compress(range(len(lines)), samples), tails, strict=True):
            try:
                number(tail)
            except Wrong as error:
                raise PageError(f"line {place + 1}: {error}") from None
        raise


def _numbers(texts: list[bytes]) -> Values:
    """Raises Wrong for what is none."""
    if not b"".join(texts).translate(None, _PLAIN):
        try:
            values = np.array(list(map(float, texts)), np.float64)
        except ValueError as error:
            raise Wrong(str(error)) from None
        if not np.isinf(values).any():
            return values
    return np.array([number(text) for text in texts], np.float64)


class _Reading:
    """One page being read line by line."""

    def __init__(self, lines: list[bytes], grammar: Grammar, known: Mapping[bytes, int]) -> None:
        self._lines, self._grammar, self._known = lines, grammar, known
        self._refs: list[int] = []
        self._new: dict[bytes, int] = {}
        self._told: list[Told] = []
        self._whole: dict[int, float] = {}
        self._times: dict[int, int] = {}
        self._samples: list[bool] = []

    def page(self, heads: list[bytes], tails: list[bytes]) -> Page:
        get, refs, samples = self._known.get, self._refs, self._samples
        for place, head in enumerate(heads):
            if (ref := get(head)) is not None:
                refs.append(ref)
                samples.append(True)
            else:
                try:
                    samples.append(self._line(self._lines[place], head))
                except Wrong as error:
                    raise PageError(f"line {place + 1}: {error}") from None
        page = Page(np.array(refs, np.int64), self._values(tails), list(self._new), self._told)
        if self._times:
            page.dated = np.zeros(len(refs), np.bool_)
            page.times = np.zeros(len(refs), np.int64)
            for i, at_ms in self._times.items():
                page.dated[i], page.times[i] = True, at_ms
        elif not self._whole:
            page.shape = Shape(self._grammar, heads, _others(tails, samples), samples, page.refs)
        return page

    def _values(self, tails: list[bytes]) -> Values:
        """Of lines that do not end with their value it was read with them."""
        mine = list(compress(tails, self._samples))
        for i in self._whole:
            mine[i] = b"0"
        values = _values(mine, self._lines, self._samples)
        for i, value in self._whole.items():
            values[i] = value
        return values

    def _line(self, line: bytes, head: bytes) -> bool:
        """Read a line that is not known; whether it is a sample. `head` is what stands before its last space."""
        if line[:1] == b"#" or not line.strip(b" \t") or (self._grammar is TEXT and line.lstrip(b" \t")[:1] == b"#"):
            return self._comment(line)
        key, value, at = split(line, self._grammar)
        place = len(self._refs)
        ref = self._known.get(key)
        self._refs.append(-1 - self._new.setdefault(key, len(self._new)) if ref is None else ref)
        if at is not None:
            self._times[place] = millis(at, self._grammar)
        if head != key:
            self._whole[place] = value
        return True

    def _comment(self, line: bytes) -> bool:
        if self._grammar is OPENMETRICS and line == b"# EOF":
            raise Wrong("there is more behind # EOF")
        if self._grammar is OPENMETRICS and not line.startswith(b"# "):
            raise Wrong("a line is empty" if not line else "this is neither a sample nor HELP, TYPE, UNIT or EOF")
        said = told(line, self._grammar)
        if said is not None:
            self._told.append(said)
        elif self._grammar is OPENMETRICS:
            raise Wrong("this is neither a sample nor HELP, TYPE, UNIT or EOF")
        return False
