"""What evaluation computes with: a grid of steps, and instant vectors as one matrix of series × steps."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from opsconsole.model import Labels, Millis, QueryError, Values

Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

K = TypeVar("K")

SAME_LABELS = "vector cannot contain metrics with the same labelset"


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The times at which an expression is evaluated, in milliseconds."""

    times: Millis
    step_ms: int = 0

    @classmethod
    def of(cls, start_ms: int, end_ms: int, step_ms: int) -> "Grid":
        return cls(np.arange(start_ms, end_ms + 1, max(step_ms, 1), dtype=np.int64), step_ms)

    @property
    def steps(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """An instant vector at every step: row i is the series `labels[i]`, and has no element where `present` is false."""

    labels: list[Labels]
    values: Values
    present: Mask

    @classmethod
    def empty(cls, steps: int) -> "Vector":
        return cls([], np.empty((0, steps)), np.empty((0, steps), dtype=bool))

    @classmethod
    def single(cls, values: Values, present: Mask | None = None, labels: Labels | None = None) -> "Vector":
        """One series, without labels unless given."""
        mask = np.ones(len(values), dtype=bool) if present is None else present
        return cls([labels or Labels()], values[None, :], mask[None, :])

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Sequence[int] | Indices) -> "Vector":
        index = np.asarray(rows, dtype=np.intp)
        return Vector([self.labels[row] for row in index], self.values[index], self.present[index])

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

    def nameless(self) -> "Vector":
        return relabelled(self, nameless)


def nameless(labels: Labels) -> Labels:
    """Without the name, and without type and unit, which tell about a name."""
    if "__type__" in labels or "__unit__" in labels:
        return labels.without("__name__", "__type__", "__unit__")
    return labels.without("__name__") if "__name__" in labels else labels


def relabelled(vector: Vector, change: Callable[[Labels], Labels]) -> Vector:
    return merged(Vector([change(labels) for labels in vector.labels], vector.values, vector.present))


def merged(vector: Vector) -> Vector:
    """Series that have come to bear the same labels become one; two of them with an element at one step are an error."""
    if len(set(vector.labels)) == len(vector.labels):
        return vector
    groups = grouped(vector.labels)
    values = np.full((len(groups), vector.values.shape[1]), np.nan)
    present = np.zeros(values.shape, dtype=bool)
    for at, rows in enumerate(groups.values()):
        for row in rows:
            mask = vector.present[row]
            if (present[at] & mask).any():
                raise QueryError(SAME_LABELS)
            values[at][mask] = vector.values[row][mask]
            present[at] |= mask
    return Vector(list(groups), values, present)


def grouped(keys: Iterable[K]) -> dict[K, list[int]]:
    """The positions of each key."""
    found: dict[K, list[int]] = {}
    for position, key in enumerate(keys):
        found.setdefault(key, []).append(position)
    return found


def key_of(names: Sequence[str], *, on: bool) -> Callable[[Labels], tuple[tuple[str, str], ...]]:
    """What identifies a series when only `names` count, or (without `on`) all but `names` and the metric's name."""
    wanted = frozenset(names) if on else frozenset((*names, "__name__"))
    if on:
        return lambda labels: tuple(pair for pair in labels.pairs if pair[0] in wanted)
    return lambda labels: tuple(pair for pair in labels.pairs if pair[0] not in wanted)
