"""Sealed blocks in memory."""

import numpy as np

from opsconsole.tsdb.blockcodec import encode_block
from opsconsole.tsdb.damage import Damage
from opsconsole.tsdb.pieces import Piece
from opsconsole.tsdb.sealed import Block, Decoded, Sealed


def block(first: int, samples: int = 10) -> Block:
    """Of one series; `first` is both its first time and its values' base."""
    times = np.arange(first, first + samples)
    data = encode_block([Piece(np.array([1]), times, times[None, :] / 7)])
    return Block(first, first + samples - 1, samples, 1, data)


def test_a_block_read_again_from_the_database_is_decoded_once() -> None:
    decoded = Decoded(Damage())
    one = block(100)
    pieces = decoded.get(one)
    again = one._replace(data=bytes(bytearray(one.data)))
    assert again.data is not one.data
    assert decoded.get(again) is pieces
    assert decoded.get(block(200))[0].times[0] == 200


def test_of_decoded_blocks_those_not_asked_for_go_first() -> None:
    decoded = Decoded(Damage(), most=20)
    old, used, new = block(100), block(200), block(300)
    kept = decoded.get(old), decoded.get(used)
    assert decoded.get(old) is kept[0]
    decoded.get(new)
    assert decoded.get(old) is kept[0]
    assert decoded.get(used) is not kept[1]


def test_a_bundles_newest_is_its_latest_end_in_whatever_order_blocks_were_sealed() -> None:
    sealed = Sealed(Damage())
    sealed.hold({1: [block(500)], 2: [block(100)], 3: []})
    sealed.hold({1: [block(100)]})
    assert (sealed.newest(1), sealed.newest(2), sealed.newest(3)) == (509, 109, None)
    sealed.release(200)
    assert (sealed.newest(1), sealed.newest(2)) == (509, None)
