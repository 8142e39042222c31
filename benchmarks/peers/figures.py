"""What a section measured: ours, the peer's, and how they should stand to each other."""

import gc
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line. `scale`: how many times the series of the issue's figures; `hours`: of samples
    that are queried."""

    scale: int = 1
    rounds: int = 5
    hours: int = 6


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement. `bound` is the most that ours may be in units of theirs (at least, where `more` is better); without
    a peer it is in the figure's own unit; None asks nothing."""

    what: str
    ours: float
    theirs: float | None
    unit: str
    bound: float | None = None
    more: bool = False

    @property
    def measure(self) -> float:
        """What the bound is about."""
        return self.ours if self.theirs is None else self.ours / self.theirs if self.theirs else float("inf")

    @property
    def held(self) -> bool:
        return self.bound is None or (self.measure >= self.bound if self.more else self.measure <= self.bound)


def table(figures: Iterable[Figure]) -> str:
    lines = [f"{'':<58} {'ours':>12} {'Prometheus':>12} {'':<14} {'ratio':>7} {'target':>8}"]
    for one in figures:
        theirs, ratio = ("", "") if one.theirs is None else (f"{one.theirs:,.3f}", f"{one.measure:.2f}")
        target = "" if one.bound is None else f"{'≥' if one.more else '≤'} {one.bound:g}"
        verdict = "" if one.bound is None else "ok" if one.held else "MISSED"
        lines.append(f"{one.what:<58} {one.ours:>12,.3f} {theirs:>12} {one.unit:<14} {ratio:>7} {target:>8} {verdict}")
    return "\n".join(lines)


@dataclass
class Cost:
    """CPU seconds of all threads, and seconds on the wall."""

    cpu: float = 0.0
    wall: float = 0.0


@contextmanager
def timed() -> Iterator[Cost]:
    """What this process spends."""
    cost = Cost()
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    try:
        yield cost
    finally:
        cost.cpu, cost.wall = time.process_time() - cpu, time.perf_counter() - wall
