"""A page that returned with nothing but its values changed, as arrays, so that its next return is told by arithmetic alone.

Lines are found by their ends, the bytes in front of each value compared eight at a time where they now stand, and the
values read column by column. A number of at most 15 digits and its power of ten are whole in a double, so that their quotient is
the nearest double there is, as a parser must give; what is longer or written otherwise is left to one.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from opsconsole.model import Values

_WORD = 8
_DIGITS = 15
_WIDEST = _DIGITS + 2
_POWERS = 10.0 ** np.arange(_DIGITS + 1)
_BLANK, _MINUS, _DOT, _ZERO = 32, 45, 46, 48

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Pattern:
    """What stays of a page: of each sample's line what stands in front of its value, of any other line all."""

    def __init__(self, body: bytes, samples: Sequence[bool]) -> None:
        """`samples` says of each line whether it is a sample: a series, one space, a value."""
        ends = _lines(body)[1]
        starts = _starts(ends)
        self._samples = np.flatnonzero(np.array(samples, np.bool_))
        self._others = np.flatnonzero(~np.array(samples, np.bool_))
        self._lengths = ends - starts
        for line in self._samples.tolist():
            self._lengths[line] = body.rindex(b" ", int(starts[line]), int(ends[line])) - starts[line]
        self._short = [
            (line, body[starts[line] : starts[line] + self._lengths[line]])
            for line in np.flatnonzero(self._lengths < _WORD).tolist()
        ]
        self._line, self._offset = self._places()
        self._words = _words(body)[starts[self._line] + self._offset]

    def _places(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Line and offset of every word; the last of a line overlaps the one before, so that it ends where the line does."""
        whole = np.where(self._lengths < _WORD, 0, -(-self._lengths // _WORD))
        line = np.repeat(np.arange(len(whole)), whole)
        offset = _WORD * (np.arange(len(line)) - np.repeat(np.cumsum(whole) - whole, whole))
        last = self._lengths[line] - _WORD
        return line.astype(np.int32), np.minimum(offset, last).astype(np.int32)

    def values(self, body: bytes) -> tuple[Values, Ints, Ints] | None:
        """The samples' values, which of them are not read yet (and NaN), and where those begin and end; None for another page."""
        if not body.endswith(b"\n") or len(body) < _WORD:
            return None
        page, ends = _lines(body)
        if len(ends) != len(self._lengths) or not self._is(body, page, ends):
            return None
        first = _starts(ends)[self._samples] + self._lengths[self._samples] + 1
        return _numbers(page, first, ends[self._samples])

    def _is(self, body: bytes, page: Bytes, ends: Ints) -> bool:
        starts = _starts(ends)
        behind = starts + self._lengths
        if (behind[self._samples] >= ends[self._samples]).any() or (behind[self._others] != ends[self._others]).any():
            return False
        if (page[behind[self._samples]] != _BLANK).any():
            return False
        if not np.array_equal(_words(body)[starts[self._line] + self._offset], self._words):
            return False
        return all(body.startswith(text, int(starts[line])) for line, text in self._short)


def _lines(body: bytes) -> tuple[Bytes, Ints]:
    """The bytes, and where each line ends."""
    page = np.frombuffer(body, np.uint8)
    return page, np.flatnonzero(page == 10)


def _starts(ends: Ints) -> Ints:
    return np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])


def _words(body: bytes) -> npt.NDArray[np.uint64]:
    """Eight bytes from every place on, as numbers."""
    return np.ndarray((len(body) - _WORD + 1,), "<u8", body, strides=(1,))


def _numbers(page: Bytes, first: Ints, ends: Ints) -> tuple[Values, Ints, Ints]:
    """The numbers that stand from `first` up to `ends`, and where those stand that a parser must read."""
    width = ends - first
    widest = int(min(_WIDEST, width.max(initial=1)))
    negative = page[first] == _MINUS
    mantissa, digits = np.zeros(len(first), np.int64), np.zeros(len(first), np.int8)
    dots, decimals, strange = np.zeros(len(first), np.int8), np.zeros(len(first), np.int8), width > _WIDEST
    for place in range(widest):
        here = width > place
        char = page[np.minimum(first + place, len(page) - 1)]
        digit = char - np.uint8(_ZERO)
        is_digit, is_dot = (digit < 10) & here, (char == _DOT) & here
        strange |= here & ~is_digit & ~is_dot if place else here & ~is_digit & ~is_dot & ~negative
        mantissa = np.where(is_digit, mantissa * 10 + digit, mantissa)
        digits += is_digit
        decimals += is_digit & (dots > 0)
        dots += is_dot
    strange |= (digits == 0) | (digits > _DIGITS) | (dots > 1)
    values = mantissa / _POWERS[np.minimum(decimals, _DIGITS)]
    np.negative(values, out=values, where=negative)
    values[strange] = np.nan
    left = np.flatnonzero(strange)
    return values, left, np.stack([first[left], ends[left]], axis=1)
