"""What StatsD lines add up to: counters, gauges and sets (timers are in `statsd_timers`); each writes its samples when asked.

A series takes lines as they come, many thousands a second, and is asked once a second what to store. Every cumulative
series begins with a zero one step before its first value, so that `increase()` sees the first event too (as Prometheus
does with created timestamps).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from opsconsole.model import STALE, Labels

_SET_WINDOW = 60.0
_SET_MEMBERS = 10_000


class SeriesStore(Protocol):
    """Where samples go: the embedded store's fast path."""

    def ref(self, name: str, labels: Labels) -> int: ...

    def append_refs(self, at_ms: int, refs: Sequence[int], values: Sequence[float]) -> object: ...


@dataclass(slots=True)
class Batch:
    """The samples of one step; `births` are zeros that belong one step earlier."""

    refs: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    births: list[int] = field(default_factory=list)

    def add(self, ref: int, value: float) -> None:
        self.refs.append(ref)
        self.values.append(value)


class Stamp:
    """When something last arrived, in Unix seconds: whoever hears it writes `at`, a step stores it."""

    __slots__ = ("at", "labels", "metric", "stored")

    def __init__(self, metric: str, labels: Labels) -> None:
        self.metric, self.labels = metric, labels
        self.at = self.stored = 0.0


class Wiring(NamedTuple):
    """What every target is made with.

    `kind` is the type on the wire (`c`, `ms`, …); `heard` and `stamp` note arrivals; `dirty` is the list that a series
    puts itself on when it has something to store; `ttl` in seconds ends a silent one (0: never); `scale` multiplies values.
    """

    kind: bytes
    heard: Stamp
    stamp: Stamp | None
    dirty: "list[Aggregate]"
    ttl: float = 0.0
    scale: float = 1.0


class Target:
    """Where a line goes."""

    __slots__ = ("heard", "kind", "stamp")

    def __init__(self, wiring: Wiring) -> None:
        self.kind, self.heard, self.stamp = wiring.kind, wiring.heard, wiring.stamp

    def take(self, value: float, weight: float, relative: bool) -> None:
        """Add one value; `weight` is how many events it stands for, `relative` whether it was written with a sign."""
        raise NotImplementedError

    def put(self, member: bytes) -> None:
        """Add one member of a set."""
        raise NotImplementedError


class Dropped(Target):
    """The target of lines that are counted and kept nowhere."""

    __slots__ = ("count", "reason")

    def __init__(self, wiring: Wiring, reason: str) -> None:
        super().__init__(wiring)
        self.reason, self.count = reason, 0

    def take(self, value: float, weight: float, relative: bool) -> None:
        self.count += 1

    def put(self, member: bytes) -> None:
        self.count += 1


class Aggregate(Target):
    """A series, or the several of a timer."""

    __slots__ = ("asleep", "changed", "dirty", "scale", "seen", "ttl")

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        self.dirty, self.ttl, self.scale = wiring.dirty, wiring.ttl, wiring.scale
        self.changed, self.asleep, self.seen = False, False, 0.0

    def touch(self) -> None:
        if not self.changed:
            self.changed = True
            self.dirty.append(self)

    def write(self, batch: Batch, at: float) -> None:
        """Add the samples that stand at `at`."""
        raise NotImplementedError

    def refs(self) -> list[int]:
        raise NotImplementedError

    def retire(self, batch: Batch) -> None:
        """End the series, until a line comes again."""
        self.asleep = True
        for ref in self.refs():
            batch.add(ref, STALE)


class Single(Aggregate):
    """An aggregate that is one series."""

    __slots__ = ("ref", "value")

    def __init__(self, wiring: Wiring, ref: int) -> None:
        super().__init__(wiring)
        self.ref, self.value = ref, 0.0

    def write(self, batch: Batch, at: float) -> None:
        batch.add(self.ref, self.value)

    def refs(self) -> list[int]:
        return [self.ref]


class Counter(Single):
    """Adds up; `signed` lets it go down as well."""

    __slots__ = ("_born", "_signed")

    def __init__(self, wiring: Wiring, ref: int, *, signed: bool = False) -> None:
        super().__init__(wiring, ref)
        self._born, self._signed = False, signed

    def take(self, value: float, weight: float, relative: bool) -> None:
        if value == 0:
            return
        if value < 0 and not self._signed:
            raise ValueError("negative_counter")
        self.value += value * weight * self.scale
        self.touch()

    def write(self, batch: Batch, at: float) -> None:
        if not self._born:
            self._born = True
            batch.births.append(self.ref)
        batch.add(self.ref, self.value)


class Gauge(Single):
    """Holds the last value, until it has not been heard of for its `ttl`."""

    __slots__ = ()

    def take(self, value: float, weight: float, relative: bool) -> None:
        self.value = self.value + value * self.scale if relative else value * self.scale
        self.touch()

    def retire(self, batch: Batch) -> None:
        super().retire(batch)
        self.value = 0.0


class Set(Single):
    """How many different members came in the last minute, up to ten thousand."""

    __slots__ = ("_members", "_pending")

    def __init__(self, wiring: Wiring, ref: int) -> None:
        super().__init__(wiring._replace(kind=b""), ref)  # a member is no number: never the fast way
        self._members: dict[bytes, float] = {}
        self._pending: set[bytes] = set()

    def put(self, member: bytes) -> None:
        if len(self._pending) < _SET_MEMBERS:
            self._pending.add(member)
            self.touch()

    def write(self, batch: Batch, at: float) -> None:
        members = {member: seen for member, seen in self._members.items() if at - seen < _SET_WINDOW}
        members.update(dict.fromkeys(self._pending, at))
        self._pending.clear()
        self._members = dict(list(members.items())[-_SET_MEMBERS:])
        self.value = len(self._members)
        super().write(batch, at)
