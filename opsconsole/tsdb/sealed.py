"""Sealed blocks that memory keeps for queries, and those decoded lately."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from opsconsole.model import Millis, Values
from opsconsole.tsdb.blockcodec import decode_block
from opsconsole.tsdb.codec import CorruptError
from opsconsole.tsdb.damage import Damage
from opsconsole.tsdb.panel import find
from opsconsole.tsdb.pieces import Ints, Mask, Piece

_MOST_DECODED = 4_000_000
"""Samples kept decoded: 32 MB."""


class Block(NamedTuple):
    """A bundle's samples between two times, encoded; it is in the database too. `fullness`: in percent of a whole block."""

    start_ms: int
    end_ms: int
    samples: int
    fullness: int
    data: bytes


class Decoded:
    """Blocks as pieces, the most recently used ones kept, whether memory or the database had them: equal bytes are one block.
    Threads may share it."""

    def __init__(self, damage: Damage, most: int = _MOST_DECODED) -> None:
        self._damage, self._most, self._held = damage, most, 0
        self._pieces: OrderedDict[bytes, tuple[int, list[Piece]]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, block: Block) -> list[Piece]:
        with self._lock:
            if (known := self._pieces.get(block.data)) is not None:
                self._pieces.move_to_end(block.data)
                return known[1]
        pieces = decoded(block, self._damage)
        with self._lock:
            if block.data not in self._pieces:
                self._pieces[block.data] = block.samples, pieces
                self._held += block.samples
            while self._held > self._most:
                _, (samples, _) = self._pieces.popitem(last=False)
                self._held -= samples
        return pieces


def decoded(block: Block, damage: Damage) -> list[Piece]:
    """The block's samples; none where its bytes are damaged, which is noted: one block must not blind every rule."""
    try:
        return decode_block(block.data)
    except CorruptError as error:
        damage.note("block", block.start_ms, block.end_ms, error)
        return []


def compare(pieces: Sequence[Piece], ids: Ints, times: Millis, values: Values) -> tuple[Mask, Mask]:
    """Which of these samples stand at times that the pieces have one of their series at, and where of the same value."""
    found, same = np.zeros(len(ids), np.bool_), np.zeros(len(ids), np.bool_)
    wanted = set(ids.tolist())
    for piece in pieces:
        if wanted.isdisjoint(piece.ids.tolist()):
            continue
        place = np.minimum(np.searchsorted(piece.ids, ids), len(piece.ids) - 1)
        hit, equal = find(piece.ids[place] == ids, place, piece.times, piece.values, times, values)
        found |= hit
        same |= equal
    return found, same


class Sealed:
    """By bundle, in the order in which they were sealed."""

    def __init__(self, damage: Damage) -> None:
        self._blocks: dict[int, list[Block]] = {}
        self._newest: dict[int, int] = {}
        self.decoded = Decoded(damage)

    def hold(self, blocks: Mapping[int, Sequence[Block]]) -> None:
        for bundle, more in blocks.items():
            if more:
                self._blocks.setdefault(bundle, []).extend(more)
                self._newest[bundle] = max(block.end_ms for block in self._blocks[bundle])

    def release(self, before_ms: int) -> None:
        """Let go of what ended before then."""
        for bundle, blocks in list(self._blocks.items()):
            if kept := [block for block in blocks if block.end_ms >= before_ms]:
                self._blocks[bundle] = kept
            else:
                del self._blocks[bundle], self._newest[bundle]

    def newest(self, bundle: int) -> int | None:
        """When the bundle's latest block ends."""
        return self._newest.get(bundle)

    def overlapping(self, bundles: Iterable[int], start_ms: int, end_ms: int) -> list[Block]:
        if not self._blocks:
            return []
        found = (block for bundle in bundles for block in self._blocks.get(bundle, ()))
        return [block for block in found if block.start_ms <= end_ms and block.end_ms >= start_ms]
