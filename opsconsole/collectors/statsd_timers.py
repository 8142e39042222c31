"""StatsD timers, kept as Prometheus' summaries or histograms, in seconds."""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence

from opsconsole.collectors.statsd_series import Aggregate, Batch, Wiring
from opsconsole.model import STALE

_FIFTHS = 5
_VALUES = 256
"""Quantiles are taken over the newest so many values of each fifth of the window."""
_MOST_WEIGHT = 1000


class Timer(Aggregate):
    """Sum and count of what was observed; subclasses say how its spread is told.

    `twice` passes over a value that repeats the one just before it: the second half of a pair.
    """

    __slots__ = ("_born", "_count_ref", "_last", "_sum_ref", "_twice", "count", "pending", "total")

    def __init__(self, wiring: Wiring, refs: tuple[int, int], *, twice: bool = False) -> None:
        super().__init__(wiring)
        self._sum_ref, self._count_ref = refs
        self._twice, self._last, self._born = twice, -1.0, False
        self.total, self.count = 0.0, 0
        self.pending: list[float] = []

    def take(self, value: float, weight: float, relative: bool) -> None:
        if self._twice and self._repeats(value):
            return
        seconds = value * self.scale
        if weight == 1.0:
            self.count += 1
            self.pending.append(seconds)
        else:
            times = min(round(weight), _MOST_WEIGHT)
            self.count += times
            self.pending += [seconds] * times
        self.touch()

    def _repeats(self, value: float) -> bool:
        repeats = value == self._last
        self._last = -1.0 if repeats else value
        return repeats

    def write(self, batch: Batch, at: float) -> None:
        if not self._born:
            self._born = True
            batch.births += self.cumulative()
        self.total += sum(self.pending)
        batch.add(self._sum_ref, self.total)
        batch.add(self._count_ref, self.count)
        self.spread(batch, at)
        self.pending.clear()

    def cumulative(self) -> list[int]:
        return [self._sum_ref, self._count_ref]

    def spread(self, batch: Batch, at: float) -> None:
        raise NotImplementedError


class Summary(Timer):
    """A timer whose spread is told as quantiles over a sliding window."""

    __slots__ = ("_quantiles", "_window")

    def __init__(
        self,
        wiring: Wiring,
        refs: tuple[int, int],
        quantiles: Sequence[tuple[float, int]],
        max_age: float,
        *,
        twice: bool = False,
    ) -> None:
        super().__init__(wiring, refs, twice=twice)
        self._quantiles, self._window = tuple(quantiles), Window(max_age)

    def spread(self, batch: Batch, at: float) -> None:
        values = self._window.after(self.pending, at)
        for quantile, ref in self._quantiles:
            batch.add(ref, values[min(len(values) - 1, int(quantile * len(values)))] if values else STALE)

    def refs(self) -> list[int]:
        return [*self.cumulative(), *(ref for _, ref in self._quantiles)]


class Histogram(Timer):
    """A timer whose spread is told as cumulative buckets; the last one, above all `bounds`, is `+Inf`."""

    __slots__ = ("_bounds", "_bucket_refs", "_counts")

    def __init__(
        self,
        wiring: Wiring,
        refs: tuple[int, int],
        bounds: Sequence[float],
        bucket_refs: Sequence[int],
        *,
        twice: bool = False,
    ) -> None:
        super().__init__(wiring, refs, twice=twice)
        self._bounds, self._bucket_refs = tuple(bounds), tuple(bucket_refs)
        self._counts = [0] * len(self._bucket_refs)

    def cumulative(self) -> list[int]:
        return [*super().cumulative(), *self._bucket_refs]

    def spread(self, batch: Batch, at: float) -> None:
        for value in self.pending:
            self._counts[bisect_left(self._bounds, value)] += 1
        below = 0
        for ref, count in zip(self._bucket_refs, self._counts, strict=True):
            below += count
            batch.add(ref, below)

    def refs(self) -> list[int]:
        return self.cumulative()


class Window:
    """The newest values of the last `max_age` seconds, forgotten in fifths of it, as Prometheus' summaries forget."""

    __slots__ = ("_buckets", "_sorted", "_width")

    def __init__(self, max_age: float) -> None:
        self._width = max_age / _FIFTHS
        self._buckets: deque[tuple[int, list[float]]] = deque()
        self._sorted: list[float] = []

    def after(self, values: Sequence[float], at: float) -> list[float]:
        """All values of the window, sorted, with `values` just added."""
        now = int(at // self._width)
        old = now - _FIFTHS
        if not values and not (self._buckets and self._buckets[0][0] <= old):
            return self._sorted
        while self._buckets and self._buckets[0][0] <= old:
            self._buckets.popleft()
        if values:
            self._extend(values, now)
        self._sorted = sorted(value for _, bucket in self._buckets for value in bucket)
        return self._sorted

    def _extend(self, values: Sequence[float], now: int) -> None:
        if not self._buckets or self._buckets[-1][0] != now:
            self._buckets.append((now, []))
        newest = self._buckets[-1][1]
        newest.extend(values[-_VALUES:])
        del newest[:-_VALUES]
