"""Prometheus' remote write 1.0: the protobuf message `WriteRequest`, read by hand.

Nearly every series in a request is one that was seen before, with one sample of 16 or 7 bytes at its end. So the bytes in
front of that are looked up; only where they are not known, or what follows them is not such a sample, is the series read
field by field. That is exact: what is known is a whole number of label fields, so that a field begins right behind it.

    WriteRequest   1: TimeSeries, 3: MetricMetadata          TimeSeries  1: Label, 2: Sample, 3: Exemplar, 4: Histogram
    Label          1: name, 2: value                         Sample      1: value (double), 2: timestamp (varint, ms)
    MetricMetadata 1: type, 2: family, 4: help, 5: unit
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from opsconsole.model import Labels, Millis, Refs, Values

TYPES = ("unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset")
_LONG, _SHORT = 18, 9
"""Bytes of a sample's field with its value, and of one whose value is zero and left out; the time takes six."""
_DOUBLE = struct.Struct("<d")
LONGEST_NAME = 65_536
"""Bytes that name one series, at most."""
_LONGEST_TEXT = 4096
_SHORT_LABEL = 256
"""Bytes of a label that is kept in case it comes again with another series."""
_LONGEST_SHOWN = 100


class Malformed(ValueError):
    """The message is not what it should be; nothing of it is used."""


class Described(NamedTuple):
    """A metric family's metadata."""

    family: str
    type: str
    help: str
    unit: str


@dataclass(slots=True)
class Message:
    """A request. Sample `i` is of the series `refs[i]` where that is positive, else of the new series `names[-1 - refs[i]]`.

    `exemplars` and (native) `histograms` are counted and left out, and so are the samples of series whose names are too long.
    """

    refs: Refs
    times: Millis
    values: Values
    names: list[bytes] = field(default_factory=list)
    described: list[Described] = field(default_factory=list)
    exemplars: int = 0
    histograms: int = 0
    too_long: int = 0


def read(body: bytes, known: Mapping[bytes, int]) -> Message:
    """Read a request; `known` are the refs of series by the bytes of their labels. Raises Malformed."""
    return _Reading(body, known).message()


def labels(name: bytes) -> Labels:
    """What the bytes that name a series say. Raises ValueError, saying why, where they name none."""
    try:
        pairs = [_label(content) if len(content) > _SHORT_LABEL else _again(content) for content in _contents(name)]
    except UnicodeDecodeError:
        raise ValueError("a label is not UTF-8") from None
    before = ""
    for key, value in pairs:
        if key <= before or not value:
            return _unsorted(pairs)
        before = key
    return _named(Labels.of_pairs(tuple(pairs)))


def _unsorted(pairs: list[tuple[str, str]]) -> Labels:
    """Of labels in another order than their names', or with empty values."""
    found: dict[str, str] = {}
    for key, value in pairs:
        if not key:
            raise ValueError("a label has no name")
        if key in found:
            raise ValueError(f"label name {key[:_LONGEST_SHOWN]!r} is not unique")
        found[key] = value
    return _named(Labels(found))


def _named(labels: Labels) -> Labels:
    if "__name__" not in labels:
        raise ValueError("a series has no metric name")
    return labels


