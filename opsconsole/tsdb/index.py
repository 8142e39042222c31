"""Label → value → rows: the inverted index."""

import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from opsconsole.model import Labels, Matcher, MatchOp
from opsconsole.model.matching import predicate

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Entry = tuple[tuple[str, str], "array[int]"]
"""A label and its value, as the one pair that all rows share, and the rows that have it."""


class LabelIndex:
    """Which rows carry which label; `labels` (shared with the owner) has each row's label set, None for a free row."""

    def __init__(self, labels: Sequence[Labels | None]) -> None:
        self._labels = labels
        self._postings: dict[str, dict[str, Entry]] = {}

    def add(self, row: int, labels: Labels) -> Labels:
        """Take a row in. Returns its labels again, of pairs that all rows share: there are far fewer pairs than series, and
        memory holds each once."""
        postings, shared = self._postings, []
        for name, value in labels.pairs:
            try:
                pair, posting = postings[name][value]
            except KeyError:
                pair, posting = self._enter(name, value)
            posting.append(row)
            shared.append(pair)
        return Labels.of_pairs(tuple(shared))

    def _enter(self, name: str, value: str) -> Entry:
        name = sys.intern(name)
        entry = self._postings.setdefault(name, {})[value] = ((name, value), array("q"))
        return entry

    def remove(self, gone: Mapping[int, Labels]) -> None:
        """Take rows out, each with the labels that it had."""
        rows = np.fromiter(gone, np.int64, len(gone))
        for name, value in {pair for labels in gone.values() for pair in labels.pairs}:
            pair, posting = self._postings[name][value]
            kept = _rows(posting)
            kept = kept[~np.isin(kept, rows)]
            if kept.size:
                self._postings[name][value] = pair, array("q", kept.tobytes())
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
        return len(self._posting(name, value))

    def _posting(self, name: str, value: str) -> "array[int]":
        entry = self._postings.get(name, {}).get(value)
        return array("q") if entry is None else entry[1]

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
        postings = sorted((self._posting(m.name, m.value) for m in plain), key=len)
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
            return rows[~_mask([posting for value, (_, posting) in values.items() if not says(value)], size)[rows]]
        return rows[_mask([posting for value, (_, posting) in values.items() if says(value)], size)[rows]]


def _rows(posting: "array[int]") -> Rows:
    """A copy: an array that numpy looks into could not grow."""
    return np.array(posting, np.int64)


def _mask(postings: Iterable["array[int]"], size: int) -> Mask:
    mask = np.zeros(size, np.bool_)
    for posting in postings:
        mask[np.frombuffer(posting, np.int64)] = True
    return mask
