"""What evaluation computes with: a grid of steps, and instant vectors as one matrix of series × steps."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from opsconsole.model import Labels, Millis, QueryError, Values
from opsconsole.promql.labelsets import Indices, LabelSets

Mask = npt.NDArray[np.bool_]

K = TypeVar("K")

SAME_LABELS = "vector cannot contain metrics with the same labelset"


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The times at which an expression is evaluated, in milliseconds, and until when more of them would be."""

    times: Millis
    step_ms: int = 0
    until_ms: int | None = None

    @classmethod
    def of(cls, start_ms: int, end_ms: int, step_ms: int) -> "Grid":
        return cls(np.arange(start_ms, end_ms + 1, max(step_ms, 1), dtype=np.int64), step_ms, end_ms)

    @property
    def end_ms(self) -> int:
        """Where the range ends, which need not be a step: subqueries go on until there, as in Prometheus."""
        return int(self.times[-1]) if self.until_ms is None else self.until_ms

    @property
    def steps(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """An instant vector at every step: row i is the series `labels[i]`, and has no element where `present` is false."""

    labels: LabelSets
    values: Values
    present: Mask

    @classmethod
    def empty(cls, steps: int) -> "Vector":
        return cls(LabelSets(), np.empty((0, steps)), np.empty((0, steps), dtype=bool))

    @classmethod
    def single(cls, values: Values, present: Mask | None = None, labels: Labels | None = None) -> "Vector":
        """One series, without labels unless given."""
        mask = np.ones(len(values), dtype=bool) if present is None else present
        return cls(LabelSets([labels or Labels()]), values[None, :], mask[None, :])

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Sequence[int] | Indices) -> "Vector":
        index = np.asarray(rows, dtype=np.intp)
        return Vector(self.labels.take(index), self.values[index], self.present[index])

    def where(self, mask: Mask) -> "Vector":
        """Only the elements that `mask` is true for."""
        return Vector(self.labels, self.values, self.present & mask).compact()

    def compact(self) -> "Vector":
        """Without the series that have no element at any step."""
        alive = self.present.any(axis=1)
        return self if alive.all() else self.take(np.flatnonzero(alive))

    def mapped(self, values: Values) -> "Vector":
        """The same series without their names, with new values."""
        return Vector(self.labels, values, self.present).nameless()

    def settled(self) -> "Vector":
        """As the answer shows it: what names were to go late are gone."""
        labels = self.labels.settled()
        return self if labels is self.labels else merged(Vector(labels, self.values, self.present))

    def nameless(self) -> "Vector":
        return merged(Vector(self.labels.nameless(), self.values, self.present))


def relabelled(vector: Vector, key: Hashable, change: Callable[[Labels], Labels]) -> Vector:
    """With every label set changed; `key` tells the change from all others."""
    return merged(Vector(vector.labels.changed(key, change), vector.values, vector.present))


def merged(vector: Vector) -> Vector:
    """Series that have come to bear the same labels become one; two of them with an element at one step are an error."""
    if vector.labels.distinct:
        return vector
    groups = vector.labels.alike()
    values = np.full((len(groups), vector.values.shape[1]), np.nan)
    present = np.zeros(values.shape, dtype=bool)
    for numbers, members in groups.by_size:
        for rows in members:
            here, rows = numbers[rows >= 0], rows[rows >= 0]
            mask = vector.present[rows]
            if (present[here] & mask).any():
                raise QueryError(SAME_LABELS)
            values[here] = np.where(mask, vector.values[rows], values[here])
            present[here] |= mask
    return Vector(groups.labels, values, present)


def grouped(keys: Iterable[K]) -> dict[K, list[int]]:
    """The positions of each key."""
    found: dict[K, list[int]] = {}
    for position, key in enumerate(keys):
        found.setdefault(key, []).append(position)
    return found
