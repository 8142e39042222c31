"""Which series are sealed together: a bundle is some living series of one deployment, of one metric where that has many."""

from collections import Counter

from opsconsole.model import Labels
from opsconsole.tsdb.pieces import Ints

SIZE = 128
BUCKETS = 30
"""Bundles are sealed in so many turns, one a minute: each about every half an hour, and the work is spread."""

_NEIGHBOURS = 32
"""Bundles made one after another that share a turn, because their series are likely written together."""


def buckets_of(bundles: Ints) -> Ints:
    """The turn of each bundle."""
    return bundles // _NEIGHBOURS % BUCKETS


_FEW = 16
"""Series up to which a metric is sealed with others of its deployment: a block of one series would be mostly overhead."""

Kind = tuple[str, str]
"""Metric and deployment of a series, or of a bundle's series; no metric where those have several."""


def kind_of(labels: Labels) -> Kind:
    return labels.get("__name__", ""), labels.get("deployment", "")


class Bundles:
    """Gives series a bundle for as long as they live. A place that falls free is given to the next series."""

    def __init__(self) -> None:
        self._open: dict[Kind, int] = {}
        self._kind: dict[int, Kind] = {}
        self._alive: Counter[int] = Counter()
        self._series: Counter[Kind] = Counter()
        self.next_id = 1

    def enter(self, own: Kind) -> int:
        """A bundle for one more series."""
        kind = own if self._series[own] >= _FEW else ("", own[1])
        bundle = self._open.get(kind)
        if bundle is None or self._alive[bundle] >= SIZE:
            bundle = self._open[kind] = self.next_id
            self._kind[bundle] = kind
            self.next_id += 1
        self._alive[bundle] += 1
        self._series[own] += 1
        return bundle

    def restore(self, bundle: int, own: Kind) -> None:
        """The series is in that bundle already."""
        self.next_id = max(self.next_id, bundle + 1)
        kind = self._kind.get(bundle, own)
        if kind != own and kind[0]:
            self._shut(bundle)
            kind = "", own[1]
        self._kind[bundle] = kind
        self._alive[bundle] += 1
        self._series[own] += 1
        if self._alive[bundle] < SIZE:
            self._open[kind] = bundle

    def leave(self, bundle: int, own: Kind) -> None:
        """The series is no longer alive."""
        self._series[own] -= 1
        if not self._series[own]:
            del self._series[own]
        self._alive[bundle] -= 1
        if not self._alive[bundle]:
            self._shut(bundle)
            del self._alive[bundle], self._kind[bundle]
        elif self._alive[bundle] <= SIZE // 2:
            self._open[self._kind[bundle]] = bundle

    def _shut(self, bundle: int) -> None:
        if self._open.get(kind := self._kind[bundle]) == bundle:
            del self._open[kind]
