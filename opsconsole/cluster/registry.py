"""Which series there are: names and labels → number, each with its labels as they go on the wire."""

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from opsconsole.cluster.encoding import labels_of
from opsconsole.model import Labels, Millis, Values

log = logging.getLogger(__name__)

REFUSED = 0
"""The ref of a series that may not be: samples for it are dropped and counted."""

NEVER = np.iinfo(np.int64).min
Ids = npt.NDArray[np.int64]


class Registry:
    """Numbers from 1 on. `newest` and `value` are the last sample of each; `touched` when it came in.

    A series that was only ever named by its labels is forgotten once it is idle, and its number is given to another; one
    whose number was handed out is kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._numbers: dict[tuple[str, Labels], int] = {}
        self._keys: list[tuple[str, Labels] | None] = [None]
        self._wire: list[bytes] = [b""]
        self._held: set[int] = set()
        self._free: list[int] = []
        self._told = False
        self.newest: Millis = np.full(1024, NEVER, np.int64)
        self.touched: Millis = np.full(1024, NEVER, np.int64)
        self.value: Values = np.zeros(1024)

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, name: str, labels: Labels, *, held: bool = False) -> int:
        """The series' number, REFUSED where there are too many; `held`: somebody keeps it."""
        number = self._numbers.get((name, labels)) or self._create(name, labels)
        if held and number != REFUSED:
            self._held.add(number)
        return number

    def _create(self, name: str, labels: Labels) -> int:
        if len(self._numbers) >= self._limit:
            if not self._told:
                self._told = True
                log.warning("there are as many series as may be; new ones are refused", extra={"limit": self._limit})
            return REFUSED
        if self._free:
            number = self._free.pop()
        else:
            number = len(self._keys)
            self._keys.append(None)
            self._wire.append(b"")
            if number >= len(self.newest):
                self._grow()
        self._keys[number], self._wire[number] = (name, labels), labels_of(name, labels)
        self._numbers[name, labels] = number
        self.newest[number] = self.touched[number] = NEVER
        return number

    def _grow(self) -> None:
        more = len(self.newest)
        self.newest = np.concatenate([self.newest, np.full(more, NEVER, np.int64)])
        self.touched = np.concatenate([self.touched, np.full(more, NEVER, np.int64)])
        self.value = np.concatenate([self.value, np.zeros(more)])

    def wire(self, numbers: Ids) -> Sequence[bytes]:
        """Each series' labels, encoded."""
        return [self._wire[number] for number in numbers.tolist()]

    def forget_idle(self, since_ms: int) -> None:
        """Let go of what had no sample since then and is held by nobody. No sample of theirs may be waiting."""
        idle = np.flatnonzero(self.touched[: len(self._keys)] < since_ms).tolist()
        for number in idle:
            key = self._keys[number]
            if key is None or number in self._held:
                continue
            del self._numbers[key]
            self._keys[number], self._wire[number] = None, b""
            self._free.append(number)
        self._told = len(self._numbers) >= self._limit
