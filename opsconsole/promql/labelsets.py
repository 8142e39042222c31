"""The label sets of a vector's series, and what is derived from them: names dropped, groups, order.

A rule asks the same of the same series at every look, so each derivation is made once and kept beside the label sets; those
of series that a source hands out again are found again (`Known`). A part of known label sets derives by index.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar, overload

import numpy as np
import numpy.typing as npt

from opsconsole.model import Labels
from opsconsole.promql.fading import Fading, fading, nameless, settled, shared

Indices = npt.NDArray[np.intp]

T = TypeVar("T")

_MOST_DERIVED = 32
"""Derivations that one list of label sets remembers."""
_MOST_MADE = 4
"""Label sets that may be made for these, for each of them."""
_MOST_KNOWN = 250_000
"""Label sets that `Known` remembers; of more than 100,000 series as many for each: two or three selections."""


class LabelSets(Sequence[Labels]):
    """Immutable; row i of a vector bears the i-th."""

    __slots__ = ("_base", "_derived", "_index", "_sets", "_weight")

    def __init__(self, sets: Iterable[Labels] = ()) -> None:
        self._sets: tuple[Labels, ...] | None = tuple(sets)
        self._base, self._index = self, np.empty(0, np.intp)
        self._derived: dict[Hashable, tuple[object, Any]] = {}
        self._weight = 0  # label sets that were made for `_derived`

    @classmethod
    def _part(cls, base: "LabelSets", index: Indices) -> "LabelSets":
        made = cls.__new__(cls)
        made._sets, made._base, made._index, made._derived, made._weight = None, base, index, {}, 0
        return made

    @property
    def sets(self) -> tuple[Labels, ...]:
        if self._sets is None:
            base = self._base.sets
            self._sets = tuple([base[at] for at in self._index.tolist()])
        return self._sets

    @overload
    def __getitem__(self, at: int) -> Labels: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Labels]: ...

    def __getitem__(self, at: int | slice) -> Labels | Sequence[Labels]:
        return self.sets[at]

    def __iter__(self) -> Iterator[Labels]:
        return iter(self.sets)

    def __len__(self) -> int:
        return len(self._index) if self._sets is None else len(self._sets)

    @property
    def own(self) -> bool:
        """Whether these are no part of others."""
        return self._base is self

    def take(self, index: Indices) -> "LabelSets":
        """Those at these places, in this order."""
        whole = self._base is self
        return LabelSets._part(self._base, index if whole else self._index[index])

    def part(self, index: Indices) -> "LabelSets":
        """The same; these very label sets where the places are all of them in order."""
        whole = len(index) == len(self) and bool((index == np.arange(len(index))).all())
        return self if whole else self.take(index)

    def derived(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, remembered under `key`, which says everything that it depends on beside these label sets."""
        known: tuple[object, T] | None = self._derived.get(key)
        return self._keep(key, None, make()) if known is None else known[1]

    def beside(self, key: Hashable, other: "LabelSets", make: Callable[[], T]) -> T:
        """The same for what depends on another list too; the one it was made with last is remembered."""
        known: tuple[object, T] | None = self._derived.get(key)
        return self._keep(key, other, make()) if known is None or known[0] is not other else known[1]

    def _keep(self, key: Hashable, other: object, made: T) -> T:
        self._weight += _new_in(made)
        if len(self._derived) >= _MOST_DERIVED or self._weight > _MOST_MADE * len(self) + _MOST_DERIVED:
            self._derived.clear()
            self._weight = _new_in(made)
        self._derived[key] = (other, made)
        return made

    def changed(self, key: Hashable, change: Callable[[Labels], Labels]) -> "LabelSets":
        """Each label set changed; they may be alike afterwards. The same object where nothing changes.

        `key` tells the change from all others; one without is not remembered.
        """
        if self._base is not self:
            return self._base.changed(key, change).take(self._index) if self._whole() else self._anew(change)
        return self._anew(change) if key is None else self.derived(("changed", key), lambda: self._anew(change))

    def _whole(self) -> bool:
        """Whether deriving from everything that this is a part of costs little more, or nothing any more."""
        return len(self._index) * 4 >= len(self._base)

    def _anew(self, change: Callable[[Labels], Labels]) -> "LabelSets":
        sets = [change(labels) for labels in self.sets]
        return self if all(new is old for new, old in zip(sets, self.sets, strict=True)) else LabelSets(sets)

    def nameless(self) -> "LabelSets":
        return self.changed("nameless", nameless)

    def fading(self) -> "LabelSets":
        """The same, but names will go late."""
        return self.changed("fading", fading)

    def settled(self) -> "LabelSets":
        return self.changed("settled", settled)

    @property
    def distinct(self) -> bool:
        """Whether no two of them are alike. A part may name a place twice only where it says so here."""
        if self._base is not self and self._base.derived("distinct", lambda: _distinct(self._base.sets)):
            return self.derived("distinct", lambda: len(np.unique(self._index)) == len(self._index))
        return self.derived("distinct", lambda: _distinct(self.sets))

    def grouped(self, names: tuple[str, ...], *, by: bool, named: bool = False) -> "Groups":
        """Series alike in `names`, or (without `by`) in everything but `names` and, unless `named`, the metric's name."""
        place = ("grouped", names, by, named)
        if self._base is not self and self._whole() and not self._fades():
            return self.derived(place, lambda: self._base.grouped(names, by=by, named=named).part(self._index))
        if by or named:
            return self.derived(place, lambda: self._grouped(names, by))
        return self.derived(place, lambda: self._grouped((*names, "__name__"), by))

    def _grouped(self, names: tuple[str, ...], by: bool) -> "Groups":
        groups = Groups.of([_kept(one, names, by) for one in self.sets])
        return groups.sharing(self.sets) if self._fades() else groups

    def _fades(self) -> bool:
        return bool(self._base.sets) and isinstance(self._base.sets[0], Fading)

    def alike(self) -> "Groups":
        """Series that bear the very same labels."""
        return self.derived("alike", lambda: Groups.of(self.sets))

    def ranks(self) -> Indices:
        """A number for each that grows in the order of their labels."""
        if self._base is not self and self._whole():
            return self._base.ranks()[self._index]
        return self.derived("ranks", lambda: _ranks(self.sets))

    def __add__(self, other: "LabelSets") -> "LabelSets":
        if not len(self) or not len(other):
            return self if len(self) else other
        return self.beside("joined", other, lambda: LabelSets((*self.sets, *other.sets)))


