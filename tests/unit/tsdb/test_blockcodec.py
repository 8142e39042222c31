"""A block gives back every series, every time and every bit."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsconsole.model import STALE_NAN_BITS
from opsconsole.tsdb.blockcodec import decode_block, encode_block
from opsconsole.tsdb.codec import CorruptError
from opsconsole.tsdb.pieces import Piece

bits = st.one_of(
    st.sampled_from([0, 1 << 63, STALE_NAN_BITS, 0x7FF8000000000001, 0x7FF << 52, 0x3FF << 52]), st.integers(0, 2**64 - 1)
)


@st.composite
def pieces(draw: st.DrawFn) -> Piece:
    ids = sorted(draw(st.sets(st.integers(1, 2**62), min_size=1, max_size=5)))
    times = sorted(draw(st.sets(st.integers(-(2**42), 2**42), min_size=1, max_size=8)))
    kind = draw(st.sampled_from([bits, st.just(5), st.integers(0, 3).map(lambda n: int(np.float64(n).view(np.uint64)))]))
    rows = [[draw(kind) for _ in times] for _ in ids]
    return Piece(np.array(ids), np.array(times), np.array(rows, np.uint64).view(np.float64))


@given(st.lists(pieces(), min_size=1, max_size=5))
def test_a_block_keeps_every_bit(written: list[Piece]) -> None:
    back = decode_block(encode_block(written))
    assert len(back) == len(written)
    for one, other in zip(back, written, strict=True):
        assert one.ids.tolist() == other.ids.tolist()
        assert one.times.tolist() == other.times.tolist()
        assert one.values.view(np.uint64).tolist() == other.values.view(np.uint64).tolist()


def test_a_scrape_of_counters_and_flags_takes_less_than_half_a_byte_a_sample() -> None:
    rng = np.random.default_rng(7)
    values = np.cumsum(rng.integers(0, 5, (64, 480)), axis=1).astype(np.float64)
    values[::2] = 1.0
    block = encode_block([Piece(np.arange(64), 1_772_366_400_000 + np.arange(480) * 15_000, values)])
    assert len(block) < values.size / 2


@given(st.binary(max_size=200))
def test_bytes_that_are_no_block_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptError):
        decode_block(data)


def test_a_block_of_a_later_format_is_refused_by_its_number() -> None:
    block = encode_block([Piece(np.array([1]), np.array([1]), np.array([[1.0]]))])
    with pytest.raises(CorruptError, match="format 9 is not known"):
        decode_block(b"\x09" + block[1:])


@given(st.integers(0, 2**20))
def test_a_single_flipped_bit_is_noticed_wherever_it_is(place: int) -> None:
    data = bytearray(encode_block([Piece(np.arange(3), np.arange(50), np.arange(150.0).reshape(3, 50) * 0.1)]))
    data[place // 8 % len(data)] ^= 1 << place % 8
    with pytest.raises(CorruptError):
        decode_block(bytes(data))


def test_a_block_of_the_format_without_a_checksum_is_read() -> None:
    block = encode_block([Piece(np.array([1]), np.array([1, 2]), np.array([[1.5, 2.5]]))])
    [piece] = decode_block(b"\x02" + block[5:])
    assert (piece.ids.tolist(), piece.times.tolist(), piece.values.tolist()) == ([1], [1, 2], [[1.5, 2.5]])


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_block_never_ends_the_process(place: int, byte: int) -> None:
    times = np.arange(50)
    data = bytearray(encode_block([Piece(np.arange(3), times, np.array([times, times * 0.1, times * 0 + 4.0]))]))
    data[place % len(data)] = byte
    with contextlib.suppress(CorruptError):
        decode_block(bytes(data))
