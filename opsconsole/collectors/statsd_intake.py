"""The fast half of reading StatsD: datagrams in, values added to series that are already known by their bytes."""

from collections import Counter
from collections.abc import Iterable

from opsconsole.collectors.formats.statsd import Frame, Malformed, frame, identify, measure
from opsconsole.collectors.statsd_resolve import Resolver
from opsconsole.collectors.statsd_series import Stamp, Target
from opsconsole.tsdb.series_cache import SeriesCache

MOST_KNOWN = 200_000
"""Names kept; beyond that those are forgotten that did not come for longest, and those that never come again first."""
MOST_NEW = 10_000
"""New names looked at between two `renew`s; a flood of invented names is dropped rather than studied."""
_SIGNS = b"+-"


class Intake:
    """Takes one socket's datagrams. What it counts only grows; `at` is Unix time."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._known: SeriesCache[bytes | tuple[bytes, bytes, bytes], Target] = SeriesCache(MOST_KNOWN)
        self._tailed: SeriesCache[tuple[bytes, bytes], tuple[Target, float]] = SeriesCache(MOST_KNOWN)
        self._new = MOST_NEW
        self._nobody: Stamp | None = None
        self.datagrams, self.lines, self.unassigned, self.flooded = 0, 0, 0, 0
        self.malformed: Counter[str] = Counter()
        resolver.forget = self.forget

    def renew(self) -> None:
        """Begin a new second: learn of new names again, and of what has been collected meanwhile."""
        self._new = MOST_NEW
        self._resolver.learn()

    def forget(self) -> None:
        self._known.clear()
        self._tailed.clear()

    def take(self, datagrams: Iterable[bytes], at: float) -> None:
        """Add every line of `datagrams`, all of which arrived at `at`."""
        known, find, nobody, slow, count = self._known.known.get, self._known.find, self._nobody, self._read, 0
        for datagram in datagrams:
            count += 1
            head, _, rest = datagram.partition(b":")
            number, _, kind = rest.partition(b"|")
            target = known(head) or find(head)
            if target is None or kind != target.kind:
                slow(datagram, at)
                nobody = self._nobody
                continue
            try:
                value = float(number)
                if not -1e300 < value < 1e300:
                    raise ValueError
                target.take(value, 1.0, number[0] in _SIGNS)
            except ValueError:
                slow(datagram, at)
                continue
            self.lines += 1
            target.heard.at = at
            if target.stamp is not None:
                target.stamp.at = at
            if target.heard is nobody:
                self.unassigned += 1
        self.datagrams += count

    def _read(self, datagram: bytes, at: float) -> None:
        for line in datagram.split(b"\n"):
            if line.strip():
                self.lines += 1
                try:
                    if not self._again(line, at):
                        self._line(line.rstrip(b"\r"), at)
                except Malformed as error:
                    self.malformed[error.reason] += 1

    def _again(self, line: bytes, at: float) -> bool:
        """Take a line that differs from an earlier one in its value only."""
        head, _, rest = line.partition(b":")
        number, _, tail = rest.partition(b"|")
        known = self._tailed.find((head, tail))
        if known is None or not number or b":" in number:
            return False
        target, weight = known
        self._heard(target, at)
        _take(target, number, weight)
        return True

    def _heard(self, target: Target, at: float) -> None:
        target.heard.at = at
        if target.stamp is not None:
            target.stamp.at = at
        if target.heard is self._nobody:
            self.unassigned += 1

    def _line(self, line: bytes, at: float) -> None:
        cut = frame(line)
        target = self._known.find((cut.head, cut.kind, cut.tags))
        skip = False
        if target is None:
            values = [] if cut.kind == b"s" else [measure(text) for text in cut.values]
            if cut.kind == b"c" and not any(values):
                return  # Airflow 2 announces fourteen states of every task with zeros, of which two or three ever come
            if self._new <= 0:
                self.flooded += 1
                return
            target, skip = self._learn(cut)
        self._heard(target, at)
        if not skip:
            _add(cut, target)
        self._remember(line, cut, target)

    def _remember(self, line: bytes, cut: Frame, target: Target) -> None:
        if cut.kind == b"s" or b":" in cut.head or b"|T" in line:
            return
        self._tailed.put((cut.head, line.partition(b"|")[2]), (target, _weight(cut)))

    def _learn(self, cut: Frame) -> tuple[Target, bool]:
        self._new -= 1
        answer = self._resolver.answer(identify(cut.head, cut.tags), cut.kind)
        self._nobody = self._resolver.unassigned
        self._known.put((cut.head, cut.kind, cut.tags), answer.target)
        if not cut.tags and b":" not in cut.head and self._known.find(cut.head) is None:
            self._known.put(cut.head, answer.target)
        return answer.target, answer.skip


def _weight(cut: Frame) -> float:
    return 1.0 if cut.kind == b"g" else 1.0 / cut.rate


def _add(cut: Frame, target: Target) -> None:
    for text in cut.values:
        if cut.kind == b"s":
            target.put(text)
        else:
            _take(target, text, _weight(cut))


def _take(target: Target, text: bytes, weight: float) -> None:
    value = measure(text)
    try:
        target.take(value, weight, text[0] in _SIGNS)
    except ValueError as error:
        raise Malformed(str(error)) from None
