"""Two hours of series as one would not wish them: resets, gaps, jitter, staleness, NaN, infinities, malformed histograms."""

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from opsconsole.clock import millis
from opsconsole.model import STALE, Labels, Series

START = datetime(2026, 1, 5, 0, 0, tzinfo=UTC)
END = START + timedelta(hours=2)
_SPAN_MS = 7_200_000
_BOUNDS = {
    "api": ("0.1", "0.5", "1", "5", "+Inf"),
    "app": ("0.1", "1.0", "1", "10", "Inf"),
    "bad": ("-5", "-1", "0", "3", "x", ""),
    "none": ("1", "2"),
}


class Peculiar:
    """The same seed makes the same series."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.series: list[Series] = []
        self._counters()
        self._gauges()
        self._plain()
        self._histograms()
        self._irregular()

    def _add(self, name: str, labels: dict[str, str], times: Sequence[int], values: Sequence[float]) -> None:
        if times:
            at = np.array(times, dtype=np.int64) + millis(START)
            self.series.append(Series(Labels({"__name__": name, **labels}), at, np.array(values, dtype=np.float64)))

    def _grid(self, step: int, jitter: int = 0, gaps: float = 0.0, start: int = 0, end: int = _SPAN_MS) -> list[int]:
        begin = start + (self._random.randrange(step) if jitter else 0)
        times = [t for t in range(begin, end + 1, step) if self._random.random() >= gaps]
        return sorted({t + (self._random.randrange(-jitter, jitter + 1) if jitter else 0) for t in times})

    def _rising(self, count: int, resets: float = 0.02) -> list[float]:
        value, found = self._random.choice([0.0, 0.0, self._random.random() * 100]), []
        step = self._random.choice([1, 0.1, 17.3, 1e6])
        for _ in range(count):
            if self._random.random() < resets:
                value = self._random.choice([0.0, self._random.random() * 5])
            elif self._random.random() < 0.85:
                value += step * self._random.random() if self._random.random() < 0.7 else round(step)
            found.append(value)
        return found

    def _wandering(self, count: int) -> list[float]:
        pick = self._random.choice
        odd = [1.0, 2.0, math.nan, math.inf, -math.inf, 5.0, 1e300, -1e300]
        kinds = (
            lambda: self._random.gauss(0, 10),
            lambda: float(self._random.randrange(-5, 6)),
            lambda: pick([1.5, 1.5, 2.0, -0.0, 0.0]),
            lambda: pick(odd),
            lambda: self._random.random() * 10 ** self._random.randrange(-12, 13),
            lambda: 42.0,
        )
        draw = pick(kinds)
        return [draw() for _ in range(count)]

    def _ending(self, values: Sequence[float], share: float) -> list[float]:
        return [STALE if self._random.random() < share else value for value in values]

    def _counters(self) -> None:
        for job in ("api", "app", "web"):
            for instance in range(self._random.randrange(2, 5)):
                times = self._grid(30_000, self._random.choice([0, 0, 500]), self._random.choice([0, 0, 0.1]))
                labels = {"job": job, "instance": str(instance), "group": self._random.choice(["prod", "canary"])}
                values = self._ending(self._rising(len(times)), self._random.choice([0, 0, 0.02]))
                self._add("reqs_total", labels, times, values)
        for job in ("api", "app"):
            for code in ("200", "500", "ünï"):
                times = self._grid(15_000)
                self._add("errs_total", {"job": job, "code": code}, times, self._rising(len(times), 0.05))

    def _gauges(self) -> None:
        for at, room in enumerate(("a", "b", "c", "d", "é", "f g")):
            step, jitter = self._random.choice([15_000, 30_000, 60_000]), self._random.choice([0, 3000])
            times = self._grid(step, jitter, self._random.choice([0, 0.3]))
            values = self._ending(self._wandering(len(times)), self._random.choice([0, 0.05]))
            self._add("temp", {"room": room, **({"job": "api"} if at % 2 else {})}, times, values)
        for at in range(5):
            times = self._grid(60_000)
            self._add("tie", {"n": str(at), "g": str(at % 2)}, times, [float(self._random.randrange(3)) for _ in times])

    def _plain(self) -> None:
        times = self._grid(30_000)
        for job, limit in (("api", 1000.0), ("app", 250.5)):
            self._add("limit", {"job": job}, times, [limit] * len(times))
            self._add("owner", {"job": job, "team": "t" + job}, times, [1.0] * len(times))
        early, late = self._grid(30_000, end=_SPAN_MS // 2), self._grid(30_000, start=_SPAN_MS // 2)
        self._add("half", {"job": "api"}, early, [1.0] * len(early))
        self._add("half", {"job": "app", "extra": "yes"}, late, [2.0] * len(late))
        self._add("up", {"job": "api", "le": "1"}, times, [float(self._random.random() < 0.9) for _ in times])
        self._add("up", {"job": "app", "le": "nan"}, times, [1.0] * len(times))
        self._add("a:b:c", {"job": "api"}, times, self._wandering(len(times)))
        self._add("one_shot", {"job": "api"}, [_SPAN_MS // 2], [7.0])

    def _histograms(self) -> None:
        """Not every count is as large as the one of the bucket below."""
        times = self._grid(30_000)
        for job, bounds in _BOUNDS.items():
            below = np.zeros(len(times))
            for bound in bounds:
                below = below * (1 if self._random.random() < 0.85 else 0.9) + np.array(self._rising(len(times), 0))
                self._add("lat_bucket", {"job": job, "le": bound}, times, below.tolist())

    def _irregular(self) -> None:
        for at in range(8):
            gaps = np.cumsum([self._random.randrange(1, 90_000) for _ in range(self._random.randrange(2, 300))])
            times = [int(gap) for gap in gaps if gap <= _SPAN_MS]
            values = self._rising(len(times)) if at % 3 else self._wandering(len(times))
            labels = {"n": str(at), "job": "api" if at % 2 else "app", "x_y": 'ü"\\\n' if at == 3 else "z"}
            self._add("irr", labels, times, self._ending(values, 0.03))
