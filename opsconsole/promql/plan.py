"""Which samples an expression needs: for every selector the span of time over all its steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opsconsole.model import Block, Matcher
from opsconsole.promql.info import info_selector
from opsconsole.promql.labelsets import Known, LabelSets
from opsconsole.promql.nodes import At, Call, Expr, Range, Selector, Subquery, children

FAR = 2**62
"""Milliseconds; no samples are older or younger."""
Matchers = tuple[Matcher, ...]


@dataclass(frozen=True, slots=True)
class Times:
    """What evaluation needs to know about time: the whole query's ends, and the engine's defaults, in milliseconds."""

    start_ms: int
    end_ms: int
    lookback_ms: int
    subquery_step_ms: int
    left_open: bool = True

    @property
    def is_range(self) -> bool:
        return self.start_ms != self.end_ms

    def anchor(self, at: At) -> int | None:
        """The fixed time that `@` names, if there is one; beyond `FAR` nothing happens anyway, and sums stay within 64 bits."""
        found = self.start_ms if at == "start" else self.end_ms if at == "end" else at
        return None if found is None else max(-FAR, min(FAR, found))

    def shifted(self, node: Selector | Subquery, start_ms: int, end_ms: int) -> tuple[int, int]:
        """The steps' first and last time as `node` sees them, after `@` and offset."""
        anchor = self.anchor(node.at)
        first, last = (start_ms, end_ms) if anchor is None else (anchor, anchor)
        return first - node.offset_ms, last - node.offset_ms

    def beyond(self, node: Selector) -> tuple[int, int]:
        """How far before and after a window the samples reach that tell the values at its edges."""
        return (self.lookback_ms if node.edges else 0), (self.lookback_ms if node.edges == "smoothed" else 0)

    def subquery_span(self, node: Subquery, start_ms: int, end_ms: int) -> tuple[int, int, int]:
        """First and last step of a subquery, which stand at multiples of its own step, and the step."""
        first, last = self.shifted(node, start_ms, end_ms)
        step = node.step_ms or self.subquery_step_ms
        edge = first - node.range_ms
        aligned = edge // step * step
        if aligned < edge or (self.left_open and aligned == edge):
            aligned += step
        return aligned, last, step


@dataclass(frozen=True, slots=True)
class Request:
    """Samples to fetch once; both ends belong to it."""

    matchers: Matchers
    start_ms: int
    end_ms: int

    def covers(self, matchers: Matchers, start_ms: int, end_ms: int) -> bool:
        return self.matchers == matchers and self.start_ms <= start_ms and end_ms <= self.end_ms


def requests(expr: Expr, times: Times) -> list[Request]:
    """What to fetch: selectors with the same matchers and overlapping spans share one request."""
    found: list[Request] = []
    for wanted in sorted(_wanted(expr, times, times.start_ms, times.end_ms), key=lambda request: request.start_ms):
        for place, known in enumerate(found):
            if known.matchers == wanted.matchers and wanted.start_ms <= known.end_ms:
                found[place] = Request(known.matchers, known.start_ms, max(known.end_ms, wanted.end_ms))
                break
        else:
            found.append(wanted)
    return found


def _wanted(expr: Expr, times: Times, start_ms: int, end_ms: int) -> Iterator[Request]:
    match expr:
        case Selector():
            first, last = times.shifted(expr, start_ms, end_ms)
            before, after = times.beyond(expr)
            yield Request(expr.matchers, first - max(before, times.lookback_ms), last + after)
        case Range():
            first, last = times.shifted(expr.selector, start_ms, end_ms)
            before, after = times.beyond(expr.selector)
            yield Request(expr.selector.matchers, first - expr.range_ms - before, last + after)
        case Call(name="info"):
            yield from _wanted(expr.args[0], times, start_ms, end_ms)
            yield from _wanted(info_selector(expr), times, start_ms, end_ms)
        case Subquery():
            first, last, _ = times.subquery_span(expr, start_ms, end_ms)
            if first <= last:
                yield from _wanted(expr.expr, times, first, last)
        case _:
            for child in children(expr):
                yield from _wanted(child, times, start_ms, end_ms)


class Fetched:
    """The answers to the requests."""

    def __init__(self, answers: Sequence[tuple[Request, list[Block]]], known: Known, *, fading: bool = False) -> None:
        self.answers, self.known, self._fading = answers, known, fading

    def labels(self, blocks: Sequence[Block]) -> LabelSets:
        """Those of all series of the blocks, counted through."""
        labels = self.known.of(block.labels for block in blocks)
        return labels.fading() if self._fading else labels

    def blocks(self, matchers: Matchers, start_ms: int, end_ms: int) -> list[Block]:
        for request, blocks in self.answers:
            if request.covers(matchers, start_ms, end_ms):
                return blocks
        raise LookupError(f"nothing was fetched for {matchers} from {start_ms} to {end_ms}")


class WhatThereIs(Fetched):
    """The same answers, for a question that goes beyond what was fetched: then with what there is of it."""

    def __init__(self, fetched: Fetched) -> None:
        super().__init__(fetched.answers, fetched.known)

    def blocks(self, matchers: Matchers, start_ms: int, end_ms: int) -> list[Block]:
        for request, blocks in self.answers:
            if request.matchers == matchers and request.start_ms <= start_ms <= request.end_ms:
                return blocks
        return []
