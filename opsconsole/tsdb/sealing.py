"""From what memory closed, or from small blocks, to blocks as the database keeps them. Pure, and fit for a thread."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from opsconsole.db.series import WHOLE
from opsconsole.tsdb.assembly import Assembly
from opsconsole.tsdb.blockcodec import encode_block
from opsconsole.tsdb.bundles import SIZE
from opsconsole.tsdb.pieces import Ints, Piece, Run, whole
from opsconsole.tsdb.recent import Closed
from opsconsole.tsdb.sealed import Block

_DEEP, _DEEPEST = 480, 1920
"""Samples a series in a whole block: of a full bundle, and of one of few series."""
_FULL = SIZE * _DEEP
_MOST = 2 * _FULL
"""Samples of a block at which it is cut in two."""
_EVER = np.iinfo(np.int64).max


def blocks_of_closed(closed: Sequence[Closed], ids: Ints, bundles: Ints, recent_ms: int) -> dict[int, list[Block]]:
    """Blocks by bundle; `ids` and `bundles` by row. What is older than `recent_ms` goes into blocks of its own, so that
    one late sample does not make a block of today one of years."""
    made: dict[int, list[Block]] = {}
    for one in closed:
        runs: defaultdict[int, list[Run]] = defaultdict(list)
        for late in one.runs:
            for row, run in late.by_row():
                runs[row].append(run)
        rows = np.unique(np.concatenate([np.fromiter(runs, np.int64, len(runs)), *(slab.rows for slab in one.slabs)]))
        for bundle in np.unique(bundles[rows]).tolist():
            pieces = _joined(one, runs, rows[bundles[rows] == bundle], ids)
            parts = [_within(pieces, -_EVER, recent_ms - 1), _within(pieces, recent_ms, _EVER)]
            made[bundle] = [block for part in parts for block in _blocks(part)]
    return made


def _joined(closed: Closed, runs: Mapping[int, Sequence[Run]], rows: Ints, ids: Ints) -> list[Piece]:
    together = Assembly(np.sort(ids[rows]))
    for slab in closed.slabs:
        hit, times, values = slab.take(rows, -_EVER, _EVER)
        for piece in whole(ids[rows[hit]], times, values):
            together.add(piece)
    for row in rows.tolist():
        for run in runs.get(row, ()):
            together.add_run(int(ids[row]), run)
    return together.pieces()


def merged_blocks(small: Sequence[Sequence[Piece]], oldest_ms: int) -> list[Block]:
    """The samples of several blocks of one bundle, sealed in this order, as whole ones; what is too old is left out."""
    pieces = [piece.within(oldest_ms, _EVER) for block in small for piece in block]
    ids = np.unique(np.concatenate([piece.ids for piece in pieces])) if pieces else np.empty(0, np.int64)
    together = Assembly(ids)
    for piece in pieces:
        together.add(piece)
    return list(_blocks(together.pieces()))


def _blocks(pieces: Sequence[Piece]) -> Iterator[Block]:
    """The pieces as blocks, cut by time where they are too many samples for one."""
    for part in _cut(pieces, max(1, math.ceil(sum(piece.values.size for piece in pieces) / _MOST))):
        if part:
            part = [Piece(p.ids[o], p.times, p.values[o]) for p in part for o in [np.argsort(p.ids)]]
            samples, series = sum(piece.values.size for piece in part), sum(len(piece.ids) for piece in part)
            start, end = min(int(piece.times[0]) for piece in part), max(int(piece.times[-1]) for piece in part)
            yield Block(start, end, samples, fullness(samples, series), encode_block(part))


def fullness(samples: int, series: int) -> int:
    """In percent; what compaction cuts in two is whole all the same."""
    return min(WHOLE, math.ceil(WHOLE * max(samples / _FULL, samples / series / _DEEPEST)))


def _cut(pieces: Sequence[Piece], parts: int) -> Iterator[list[Piece]]:
    if parts == 1:
        yield list(pieces)
        return
    times = np.concatenate([piece.times for piece in pieces])
    weights = np.concatenate([np.full(len(piece.times), len(piece.ids)) for piece in pieces])
    order = np.argsort(times)
    so_far = np.cumsum(weights[order])
    cuts = times[order][np.searchsorted(so_far, so_far[-1] * np.arange(1, parts) / parts)]
    edges = [-_EVER, *np.unique(cuts).tolist(), _EVER]
    for start, end in pairwise(edges):
        yield _within(pieces, start, end - 1)


def _within(pieces: Sequence[Piece], start_ms: int, end_ms: int) -> list[Piece]:
    return [part for piece in pieces if len((part := piece.within(start_ms, end_ms)).times)]
