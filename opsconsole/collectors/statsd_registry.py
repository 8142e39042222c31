"""Every series that StatsD lines have made, and the step that stores what changed."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime

from opsconsole.clock import millis
from opsconsole.collectors.formats.statsd_mapping import DEFAULT, Observer
from opsconsole.collectors.statsd_series import Aggregate, Batch, Counter, Gauge, SeriesStore, Set, Stamp, Wiring
from opsconsole.collectors.statsd_timers import Histogram, Summary
from opsconsole.model import STALE, Labels

REPEAT_EVERY = 15
"""A series without news is stored again every so many steps, so that it stays within a query's look-back."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a resolved line asks for: a series under this name, kept this way."""

    metric: str
    labels: Labels
    observer: Observer = DEFAULT
    signed: bool = False
    twice: bool = False


class Registry:
    """Makes series, once each, and writes them.

    A name keeps the type that it had first, and there are at most `most` series: `series` answers None beyond that.
    """

    def __init__(self, store: SeriesStore, most: int) -> None:
        self.dirty: list[Aggregate] = []
        self._store, self._most = store, most
        self._series: dict[tuple[str, Labels], Aggregate] = {}
        self._types: dict[str, str] = {}
        self._stamps: dict[tuple[str, Labels], Stamp] = {}
        self._slots: list[list[Aggregate]] = [[] for _ in range(REPEAT_EVERY)]
        self._tick, self._before_ms = 0, 0

    def __len__(self) -> int:
        return len(self._series)

    @property
    def full(self) -> bool:
        return len(self._series) >= self._most

    def stamp(self, metric: str, labels: Labels) -> Stamp:
        return self._stamps.setdefault((metric, labels), Stamp(metric, labels))

    def conflicts(self, metric: str, kind: bytes) -> bool:
        """Whether `metric` is of another type already."""
        return self._types.get(metric, _type(kind)) != _type(kind)

    def series(self, wanted: Wanted, wiring: Wiring) -> Aggregate | None:
        """The series, new or known; a known one takes over the scale, which a version newly learnt may have changed."""
        key = (wanted.metric, wanted.labels)
        known = self._series.get(key)
        if known is not None:
            known.scale, known.ttl = wiring.scale, wiring.ttl
            return known
        if self.full:
            return None
        made = self._made(wanted, wiring)
        self._types[wanted.metric] = _type(wiring.kind)
        self._series[key] = made
        self._slots[len(self._series) % REPEAT_EVERY].append(made)
        return made

    def _made(self, wanted: Wanted, wiring: Wiring) -> Aggregate:
        if wiring.kind == b"c":
            return Counter(wiring, self._ref(wanted), signed=wanted.signed)
        if wiring.kind == b"g":
            return Gauge(wiring, self._ref(wanted))
        if wiring.kind == b"s":
            return Set(wiring, self._ref(wanted))
        return self._timer(wanted, wiring)

    def _timer(self, wanted: Wanted, wiring: Wiring) -> Aggregate:
        observer = wanted.observer
        refs = self._ref(wanted, "_sum"), self._ref(wanted, "_count")
        if observer.kind == "histogram":
            bounds = [*(f"{bound:g}" for bound in observer.buckets), "+Inf"]
            buckets = [self._ref(wanted, "_bucket", le=bound) for bound in bounds]
            return Histogram(wiring, refs, observer.buckets, buckets, twice=wanted.twice)
        quantiles = [(each, self._ref(wanted, quantile=f"{each:g}")) for each in observer.quantiles]
        return Summary(wiring, refs, quantiles, observer.max_age.total_seconds(), twice=wanted.twice)

    def _ref(self, wanted: Wanted, suffix: str = "", **more: str) -> int:
        return self._store.ref(wanted.metric + suffix, wanted.labels.merged(more) if more else wanted.labels)

    def step(self, now: datetime) -> None:
        """Store what changed since the last step, and a share of what did not; end what has been silent for its `ttl`."""
        at, at_ms = now.timestamp(), millis(now)
        self._tick += 1
        batch = Batch()
        self._write_stamps(batch)
        self._write_changed(batch, at)
        self._write_silent(batch, at)
        if batch.births:
            self._store.append_refs(self._before_ms or at_ms - 1000, batch.births, [0.0] * len(batch.births))
        if batch.refs:
            self._store.append_refs(at_ms, batch.refs, batch.values)
        self._before_ms = at_ms

    def _write_stamps(self, batch: Batch) -> None:
        again = self._tick % REPEAT_EVERY == 0
        for stamp in self._stamps.values():
            if stamp.at and (again or stamp.stored != stamp.at):
                stamp.stored = stamp.at
                batch.add(self._store.ref(stamp.metric, stamp.labels), stamp.at)

    def _write_changed(self, batch: Batch, at: float) -> None:
        for series in self.dirty:
            series.changed, series.asleep, series.seen = False, False, at
            series.write(batch, at)
        self.dirty.clear()

    def _write_silent(self, batch: Batch, at: float) -> None:
        for series in self._slots[self._tick % REPEAT_EVERY]:
            if series.asleep or series.seen in (at, 0.0):
                continue
            if series.ttl and at - series.seen > series.ttl:
                series.retire(batch)
            else:
                series.write(batch, at)

    def end(self, now: datetime, but: Container[str]) -> None:
        """End the series of all deployments `but` these, after the last step."""
        batch = Batch()
        for (_, labels), series in self._series.items():
            if series.seen and not series.asleep and labels.get("deployment", "") not in but:
                series.retire(batch)
        for stamp in self._stamps.values():
            if stamp.stored and stamp.labels.get("deployment", "") not in but:
                batch.add(self._store.ref(stamp.metric, stamp.labels), STALE)
        if batch.refs:
            self._store.append_refs(max(millis(now), self._before_ms + 1), batch.refs, batch.values)

    def purge(self) -> int:
        """Forget the series that ended or never had a value to store, with their names' types, when there is no room for new
        ones; right after a step. Whoever holds targets must forget them too.
        """
        ended = [key for key, series in self._series.items() if series.asleep or not series.seen] if self.full else []
        gone = {id(self._series.pop(key)) for key in ended}
        if gone:
            self._slots = [[series for series in slot if id(series) not in gone] for slot in self._slots]
            alive = {metric for metric, _ in self._series}
            self._types = {metric: kind for metric, kind in self._types.items() if metric in alive}
        return len(gone)


def _type(kind: bytes) -> str:
    return {b"c": "counter", b"g": "gauge", b"s": "gauge"}.get(kind, "observer")
