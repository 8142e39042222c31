"""Every bit that goes in comes out."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsconsole.model import STALE_NAN_BITS
from opsconsole.tsdb.codec import Batch, CorruptError, decode, pack, unpack
from tests.support.chunks import encode

bits = st.one_of(st.sampled_from([0, 1 << 63, STALE_NAN_BITS, 0x7FF8000000000001, 0x7FF << 52]), st.integers(0, 2**64 - 1))
moments = st.integers(-(2**62), 2**62)


def floats(patterns: list[int]) -> np.ndarray:
    return np.array(patterns, np.uint64).view(np.float64)


@given(st.lists(st.tuples(moments, bits), max_size=300))
def test_a_chunk_keeps_every_bit(samples: list[tuple[int, int]]) -> None:
    times = np.array([at for at, _ in samples], np.int64)
    patterns = [value for _, value in samples]
    back_times, back_values = decode(encode(times, floats(patterns)))
    assert back_times.tolist() == times.tolist()
    assert back_values.view(np.uint64).tolist() == patterns


@given(st.lists(st.tuples(st.integers(1, 2**62), moments, bits), max_size=300))
def test_a_flush_keeps_every_bit(samples: list[tuple[int, int, int]]) -> None:
    ids, times, patterns = ([sample[i] for sample in samples] for i in range(3))
    back = unpack(pack(Batch(np.array(ids, np.int64), np.array(times, np.int64), floats(patterns))))
    assert (back.ids.tolist(), back.times.tolist()) == (ids, times)
    assert back.values.view(np.uint64).tolist() == patterns


@given(st.binary(max_size=200))
def test_bytes_that_are_no_chunk_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptError):
        decode(data)
    with pytest.raises(CorruptError):
        unpack(data)


@given(st.integers(0, 2**20))
def test_a_single_flipped_bit_of_a_flush_is_noticed_wherever_it_is(place: int) -> None:
    data = bytearray(pack(Batch(np.arange(9), np.full(9, 5), np.arange(9) * 0.1)))
    data[place // 8 % len(data)] ^= 1 << place % 8
    with pytest.raises(CorruptError):
        unpack(bytes(data))


def test_a_flush_of_the_format_without_a_checksum_is_read() -> None:
    back = unpack(pack(Batch(np.array([1]), np.array([2]), np.array([3.5])))[5:])
    assert [column.tolist() for column in back] == [[1], [2], [3.5]]


def test_a_chunk_of_a_later_format_is_refused_by_its_number() -> None:
    with pytest.raises(CorruptError, match="format 9 is not known"):
        decode(b"\x09" + encode(np.array([1]), np.array([1.0]))[1:])


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_chunk_never_ends_the_process(place: int, byte: int) -> None:
    data = bytearray(encode(np.arange(50), np.arange(50.0)))
    data[place % len(data)] = byte
    with contextlib.suppress(CorruptError):
        decode(bytes(data))
