"""Remote write requests, made and read the plain way."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import cramjam

HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
Pairs = Sequence[tuple[str, str]]


class Sent(NamedTuple):
    """A series of a request: its labels as they stand there, and (value, Unix milliseconds)."""

    labels: Pairs
    samples: Sequence[tuple[float, int]]


def varint(number: int) -> bytes:
    number &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def label(name: str | bytes, value: str | bytes) -> bytes:
    name, value = (one.encode() if isinstance(one, str) else one for one in (name, value))
    return message(1, (message(1, name) if name else b"") + (message(2, value) if value else b""))


def sample(value: float, at_ms: int) -> bytes:
    """As gogoproto writes it: what is zero is left out."""
    packed = struct.pack("<d", value)
    content = (b"\x09" + packed if packed != bytes(8) else b"") + (b"\x10" + varint(at_ms) if at_ms else b"")
    return message(2, content)


def series(one: Sent, more: bytes = b"") -> bytes:
    return message(1, b"".join([*(label(*pair) for pair in one.labels), *(sample(*each) for each in one.samples), more]))


def metadata(family: str, kind: int, text: str = "", unit: str = "") -> bytes:
    parts = [b"\x08" + varint(kind) if kind else b"", message(2, family.encode())]
    return message(3, b"".join([*parts, *(message(n, t.encode()) for n, t in ((4, text), (5, unit)) if t)]))


def request(sent: Iterable[Sent], more: bytes = b"") -> bytes:
    return b"".join([*map(series, sent), more])


def compressed(body: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(body))


def of(samples: Mapping[str, float], at_ms: int, **labels: str) -> bytes:
    """A request, ready to send, of one sample each."""
    pairs = sorted(labels.items())
    return compressed(request(Sent([("__name__", name), *pairs], [(value, at_ms)]) for name, value in samples.items()))


Fields = list[tuple[int, int, Any]]


def fields(body: bytes) -> Fields:
    """Every field as (number, wire type, content). Raises ValueError."""
    found, at = [], 0
    while at < len(body):
        tag, at = _number(body, at)
        content: Any
        if tag & 7 == 0:
            content, at = _number(body, at)
        elif tag & 7 in (1, 5):
            size = 8 if tag & 7 == 1 else 4
            content, at = body[at : at + size], at + size
        elif tag & 7 == 2:
            size, at = _number(body, at)
            content, at = body[at : at + size], at + size
        else:
            raise ValueError("wire type")
        if at > len(body) or not tag >> 3:
            raise ValueError("field")
        found.append((tag >> 3, tag & 7, content))
    return found


def _number(body: bytes, at: int) -> tuple[int, int]:
    for size in range(1, 11):
        if at + size > len(body):
            raise ValueError("end")
        if body[at + size - 1] < 128:
            return sum((byte & 127) << 7 * i for i, byte in enumerate(body[at : at + size])) & 0xFFFFFFFFFFFFFFFF, at + size
    raise ValueError("too long a number")


def read_plainly(body: bytes) -> list[tuple[bytes, int, int]]:
    """Every sample of a request as (its labels' fields, Unix milliseconds, the value's bits). Raises ValueError."""
    found = []
    for number, wire, content in fields(body):
        if number == 1:
            if wire != 2:
                raise ValueError("series")
            parts = fields(content)
            if any(n in (1, 2) and w != 2 for n, w, _ in parts):
                raise ValueError("label or sample")
            name = b"".join(message(1, c) for n, _, c in parts if n == 1)
            found += [(name, *_read_sample(c)) for n, _, c in parts if n == 2]
        elif number == 3 and wire == 2:
            fields(content)
    return found


def _read_sample(content: bytes) -> tuple[int, int]:
    bits = at = 0
    for number, wire, value in fields(content):
        if number == 1 and wire == 1:
            bits = int.from_bytes(value, "little")
        elif number == 2 and wire == 0:
            at = value
        elif number in (1, 2):
            raise ValueError("sample")
    return at - (1 << 64 if at >> 63 else 0), bits
