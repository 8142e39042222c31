"""Series for tests in Prometheus' own notation: `load 5m` and lines such as `metric{a="b"} 0+10x10 _ stale`."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from opsconsole.model import STALE, Admit, Block, Labels, Matcher, Sample, Series, admit_all, blocks_of
from opsconsole.model.matching import fits
from opsconsole.promql.nodes import Selector, Unary
from opsconsole.promql.parser import parse
from opsconsole.settings import parse_duration

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LINE = re.compile(r"(\S*\{.*\}|\S+)\s+(.*)")
_NUMBER = r"[-+]?(?:[0-9.]+(?:[eE][-+]?\d+)?|Inf|NaN)"
_RUN = re.compile(rf"({_NUMBER})([-+]{_NUMBER.replace('[-+]?', '', 1)})?x(\d+)", re.IGNORECASE)


class Loaded:
    """A `SeriesSource` and `MetricsReader` that holds what it was given."""

    def __init__(self, series: Iterable[Series] = ()) -> None:
        self.series = list(series)
        self.asked: list[tuple[tuple[Matcher, ...], int, int]] = []

    async def labels(
        self, matchers: Sequence[Matcher] = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[Labels]:
        return [s.labels for s in self.series if fits(s.labels, matchers)]

    async def label_names(
        self, matchers: Sequence[Matcher] = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[str]:
        return sorted({name for labels in await self.labels(matchers) for name in labels})

    async def label_values(
        self, name: str, matchers: Sequence[Matcher] = (), start_ms: int | None = None, end_ms: int | None = None
    ) -> list[str]:
        return sorted({labels[name] for labels in await self.labels(matchers) if name in labels})

    async def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Series]:
        self.asked.append((tuple(matchers), start_ms, end_ms))
        return [_cut(s, start_ms, end_ms) for s in self.series if fits(s.labels, matchers)]

    async def blocks(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, admit: Admit = admit_all) -> list[Block]:
        return blocks_of(await self.select(matchers, start_ms, end_ms))


def load(script: str, start: datetime = EPOCH) -> Loaded:
    """Every series of a script; the n-th value stands n steps after `start`."""
    step, found = timedelta(minutes=5), []
    for line in filter(None, map(str.strip, script.splitlines())):
        if line.startswith("load "):
            step = parse_duration(line.split()[1])
        elif not line.startswith("#"):
            found.append(_series(line, start, step))
    return Loaded(found)


def of_samples(samples: Iterable[Sample]) -> Loaded:
    """The same from samples."""
    columns: dict[Labels, list[tuple[int, float]]] = {}
    for sample in samples:
        labels = sample.labels.merged({"__name__": sample.name})
        columns.setdefault(labels, []).append((round(sample.at.timestamp() * 1000), sample.value))
    return Loaded(_columns(labels, sorted(points)) for labels, points in columns.items())


def _series(line: str, start: datetime, step: timedelta) -> Series:
    match = _LINE.fullmatch(line)
    assert match, line
    selector = parse(match[1])
    assert isinstance(selector, Selector), line
    labels = Labels({matcher.name: matcher.value for matcher in selector.matchers})
    first, width = round(start.timestamp() * 1000), step // timedelta(milliseconds=1)
    values = [value for item in match[2].split() for value in _expanded(item)]
    return _columns(labels, [(first + n * width, value) for n, value in enumerate(values) if value is not None])


def _expanded(item: str) -> Iterator[float | None]:
    if item.startswith("_"):
        yield from [None] * int(item[2:] or 1)
    elif item == "stale":
        yield STALE
    elif run := _RUN.fullmatch(item):
        begin, rise = float(run[1]), float(run[2] or 0)
        yield from (begin + rise * n for n in range(int(run[3]) + 1))
    else:
        yield float(item)


def _columns(labels: Labels, points: list[tuple[int, float]]) -> Series:
    times, values = [at for at, _ in points], [value for _, value in points]
    return Series(labels, np.array(times, dtype=np.int64), np.array(values, dtype=np.float64))


def _cut(series: Series, start_ms: int, end_ms: int) -> Series:
    low, high = np.searchsorted(series.timestamps, start_ms), np.searchsorted(series.timestamps, end_ms, side="right")
    return Series(series.labels, series.timestamps[low:high], series.values[low:high])


def normal(node: Any) -> Any:
    """A tree without what its printed form does not tell: the order of matchers, and a plus before what is computed."""
    if isinstance(node, tuple):
        return tuple(map(normal, node))
    if isinstance(node, Unary) and node.op == "+":
        return normal(node.expr)
    if isinstance(node, Selector):
        node = replace(node, matchers=tuple(sorted(node.matchers, key=repr)))
    if is_dataclass(node) and not isinstance(node, type):
        return replace(node, **{field.name: normal(getattr(node, field.name)) for field in fields(node)})
    return node
