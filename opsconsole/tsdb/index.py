"""Label → value → rows: the inverted index."""

from array import array
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from opsconsole.model import Labels, Matcher, MatchOp
from opsconsole.model.matching import predicate

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class LabelIndex:
    """Which rows carry which label; `labels` (shared with the owner) has each row's label set, None for a free row."""

    def __init__(self, labels: Sequence[Labels | None]) -> None:
        self._labels = labels
        self._postings: dict[str, dict[str, array[int]]] = {}

    def add(self, row: int, labels: Labels) -> None:
        for name, value in labels.pairs:
            values = self._postings.setdefault(name, {})
            if (posting := values.get(value)) is None:
                posting = values[value] = array("q")
            posting.append(row)

    def remove(self, gone: Mapping[int, Labels]) -> None:
        """Take rows out, each with the labels that it had."""
        rows = np.fromiter(gone, np.int64, len(gone))
        for name, value in {pair for labels in gone.values() for pair in labels.pairs}:
            posting = _rows(self._postings[name][value])
            left = posting[~np.isin(posting, rows)]
            if left.size:
                self._postings[name][value] = array("q", left.tobytes())
            else:
                self._forget(name, value)

    def _forget(self, name: str, value: str) -> None:
        del self._postings[name][value]
        if not self._postings[name]:
            del self._postings[name]

    def names(self) -> Iterable[str]:
        return self._postings.keys()

    def values(self, name: str) -> Iterable[str]:
        return self._postings.get(name, {}).keys()

    def count(self, name: str, value: str) -> int:
        return len(self._postings.get(name, {}).get(value, ()))

    def match(self, matchers: Sequence[Matcher], live: Mask) -> Rows:
        """The rows of `live` that all matchers fit, ascending.

        Plain equalities are intersected first; the rest is asked of whichever is fewer, the rows left or the label's values.
        """
        plain = [matcher for matcher in matchers if matcher.op is MatchOp.EQUAL and matcher.value]
        rows = self._intersection(plain, live)
        for matcher in matchers:
            if rows.size and matcher not in plain:
                rows = self._filtered(rows, matcher, len(live))
        return rows

    def _intersection(self, plain: Sequence[Matcher], live: Mask) -> Rows:
        if not plain:
            return np.flatnonzero(live)
        postings = sorted((self._postings.get(m.name, {}).get(m.value, array("q")) for m in plain), key=len)
        rows = _rows(postings[0])
        for posting in postings[1:]:
            rows = rows[_mask([posting], len(live))[rows]]
        return np.sort(rows)

    def _filtered(self, rows: Rows, matcher: Matcher, size: int) -> Rows:
        says = predicate(matcher)
        values = self._postings.get(matcher.name, {})
        if len(rows) <= len(values):
            kept = [says(found.get(matcher.name, "")) for row in rows.tolist() if (found := self._labels[row]) is not None]
            return rows[np.array(kept, np.bool_)]
        if says(""):
            return rows[~_mask([posting for value, posting in values.items() if not says(value)], size)[rows]]
        return rows[_mask([posting for value, posting in values.items() if says(value)], size)[rows]]


def _rows(posting: "array[int]") -> Rows:
    """A copy: an array that numpy looks into could not grow."""
    return np.array(posting, np.int64)


def _mask(postings: Iterable["array[int]"], size: int) -> Mask:
    mask = np.zeros(size, np.bool_)
    for posting in postings:
        mask[np.frombuffer(posting, np.int64)] = True
    return mask
