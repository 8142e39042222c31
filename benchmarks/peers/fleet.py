"""The samples that both sides are given: what Airflows of many deployments show, made by formula and seed."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from opsconsole.model import Block, Labels

BOUNDS = ("0.5", "1", "2.5", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000", "25000", "+Inf")

Draw = Callable[[np.random.Generator, int, int], np.ndarray]


@dataclass
class Metric:
    """Series of one name; `draw` makes the next matrix of series × samples of how their values move."""

    labels: list[Labels]
    draw: Draw
    counts: bool
    last: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.last = np.zeros(len(self.labels))

    def next(self, rng: np.random.Generator, times: np.ndarray) -> Block:
        moved = self.draw(rng, len(self.labels), len(times))
        values = self.last[:, None] + np.cumsum(moved, axis=1) if self.counts else moved
        self.last = values[:, -1]
        return Block(self.labels, times, values)


def counters(name: str, count: int, often: float = 0.2) -> Metric:
    """Finished tasks of many Dags, counted: a few move at each scrape, and one in a thousand starts anew."""

    def draw(rng: np.random.Generator, rows: int, samples: int) -> np.ndarray:
        return rng.poisson(often, (rows, samples)).astype(float)

    return Metric([_task(name, i) for i in range(count)], draw, counts=True)


def gauges(name: str, count: int) -> Metric:
    def draw(rng: np.random.Generator, rows: int, samples: int) -> np.ndarray:
        return rng.integers(0, 64, (rows, samples)).astype(float)

    return Metric([_task(name, i) for i in range(count)], draw, counts=False)


def pools(name: str, count: int, low: int, high: int) -> Metric:
    labels = [Labels(__name__=name, deployment=f"d{i % 16}", pool=f"pool_{i // 16}") for i in range(count)]
    return Metric(labels, lambda rng, rows, samples: rng.integers(low, high, (rows, samples)).astype(float), counts=False)


def buckets(name: str, count: int) -> Metric:
    """Cumulative buckets of `count / 16` histograms."""
    labels = [
        Labels(__name__=name, deployment=f"d{i // 16 % 10}", dag_id=f"dag_{i // 160}", le=bound)
        for i in range(0, count, 16)
        for bound in BOUNDS
    ]

    def draw(rng: np.random.Generator, rows: int, samples: int) -> np.ndarray:
        each = rng.poisson(0.1, (rows // 16, 16, samples))
        cumulative: np.ndarray = np.cumsum(each, axis=1).reshape(rows, samples).astype(float)
        return cumulative

    return Metric(labels, draw, counts=True)


def _task(name: str, i: int) -> Labels:
    state = ("success", "failed", "skipped", "upstream_failed")[i % 4]
    return Labels(
        __name__=name, deployment=f"d{i // 4 % 10}", dag_id=f"dag_{i // 40}", task_id=f"task_{i // 4 % 10}", state=state
    )
