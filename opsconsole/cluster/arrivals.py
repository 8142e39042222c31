"""Samples as they come in: what is known already is left out, the rest waits in an order that a Prometheus takes.

A Prometheus refuses a whole request for one sample that is not newer than the last of its series. So what came late goes
into requests of its own, where its refusal harms nothing else.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from opsconsole.cluster.encoding import entries, packed
from opsconsole.cluster.registry import REFUSED, Ids, Registry
from opsconsole.model import Appended, Millis, Values

MOST = 2000
"""Samples of one request."""

Mask = npt.NDArray[np.bool_]


class Batch(NamedTuple):
    """Samples of many series, column by column."""

    numbers: Ids
    times: Millis
    values: Values

    def at(self, where: Mask | Ids) -> "Batch":
        return Batch(self.numbers[where], self.times[where], self.values[where])

    def __bool__(self) -> bool:
        return len(self.numbers) > 0


class Request(NamedTuple):
    """The body of one request, and how many samples it has."""

    samples: int
    data: bytes


class Arrivals:
    """What was appended and is not written down yet; `room` is how many samples may wait."""

    def __init__(self, registry: Registry, room: int) -> None:
        self._registry, self._room = registry, room
        self._timely: list[Batch] = []
        self._late: list[Batch] = []
        self.count = 0

    def add(self, batch: Batch, now_ms: int) -> Appended:
        known = batch.numbers != REFUSED
        refused = len(known) - int(np.count_nonzero(known))
        batch = batch if not refused else batch.at(known)
        over = max(0, len(batch.numbers) - (self._room - self.count))
        if over:
            batch = batch.at(np.arange(len(batch.numbers) - over))
        taken = self._sorted(batch)
        kept = sum(len(part.numbers) for part in (taken.timely, taken.late))
        self._timely += [taken.timely] if taken.timely else []
        self._late += [taken.late] if taken.late else []
        self.count += kept
        self._registry.touched[batch.numbers] = now_ms
        again = len(batch.numbers) - kept - taken.conflicts
        return Appended(kept, again, taken.conflicts, series_limit=refused, backlog=over)

    def _sorted(self, batch: Batch) -> "_Taken":
        """Parted into what is newer than all before it, in order, and what is not; each series' last sample is noted."""
        numbers, times, _ = batch
        newest = self._registry.newest
        if len(np.unique(numbers)) == len(numbers) and (times > newest[numbers]).all():
            timely, late, conflicts = batch, batch.at(np.empty(0, np.int64)), 0
        else:
            timely, late, conflicts = self._disentangled(batch)
        order = np.argsort(timely.times, kind="stable")
        timely = timely.at(order)
        newest[timely.numbers] = timely.times  # of several of one series the last is the newest: they stand in order
        self._registry.value[timely.numbers] = timely.values
        return _Taken(timely, late, conflicts)

    def _disentangled(self, batch: Batch) -> tuple[Batch, Batch, int]:
        """Of samples of one series and time the first stays; so does the one that was sent last before."""
        batch = batch.at(np.lexsort((batch.times, batch.numbers)))
        bits = batch.values.view(np.int64)
        again = np.zeros(len(bits), np.bool_)
        again[1:] = (batch.numbers[1:] == batch.numbers[:-1]) & (batch.times[1:] == batch.times[:-1])
        first = np.maximum.accumulate(np.where(again, 0, np.arange(len(bits))))
        last = self._registry.value.view(np.int64)[batch.numbers]
        sent = batch.times == self._registry.newest[batch.numbers]
        differs = np.where(sent, bits != last, again & (bits != bits[first]))
        late = (batch.times < self._registry.newest[batch.numbers]) & ~again
        timely = (batch.times > self._registry.newest[batch.numbers]) & ~again
        return batch.at(timely), batch.at(late), int(np.count_nonzero(differs & (again | sent)))

    def take(self) -> tuple[list[Batch], list[Batch]]:
        """Everything, timely and late; nothing waits afterwards."""
        taken = self._timely, self._late
        self._timely, self._late, self.count = [], [], 0
        return taken

    def give_back(self, taken: tuple[list[Batch], list[Batch]]) -> None:
        """What `take` gave and was not written down, before anything newer."""
        self._timely[:0], self._late[:0] = taken
        self.count += sum(len(batch.numbers) for batches in taken for batch in batches)

    def requests(self, taken: tuple[list[Batch], list[Batch]]) -> list[Request]:
        """What was taken as the bodies of requests, the late ones last."""
        return [request for batches in taken for request in self._requests(batches)]

    def _requests(self, batches: Iterable[Batch]) -> Iterator[Request]:
        if not (columns := list(zip(*batches, strict=True))):
            return
        numbers, times, values = (np.concatenate(column) for column in columns)
        for start in range(0, len(numbers), MOST):
            part = slice(start, start + MOST)
            labels = self._registry.wire(numbers[part])
            yield Request(len(labels), packed(entries(labels, times[part], values[part])))


class _Taken(NamedTuple):
    timely: Batch
    late: Batch
    conflicts: int
