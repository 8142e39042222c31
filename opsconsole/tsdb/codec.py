"""How samples are written down: a flush of many series, and a chunk of one as earlier versions sealed them. pcodec keeps
every bit, those of NaNs too."""

import struct
import zlib
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pcodec import ChunkConfig
from pcodec.standalone import simple_compress, simple_decompress

from opsconsole.model import Millis, Values

Ids = npt.NDArray[np.int64]

_VERSION, _SUMMED = 1, 2
_PREFIX = struct.Struct("<BI")  # version, length of the first column; then the columns
_FLUSH_PREFIX = struct.Struct("<BII")  # version, lengths of the first two columns
_SUM = struct.Struct("<I")
_SEALED = ChunkConfig(compression_level=8)
_FLUSHED = ChunkConfig(compression_level=3)


class CorruptError(Exception):
    """Bytes in the database that are no samples."""


class Batch(NamedTuple):
    """Samples of many series, column by column."""

    ids: Ids
    times: Millis
    values: Values

    def where(self, mask: npt.NDArray[np.bool_]) -> "Batch":
        return Batch(self.ids[mask], self.times[mask], self.values[mask])


def summed(version: int, body: bytes) -> bytes:
    """The body behind its version and its checksum (CRC-32): most damage to compressed numbers leaves numbers, other ones."""
    return bytes([version]) + _SUM.pack(zlib.crc32(body)) + body


def body_of(data: bytes) -> bytes:
    """What `summed` was given. Raises ValueError or struct.error where it is not that any more."""
    if _SUM.unpack_from(data, 1)[0] != zlib.crc32(body := data[1 + _SUM.size :]):
        raise ValueError("its checksum does not fit")
    return body


def compressed(column: npt.NDArray[Any]) -> bytes:
    """One column of a block; an empty one takes nothing."""
    if not len(column):
        return b""
    data: bytes = simple_compress(np.ascontiguousarray(column), _SEALED)
    return data


def decompressed(data: bytes, kind: Any) -> npt.NDArray[Any]:
    """What `compressed` was given. Raises ValueError or RuntimeError for bytes that are none of its."""
    return _column(data, kind) if data else np.empty(0, kind)


def decode(data: bytes) -> tuple[Millis, Values]:
    """A chunk of one series, as earlier versions wrote them. Raises CorruptError."""
    try:
        version, length = _PREFIX.unpack_from(data)
        _known(version)
        body = _PREFIX.size + length
        times, values = _column(data[_PREFIX.size : body], np.int64), _column(data[body:], np.float64)
    except (struct.error, ValueError, RuntimeError) as error:
        raise CorruptError(f"a chunk of {len(data)} bytes cannot be read: {error}") from error
    if len(times) != len(values):
        raise CorruptError(f"a chunk has {len(times)} times and {len(values)} values")
    return times, values


def pack(batch: Batch) -> bytes:
    ids, times, values = (simple_compress(np.ascontiguousarray(column), _FLUSHED) for column in batch)
    return summed(_SUMMED, b"".join([_FLUSH_PREFIX.pack(_VERSION, len(ids), len(times)), ids, times, values]))


def unpack(data: bytes) -> Batch:
    """What `pack` was given, with the checksum or, as earlier versions wrote it, without. Raises CorruptError."""
    try:
        if data[:1] == bytes([_SUMMED]):
            data = body_of(data)
        version, first, second = _FLUSH_PREFIX.unpack_from(data)
        _known(version)
        a, b = _FLUSH_PREFIX.size + first, _FLUSH_PREFIX.size + first + second
        batch = Batch(
            _column(data[_FLUSH_PREFIX.size : a], np.int64), _column(data[a:b], np.int64), _column(data[b:], np.float64)
        )
    except (struct.error, ValueError, RuntimeError) as error:
        raise CorruptError(f"a flush of {len(data)} bytes cannot be read: {error}") from error
    if len({len(column) for column in batch}) != 1:
        raise CorruptError("a flush has columns of different lengths")
    return batch


def _known(version: int) -> None:
    if version != _VERSION:
        raise ValueError(f"format {version} is not known to this version of the console")


def _column(data: bytes, kind: Any) -> npt.NDArray[Any]:
    column: npt.NDArray[Any] | None = simple_decompress(data)
    if column is None:
        return np.empty(0, kind)
    if column.dtype != kind:
        raise ValueError(f"a column of {column.dtype} where {np.dtype(kind)} belongs")
    return column
