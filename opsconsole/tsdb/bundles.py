"""Which series are sealed together: a bundle is up to so many living series of one metric and deployment."""

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


class Bundles:
    """Gives series a bundle for as long as they live. A place that falls free is given to the next series."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], int] = {}
        self._alive: dict[int, int] = {}
        self.next_id = 1

    def enter(self, labels: Labels) -> int:
        """A bundle for one more series."""
        key = _key(labels)
        bundle = self._open.get(key)
        if bundle is None or self._alive.get(bundle, 0) >= SIZE:
            bundle = self._open[key] = self.next_id
            self.next_id += 1
        self._alive[bundle] = self._alive.get(bundle, 0) + 1
        return bundle

    def restore(self, bundle: int, labels: Labels) -> None:
        """The series is in that bundle already."""
        self.next_id = max(self.next_id, bundle + 1)
        self._alive[bundle] = self._alive.get(bundle, 0) + 1
        if self._alive[bundle] < SIZE:
            self._open[_key(labels)] = bundle

    def leave(self, bundle: int, labels: Labels) -> None:
        """The series is no longer alive."""
        key, left = _key(labels), self._alive[bundle] - 1
        if left:
            self._alive[bundle] = left
            if left <= SIZE // 2:
                self._open[key] = bundle
        else:
            del self._alive[bundle]
            if self._open.get(key) == bundle:
                del self._open[key]


def _key(labels: Labels) -> tuple[str, str]:
    return labels.get("__name__", ""), labels.get("deployment", "")
