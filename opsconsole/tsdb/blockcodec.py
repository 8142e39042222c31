"""How a bundle's samples are written down: times once for all series that share them, values by kind. Every bit is kept.

A block is a version, a checksum, the lengths of the columns, and seven columns: the pieces' numbers of series and of times, the
ids, the times, the kind of each series, then the values of constant series (one each), of whole numbers, and of others.
"""

import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from opsconsole.model import Values
from opsconsole.tsdb.codec import CorruptError, body_of, compressed, decompressed, summed
from opsconsole.tsdb.pieces import Mask, Piece

_PLAIN, _SUMMED = 2, 3
_LENGTHS = struct.Struct("<7I")
_CONSTANT, _WHOLE, _OTHER = range(3)
_EXACT = float(2**53)


def encode_block(pieces: Sequence[Piece]) -> bytes:
    """The pieces as bytes. None of them is empty."""
    shape = np.array([[len(piece.ids), len(piece.times)] for piece in pieces], np.int64).T
    kinds, columns = [], ([], [], [])  # type: ignore[var-annotated]
    for piece in pieces:
        of = _kinds(piece.values)
        kinds.append(of)
        for kind, column in enumerate(columns):
            values = piece.values[of == kind]
            column.append((values[:, :1] if kind == _CONSTANT else values).ravel())
    parts = [
        compressed(shape.ravel()),
        compressed(np.concatenate([piece.ids for piece in pieces])),
        compressed(np.concatenate([piece.times for piece in pieces])),
        np.concatenate(kinds).astype(np.uint8).tobytes(),
        compressed(np.concatenate(columns[_CONSTANT])),
        compressed(np.concatenate(columns[_WHOLE]).astype(np.int64)),
        compressed(np.concatenate(columns[_OTHER])),
    ]
    return summed(_SUMMED, b"".join([_LENGTHS.pack(*map(len, parts)), *parts]))


def _kinds(values: Values) -> npt.NDArray[np.int64]:
    bits = values.view(np.int64)
    constant = (bits == bits[:, :1]).all(axis=1)
    whole = ~constant
    rest = values[whole]
    with np.errstate(invalid="ignore"):
        exact = (np.abs(rest) < _EXACT) & (rest == np.rint(rest))
    whole[whole] = exact.all(axis=1) & ~_negative_zero(rest).any(axis=1)
    return np.where(constant, _CONSTANT, np.where(whole, _WHOLE, _OTHER))


def _negative_zero(values: Values) -> Mask:
    negative: Mask = (values == 0) & np.signbit(values)
    return negative


def decode_block(data: bytes) -> list[Piece]:
    """The pieces; earlier versions wrote blocks without the checksum. Raises CorruptError."""
    try:
        version = data[0]
        if version not in (_PLAIN, _SUMMED):
            raise ValueError(f"format {version} is not known to this version of the console")
        body = body_of(data) if version == _SUMMED else data[1:]
        ends = np.cumsum([_LENGTHS.size, *_LENGTHS.unpack_from(body)]).tolist()
        if ends[-1] != len(body):
            raise ValueError("it is not whole")
        return _pieces([body[a:b] for a, b in pairwise(ends)])
    except (struct.error, ValueError, RuntimeError, IndexError) as error:
        raise CorruptError(f"a block of {len(data)} bytes cannot be read: {error}") from error


def _pieces(parts: Sequence[bytes]) -> list[Piece]:
    shape = decompressed(parts[0], np.int64).reshape(2, -1)
    ids, times = decompressed(parts[1], np.int64), decompressed(parts[2], np.int64)
    kinds = np.frombuffer(parts[3], np.uint8)
    taken = _Values(decompressed(parts[4], np.float64), decompressed(parts[5], np.int64), decompressed(parts[6], np.float64))
    if len(kinds) != len(ids) or shape[0].sum() != len(ids) or shape[1].sum() != len(times):
        raise ValueError("its columns do not fit each other")
    found, row, column = [], 0, 0
    for series, length in shape.T.tolist():
        values = taken.next(kinds[row : row + series], length)
        found.append(Piece(ids[row : row + series], times[column : column + length], values))
        row, column = row + series, column + length
    return found


class _Values:
    """The three columns of values, read piece by piece."""

    def __init__(self, constant: Any, whole: Any, other: Any) -> None:
        self._columns, self._at = (constant, whole, other), [0, 0, 0]

    def next(self, kinds: npt.NDArray[np.uint8], length: int) -> Values:
        if (kinds == _OTHER).all():
            return self._take(_OTHER, len(kinds), length)
        values = np.empty((len(kinds), length), np.float64)
        for kind, width in ((_CONSTANT, 1), (_WHOLE, length), (_OTHER, length)):
            of = kinds == kind
            if (count := int(np.count_nonzero(of))) == len(kinds):
                values[:] = self._take(kind, count, width)
            elif count:
                values[of] = self._take(kind, count, width)
        return values

    def _take(self, kind: int, series: int, length: int) -> Values:
        at = self._at[kind]
        self._at[kind] = at + series * length
        taken: Values = self._columns[kind][at : at + series * length].reshape(series, length)
        return taken
