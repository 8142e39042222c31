"""`fill`: elements that stand in where the other side of a binary operation has one and this side none."""

import numpy as np

from opsconsole.promql.labelsets import LabelSets
from opsconsole.promql.nodes import Cardinality, Matching
from opsconsole.promql.vectors import Mask, Vector


def filled(matching: Matching, left: Vector, right: Vector) -> tuple[Vector, Vector]:
    """Both sides, each with the elements that stand in; those bear the labels that the sides are matched by.

    With `group_right` each fill goes to the other side: Prometheus 3 swaps the sides there and not the fills.
    """
    for_left, for_right = matching.fill_left, matching.fill_right
    if matching.cardinality is Cardinality.ONE_TO_MANY:
        for_left, for_right = for_right, for_left
    return _completed(left, right, matching, for_left), _completed(right, left, matching, for_right)


def _completed(vector: Vector, other: Vector, matching: Matching, value: float | None) -> Vector:
    if value is None:
        return vector
    own = vector.labels.grouped(matching.labels, by=matching.on)
    theirs = other.labels.grouped(matching.labels, by=matching.on)
    places = dict(own.rows())
    labels, masks = [], [vector.present]
    for key, rows in theirs.rows():
        missing = _seen(other.present[rows])
        if key in places:
            missing = missing & ~_seen(vector.present[places[key]])
        if missing.any():
            labels.append(key)
            masks.append(missing)
    present = np.concatenate(masks)
    added = np.full((len(labels), present.shape[1]), value)
    return Vector(vector.labels + LabelSets(labels), np.concatenate([vector.values, added]), present)


def _seen(present: Mask) -> Mask:
    """At which steps any of the series is there, as a row of its own."""
    seen: Mask = np.logical_or.reduce(present, axis=0)[None, :]
    return seen
