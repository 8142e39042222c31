"""Prometheus' remote write 1.0 on the wire: a WriteRequest in protobuf, written by hand, compressed with snappy's block format.

A WriteRequest is a run of entries (field 1), each a series' labels (field 1) and samples (field 2), so that requests can be
joined and parted without reading what is in them.
"""

from collections.abc import Iterable, Iterator, Sequence

import cramjam
import numpy as np

from opsconsole.model import Labels, Millis, Values

_ENTRY, _LABEL, _SAMPLE = 0x0A, b"\x0a", b"\x12"  # field 1, 1 and 2, each of a length
_NAME, _VALUE = b"\x0a", b"\x12"
_NUMBER, _TIME = b"\x09", b"\x10"  # field 1, 64 bits; field 2, a varint
_BYTES = [bytes([number]) for number in range(256)]


class MalformedError(Exception):
    """Bytes that are no WriteRequest of ours."""


def varint(number: int) -> bytes:
    """Negative numbers as protobuf writes an int64: ten bytes."""
    number &= 0xFFFF_FFFF_FFFF_FFFF
    if number < 0x80:
        return _BYTES[number]
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + varint(len(content)) + content


def labels_of(name: str, labels: Labels) -> bytes:
    """A series' labels, `__name__` among them, in order of name. Half a surrogate pair, which UTF-8 has not, becomes `?`."""
    pairs = sorted([("__name__", name), *(pair for pair in labels.pairs if pair[0] != "__name__")])
    texts = ((key.encode(errors="replace"), value.encode(errors="replace")) for key, value in pairs)
    return b"".join(_field(_LABEL, _field(_NAME, key) + _field(_VALUE, value)) for key, value in texts)


def entries(labels: Sequence[bytes], times: Millis, values: Values) -> Iterator[bytes]:
    """An entry for each sample; values keep every bit."""
    raw = np.ascontiguousarray(values, "<f8").tobytes()
    stamps = {at: _TIME + varint(at) for at in set(times.tolist())}
    for index, (series, at) in enumerate(zip(labels, times.tolist(), strict=True)):
        sample = _NUMBER + raw[8 * index : 8 * index + 8] + stamps[at]
        body = series + _SAMPLE + _BYTES[len(sample)] + sample
        yield b"\x0a" + varint(len(body)) + body


def packed(parts: Iterable[bytes]) -> bytes:
    """Entries as the body of a request."""
    return bytes(cramjam.snappy.compress_raw(b"".join(parts)))


def unpacked(body: bytes) -> bytes:
    try:
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise MalformedError(f"{len(body)} bytes are not snappy's: {error}") from error


def parted(request: bytes) -> list[bytes]:
    """The entries of a WriteRequest, each with its tag and length."""
    found, at = [], 0
    while at < len(request):
        start = at
        if request[at] != _ENTRY:
            raise MalformedError(f"no entry begins at byte {at}")
        length, shift = 0, 0
        while True:
            at += 1
            if at >= len(request) or shift > 28:
                raise MalformedError(f"the entry at byte {start} has no length")
            length |= (request[at] & 0x7F) << shift
            shift += 7
            if request[at] < 0x80:
                break
        at += 1 + length
        if at > len(request):
            raise MalformedError(f"the entry at byte {start} is cut short")
        found.append(request[start:at])
    return found
