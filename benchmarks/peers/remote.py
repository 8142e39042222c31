"""Blocks of samples as remote-write 1.0 requests: protobuf written straight from the matrices, snappy without compression."""

from collections.abc import Iterable, Iterator

import numpy as np

from opsconsole.model import Block, Labels

_MOST = 400_000
"""Samples in one request."""
_TIME_BYTES = 6
"""A protobuf number of today's milliseconds: 42 bits in sevens."""


def requests(block: Block) -> Iterator[bytes]:
    """The block's samples as bodies to POST; series are whole within one request."""
    size = max(1, _MOST // max(1, len(block.timestamps)))
    for start in range(0, len(block.labels), size):
        cut = slice(start, start + size)
        yield _snappy(_written(Block(block.labels[cut], block.timestamps, block.values[cut])))


def together(blocks: Iterable[Block]) -> Iterator[bytes]:
    """The same for many small blocks: as few bodies as may be."""
    parts, samples = [], 0
    for block in blocks:
        parts.append(_written(block))
        samples += block.values.size
        if samples >= _MOST:
            yield _snappy(b"".join(parts))
            parts, samples = [], 0
    if parts:
        yield _snappy(b"".join(parts))


def _written(block: Block) -> bytes:
    samples = _samples(block)
    parts = []
    for labels, row in zip(block.labels, samples, strict=True):
        series = _names(labels) + row.tobytes()
        parts += [b"\x0a", _varint(len(series)), series]
    return b"".join(parts)


def _samples(block: Block) -> np.ndarray:
    """Each sample as field 2 of a series: value (field 1, fixed 64 bits), time (field 2, varint of fixed width)."""
    width = 1 + 8 + 1 + _TIME_BYTES
    found = np.empty((*block.values.shape, 2 + width), np.uint8)
    found[..., 0], found[..., 1], found[..., 2], found[..., 11] = 0x12, width, 0x09, 0x10
    found[..., 3:11] = np.ascontiguousarray(block.values)[..., None].view(np.uint8)
    assert 1 << 35 <= int(block.timestamps[0]) <= int(block.timestamps[-1]) < 1 << 42, "times of another age"
    for place in range(_TIME_BYTES):
        more = 0x80 if place < _TIME_BYTES - 1 else 0
        found[..., 12 + place] = ((block.timestamps >> (7 * place)) & 0x7F) | more
    return found


def _names(labels: Labels) -> bytes:
    parts = []
    for name, value in labels.pairs:
        pair = b"\x0a" + _text(name) + b"\x12" + _text(value)
        parts += [b"\x0a", _varint(len(pair)), pair]
    return b"".join(parts)


def _text(text: str) -> bytes:
    data = text.encode()
    return _varint(len(data)) + data


def _varint(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


def _snappy(data: bytes) -> bytes:
    """One literal: valid snappy, and no time spent on making it small."""
    return _varint(len(data)) + b"\xfc" + (len(data) - 1).to_bytes(4, "little") + data
