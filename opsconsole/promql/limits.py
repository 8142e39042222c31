"""`limitk` and `limit_ratio`: some of the elements, the same ones at every step as long as they are there."""

import numpy as np

from opsconsole.model import Labels, QueryError, Values
from opsconsole.promql.literals import format_general
from opsconsole.promql.vectors import Vector
from opsconsole.promql.xxhash import xxh64

_LARGEST_COUNT = 2.0**63
_LONG = 255


def refuse_counts(counts: Values) -> None:
    """A number of elements that is none, as Prometheus 3 refuses it. Raises QueryError."""
    if np.isnan(counts).any():
        raise QueryError("Parameter value is NaN")
    if (low := counts.min(initial=0.0)) <= -_LARGEST_COUNT:
        raise QueryError(f"Scalar value {format_general(float(low))} underflows int64")
    if (high := counts.max(initial=0.0)) >= _LARGEST_COUNT:
        raise QueryError(f"Scalar value {format_general(float(high))} overflows int64")


def refuse_ratios(ratios: Values) -> None:
    if np.isnan(ratios).any():
        raise QueryError("Ratio value is NaN")


def limitk(vector: Vector, groups: list[list[int]], counts: Values) -> Vector:
    """The first k elements of each group at each step, in the order of their labels."""
    kept = np.zeros(vector.present.shape, dtype=bool)
    for rows in groups:
        ordered = sorted(rows, key=lambda row: vector.labels[row].pairs)
        present = vector.present[ordered]
        kept[ordered] = present & (np.cumsum(present, axis=0) <= np.trunc(counts))
    return vector.where(kept)


def limit_ratio(vector: Vector, ratios: Values) -> Vector:
    """The share of the elements whose labels' hash falls below the ratio; a negative one gives the complement."""
    places = np.array([_place(labels) for labels in vector.labels])[:, None]
    return vector.where(np.where(ratios >= 0, places < ratios, places >= 1.0 + ratios))


def _place(labels: Labels) -> float:
    """Where a label set's hash stands between 0 and 1: Prometheus' own (prometheus/prometheus, `model/labels`, `Hash`)."""
    return xxh64(b"".join(_sized(part) for pair in labels.pairs for part in pair)) / 2.0**64


def _sized(text: str) -> bytes:
    data = text.encode()
    size = bytes([len(data)]) if len(data) < _LONG else bytes([_LONG]) + len(data).to_bytes(4, "little")[:3]
    return size + data
