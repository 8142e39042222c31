"""A source of series that lives in memory, for rule unit tests."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from struct import pack

import numpy as np

from opsconsole.clock import millis
from opsconsole.model import STALE, Admit, Block, Labels, Matcher, Sample, Series, admit_all, blocks_of
from opsconsole.model.matching import fits

_END = pack("d", STALE)


class MemorySource:
    """Keeps every sample it is given; one at the same time as another of its series replaces it."""

    def __init__(self) -> None:
        self._series: dict[Labels, tuple[list[int], dict[int, float]]] = {}

    def append(self, samples: Iterable[Sample]) -> None:
        for sample in samples:
            self.put(sample.labels.merged({"__name__": sample.name}), millis(sample.at), sample.value)

    def append_block(self, block: Block) -> None:
        for labels, values in zip(block.labels, block.values.tolist(), strict=True):
            for at_ms, value in zip(block.timestamps.tolist(), values, strict=True):
                self.put(labels, at_ms, value)

    def add(self, labels: Labels, at_ms: int, value: float) -> bool:
        """Keep a sample; False where its series has another value at its time, which stays. A series' end gives way silently."""
        _, held = self._series.get(labels, ([], {}))
        if at_ms in held:
            return pack("d", value) in (pack("d", held[at_ms]), _END)
        self.put(labels, at_ms, value)
        return True

    def put(self, labels: Labels, at_ms: int, value: float) -> None:
        times, held = self._series.setdefault(labels, ([], {}))
        if at_ms not in held:
            insort(times, at_ms)
        held[at_ms] = value

    async def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Series]:
        found = []
        for labels, (times, held) in self._series.items():
            if fits(labels, matchers):
                window = times[bisect_left(times, start_ms) : bisect_right(times, end_ms)]
                found.append(Series(labels, np.array(window, np.int64), np.array([held[at] for at in window], np.float64)))
        return found

    async def blocks(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, admit: Admit = admit_all) -> list[Block]:
        return blocks_of(await self.select(matchers, start_ms, end_ms))
