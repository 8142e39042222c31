"""Samples of many series from many places, put together: series that share all their times stay together in matrices."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from opsconsole.model import Millis, Values
from opsconsole.tsdb.pieces import Ints, Piece, Run, first_at_each, merged

_WIDE = 1 << 20
"""Values up to which pieces with equal times are copied together; beyond, the copy costs more than it saves."""


class Assembly:
    """Takes pieces in order of precedence: of two samples of a series at one time the first stays.

    Each series follows a path through the pieces that have it. Series with the same path share their times throughout, so
    that one numpy call joins them all.
    """

    def __init__(self, ids: Ints) -> None:
        """`ids` of the series that are wanted, ascending; all else is passed over."""
        self._ids = ids
        self._node: Ints = np.zeros(len(ids), np.int64)  # the end of each series' path
        self._steps: list[tuple[int, int]] = [(-1, -1)]  # node → the node before, the piece
        self._pieces: list[tuple[Ints, Millis, Values]] = []
        self._alone: dict[int, list[tuple[int, Run]]] = {}  # runs of one series, with the number of pieces before

    def add(self, piece: Piece) -> int:
        """How many of the piece's samples are wanted."""
        if not len(piece.times) or not len(self._ids):
            return 0
        at, values = np.searchsorted(self._ids, piece.ids), piece.values
        at[at == len(self._ids)] = 0
        hit = self._ids[at] == piece.ids
        if not hit.all():
            at, values = at[hit], values[hit]
        if len(at) == 1:
            self._add_run(int(at[0]), Run(piece.times, values[0]))
        elif len(at):
            if not (at[1:] > at[:-1]).all():
                order = np.argsort(at)
                at, values = at[order], values[order]
            self._follow(at)
            self._pieces.append((at, piece.times, values))
        return len(at) * len(piece.times)

    def add_run(self, series_id: int, run: Run) -> None:
        at = int(np.searchsorted(self._ids, series_id))
        if len(run.times) and at < len(self._ids) and self._ids[at] == series_id:
            self._add_run(at, run)

    def _add_run(self, at: int, run: Run) -> None:
        self._alone.setdefault(at, []).append((len(self._pieces), run))

    def _follow(self, at: Ints) -> None:
        """Every path that comes to the next piece goes one step on."""
        before = self._node[at]
        if (before == before[0]).all():
            self._node[at] = self._step(int(before[0]))
            return
        nodes, which = np.unique(before, return_inverse=True)
        self._node[at] = np.array([self._step(node) for node in nodes.tolist()], np.int64)[which]

    def _step(self, node: int) -> int:
        self._steps.append((node, len(self._pieces)))
        return len(self._steps) - 1

    def _path(self, node: int) -> list[int]:
        """Numbers of the pieces on the way to the node, in order."""
        path = []
        while node:
            node, piece = self._steps[node]
            path.append(piece)
        return path[::-1]

    def pieces(self, check: Callable[[], None] = lambda: None) -> list[Piece]:
        """Every wanted series that has samples, in exactly one piece. `check` is called between pieces and may raise."""
        alone = {at: self._merged(at, runs) for at, runs in self._alone.items()}
        self._node[list(alone)] = 0
        found = []
        order = np.argsort(self._node, kind="stable")
        for members in np.split(order, np.flatnonzero(np.diff(self._node[order])) + 1):
            if len(members) and (node := int(self._node[members[0]])):
                check()
                found.append(self._joined(members, self._path(node)))
        found += [Piece(self._ids[[at]], run.times, run.values[None, :]) for at, run in sorted(alone.items())]
        return united(found)

    def _merged(self, at: int, runs: list[tuple[int, Run]]) -> Run:
        for number in self._path(int(self._node[at])):
            members, times, values = self._pieces[number]
            runs.append((number, Run(times, values[int(np.searchsorted(members, at))])))
        return merged([run for _, run in sorted(runs, key=lambda one: one[0])])

    def _joined(self, members: Ints, path: list[int]) -> Piece:
        parts = [self._of(members, number) for number in path]
        ids = self._ids[members]
        if len(parts) == 1:
            return Piece(ids, *parts[0])
        inorder = sorted(parts, key=lambda part: int(part[0][0]))
        if all(one[0][-1] < two[0][0] for one, two in pairwise(inorder)):
            return Piece(ids, np.concatenate([times for times, _ in inorder]), np.concatenate([v for _, v in inorder], axis=1))
        times = np.concatenate([times for times, _ in parts])
        order = first_at_each(times)
        return Piece(ids, times[order], np.concatenate([values for _, values in parts], axis=1)[:, order])

    def _of(self, members: Ints, number: int) -> tuple[Millis, Values]:
        all_members, times, values = self._pieces[number]
        return times, values if len(members) == len(all_members) else values[np.searchsorted(all_members, members)]


def united(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces with equal times as one, as far as that is cheap."""
    alike: dict[tuple[int, bytes], list[Piece]] = {}
    for piece in pieces:
        alike.setdefault((len(piece.times), piece.times.tobytes()), []).append(piece)
    found = []
    for same in alike.values():
        if len(same) == 1 or sum(piece.values.size for piece in same) > _WIDE:
            found += same
            continue
        ids = np.concatenate([piece.ids for piece in same])
        order = np.argsort(ids)
        found.append(Piece(ids[order], same[0].times, np.concatenate([piece.values for piece in same])[order]))
    return found