@dataclass(frozen=True, eq=False)
class Groups:
    """`codes[i]` is the group of the i-th label set; groups are numbered as they first appear, and `labels` are theirs."""

    codes: Indices
    labels: LabelSets

    @classmethod
    def of(cls, keys: Sequence[Labels]) -> "Groups":
        numbers: dict[Labels, int] = {}
        codes = [numbers.setdefault(key, len(numbers)) for key in keys]
        return cls(np.array(codes, dtype=np.intp), LabelSets(numbers))

    def sharing(self, members: Sequence[Labels]) -> "Groups":
        """The same, each group's name gone late if one of its members' is."""
        labels = [shared(key, [members[row] for row in rows.tolist()]) for key, rows in self.rows()]
        return Groups(self.codes, LabelSets(labels))

    def part(self, index: Indices) -> "Groups":
        """Of the label sets at these places."""
        seen, first, codes = np.unique(self.codes[index], return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return Groups(place[codes], self.labels.take(seen[order]))

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def sizes(self) -> Indices:
        return np.bincount(self.codes, minlength=len(self)).astype(np.intp)

    @cached_property
    def sorted(self) -> Indices:
        """The places of all series, those of one group side by side in their order."""
        return np.argsort(self.codes, kind="stable")

    @cached_property
    def starts(self) -> Indices:
        """Where each group begins in `sorted`."""
        return np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.intp)

    @cached_property
    def by_size(self) -> list[tuple[Indices, Indices]]:
        """Groups of like size together: their numbers, and their members' places as a matrix of member × group, -1 for none."""
        found = []
        classes = np.ceil(np.log2(np.maximum(self.sizes, 1))).astype(np.intp)
        for each in np.unique(classes):
            groups = np.flatnonzero(classes == each)
            most = int(self.sizes[groups].max())
            member = np.arange(most)[:, None]
            places = np.minimum(self.starts[groups] + member, len(self.codes) - 1)
            found.append((groups, np.where(member < self.sizes[groups], self.sorted[places], -1)))
        return found

    def rows(self) -> Iterator[tuple[Labels, Indices]]:
        """Each group's labels and its members' places."""
        return zip(self.labels, np.split(self.sorted, self.starts[1:]), strict=True) if len(self) else iter(())


class Known:
    """Remembers label sets that sources handed out, as long as they are among the latest; for any thread.

    `series` says how many there are: rules that go round more than are remembered would derive everything anew each time.
    """

    def __init__(self, most: int = _MOST_KNOWN, series: Callable[[], int] = int) -> None:
        self._most, self._series, self._held = most, series, 0
        self._found: OrderedDict[bytes, LabelSets] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, parts: Iterable[Sequence[Labels]]) -> LabelSets:
        """The parts one after the other; the same object again for the same label sets."""
        sets = [labels for part in parts for labels in part]
        key = np.fromiter(map(id, sets), np.int64, len(sets)).tobytes()
        with self._lock:
            if (known := self._found.get(key)) is not None:
                self._found.move_to_end(key)
                return known
            made = self._found[key] = LabelSets(sets)
            self._held += len(made)
            most = max(self._most, self._series() * 5 // 2)
            while self._held > most:
                _, gone = self._found.popitem(last=False)
                self._held -= len(gone)
        return made


def _new_in(made: object) -> int:
    sets = made.labels if isinstance(made, Groups) else made
    return len(sets) if isinstance(sets, LabelSets) and sets.own else 0


def _distinct(sets: Sequence[Labels]) -> bool:
    return len(set(sets)) == len(sets)


def _ranks(sets: Sequence[Labels]) -> Indices:
    order = np.array(sorted(range(len(sets)), key=lambda at: sets[at].pairs), dtype=np.intp)
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    return ranks


def _kept(labels: Labels, names: tuple[str, ...], wanted: bool) -> Labels:
    return Labels.of_pairs(tuple([pair for pair in labels.pairs if (pair[0] in names) is wanted]))