class _Quick:
    """Series whose names are found at once, and that seem to end in a sample of `size` bytes."""

    def __init__(self, size: int) -> None:
        self.size, self._head = size, bytes((0x12, size - 2))
        self.refs: list[int] = []
        self.starts: list[int] = []
        self.ends: list[int] = []

    def add(self, ref: int, start: int, end: int) -> None:
        self.refs.append(ref)
        self.starts.append(start)
        self.ends.append(end)

    def is_sample(self, tail: bytes) -> bool:
        """Of one series what `_are_samples` says of many."""
        framed = tail[:2] == self._head and tail[-7] == 0x10 and tail[-1] < 128 <= min(tail[-6:-1])
        return framed and (self.size == _SHORT or tail[2] == 0x09)

    def samples(self, body: bytes) -> tuple[Refs, Millis, Values, list[tuple[int, int]]]:
        """The samples, and where the series are that end in something else."""
        if not self.ends:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), []
        ends, refs = np.array(self.ends, np.int64), np.array(self.refs, np.int64)
        tails = np.frombuffer(body, np.uint8)[ends[:, None] + np.arange(-self.size, 0)]
        good = self._are_samples(tails)
        others = [(self.starts[i], self.ends[i]) for i in np.flatnonzero(~good).tolist()]
        if others:
            tails, refs = tails[good], refs[good]
        times = np.zeros(len(refs), np.int64)
        for place in range(6):
            times |= (tails[:, place - 6].astype(np.int64) & 127) << (7 * place)
        if self.size == _SHORT:
            return refs, times, np.zeros(len(refs)), others
        return refs, times, np.ascontiguousarray(tails[:, 3:11]).view("<f8").ravel(), others

    def _are_samples(self, tails: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        good: npt.NDArray[np.bool_] = (tails[:, 0] == 0x12) & (tails[:, 1] == self.size - 2) & (tails[:, -7] == 0x10)
        good &= (tails[:, -6:-1] > 127).all(axis=1) & (tails[:, -1] < 128)
        return good & (tails[:, 2] == 0x09) if self.size == _LONG else good


class _Reading:
    """One request being read."""

    def __init__(self, body: bytes, known: Mapping[bytes, int]) -> None:
        self._body, self._known = body, known
        self._long, self._short = _Quick(_LONG), _Quick(_SHORT)
        self._new: dict[bytes, int] = {}
        self._refs: list[int] = []
        self._times: list[int] = []
        self._values: list[float] = []
        self._described: list[Described] = []
        self._exemplars = self._histograms = self._too_long = 0

    def message(self) -> Message:
        self._walk()
        quick = [one.samples(self._body) for one in (self._long, self._short)]
        for *_, others in quick:
            for start, end in others:
                self._series(start, end)
        slow = np.array(self._refs, np.int64), np.array(self._times, np.int64), np.array(self._values, np.float64)
        refs, times, values = (np.concatenate(column) for column in zip(slow, *(one[:3] for one in quick), strict=True))
        rest = self._described, self._exemplars, self._histograms, self._too_long
        return Message(refs, times, values, list(self._new), *rest)

    def _walk(self) -> None:
        """Find where each series ends, and look up the bytes in front of its sample."""
        body, size, get, pos = self._body, len(self._body), self._known.get, 0
        refs, starts, ends = self._long.refs.append, self._long.starts.append, self._long.ends.append
        while pos < size:
            if body[pos] != 0x0A:
                pos = self._other(pos)
                continue
            try:
                length = body[pos + 1]
                start = pos + 2
                if length > 127:
                    length += (body[start] << 7) - 128
                    start += 1
                    if length > 16_383:
                        length, start = _varint(body, pos + 1, size)
            except IndexError:
                raise Malformed("the message ends within a field") from None
            pos = start + length
            if pos > size:
                raise Malformed("the message ends within a series")
            if length > _LONG and (ref := get(body[start : pos - _LONG])) is not None:
                refs(ref)
                starts(start)
                ends(pos)
            elif length > _SHORT and (ref := get(body[start : pos - _SHORT])) is not None:
                self._short.add(ref, start, pos)
            elif not self._newcomer(start, pos):
                self._series(start, pos)

    def _other(self, pos: int) -> int:
        """A field of the message that is no series; returns where the next begins."""
        number, wire, start, end = next(_fields(self._body, pos, len(self._body)))
        if number == 1:
            raise Malformed("a series is no message")
        if number == 3 and wire == 2:
            self._described.append(_described(self._body, start, end))
        return end

    def _newcomer(self, start: int, end: int) -> bool:
        """Take a series that is not known and is as nearly all are: short labels and one sample; False where it is not."""
        body, pos = self._body, start
        while pos + 1 < end and body[pos] == 0x0A and body[pos + 1] < 128:
            pos += 2 + body[pos + 1]
        quick = self._long if end - pos == _LONG else self._short
        if end - pos != quick.size or not quick.is_sample(body[pos:end]) or pos - start > LONGEST_NAME:
            return False
        quick.add(-1 - self._new.setdefault(body[start:pos], len(self._new)), start, end)
        return True

    def _series(self, start: int, end: int) -> None:
        """Read a series field by field."""
        body, name, samples, before = self._body, [], [], start
        for number, wire, first, last in _fields(body, start, end):
            if number == 1 and wire == 2:
                name.append(body[before:last])
            elif number == 2 and wire == 2:
                samples.append(_sample(body, first, last))
            elif number in (1, 2):
                raise Malformed("a label or a sample is no message")
            self._exemplars += number == 3
            self._histograms += number == 4
            before = last
        if samples:
            self._add(b"".join(name), samples)

    def _add(self, name: bytes, samples: list[tuple[float, int]]) -> None:
        if len(name) > LONGEST_NAME:
            self._too_long += len(samples)
            return
        if (ref := self._known.get(name)) is None:
            ref = -1 - self._new.setdefault(name, len(self._new))
        for value, at_ms in samples:
            self._refs.append(ref)
            self._values.append(value)
            self._times.append(at_ms)


def _fields(body: bytes, pos: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Every field's number, wire type and where its content begins and ends. Raises Malformed."""
    while pos < end:
        tag, pos = _varint(body, pos, end)
        wire = tag & 7
        if wire == 2:
            length, pos = _varint(body, pos, end)
            last = pos + length
        elif wire == 0:
            last = _varint(body, pos, end)[1]
        elif wire in (1, 5):
            last = pos + (8 if wire == 1 else 4)
        else:
            raise Malformed(f"wire type {wire} is not of this age")
        if last > end or not tag >> 3:
            raise Malformed("a field is longer than what it is in" if last > end else "a field has the number 0")
        yield tag >> 3, wire, pos, last
        pos = last


def _varint(body: bytes, pos: int, end: int) -> tuple[int, int]:
    """A number of at most 64 bits and where it ends. Raises Malformed."""
    number = 0
    for shift in range(0, 70, 7):
        if pos >= end:
            raise Malformed("the message ends within a number")
        byte = body[pos]
        pos += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number & 0xFFFFFFFFFFFFFFFF, pos
    raise Malformed("a number has more than ten bytes")


def _sample(body: bytes, start: int, end: int) -> tuple[float, int]:
    value, at_ms = 0.0, 0
    for number, wire, first, last in _fields(body, start, end):
        if number == 1 and wire == 1:
            value = _DOUBLE.unpack_from(body, first)[0]
        elif number == 2 and wire == 0:
            at_ms = _varint(body, first, last)[0]
        elif number in (1, 2):
            raise Malformed("a sample's value or time is of another type")
    return value, at_ms - (1 << 64) if at_ms >> 63 else at_ms


def _contents(name: bytes) -> list[bytes]:
    """What is in each of the label fields that name a series."""
    pos, size, found = 0, len(name), []
    while pos < size:
        if name[pos] == 0x0A and name[pos + 1] < 128:
            pos, start = pos + 2 + name[pos + 1], pos + 2
        else:
            _, _, start, pos = next(_fields(name, pos, size))
        found.append(name[start:pos])
    return found


def _label(content: bytes) -> tuple[str, str]:
    name = value = b""
    for number, wire, first, last in _fields(content, 0, len(content)):
        if number == 1 and wire == 2:
            name = content[first:last]
        elif number == 2 and wire == 2:
            value = content[first:last]
    return name.decode(), value.decode()


_again = lru_cache(16_384)(_label)


def _described(body: bytes, start: int, end: int) -> Described:
    kind, texts = 0, {2: "", 4: "", 5: ""}
    for number, wire, first, last in _fields(body, start, end):
        if number == 1 and wire == 0:
            kind = _varint(body, first, last)[0]
        elif number in texts and wire == 2:
            texts[number] = body[first : min(last, first + _LONGEST_TEXT)].decode(errors="replace")
    return Described(texts[2], TYPES[kind] if kind < len(TYPES) else "unknown", texts[4], texts[5])
