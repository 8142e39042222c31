"""Label sets and what is derived from them; a part derives what the whole would."""

import numpy as np
import pytest

from opsconsole.model import Block, Labels, Series, blocks_of
from opsconsole.promql.labelsets import Known, LabelSets

WHOLE = LabelSets([Labels(__name__="m", job=f"j{n % 3}", n=str(n)) for n in range(12)])
PARTS = [np.array([11, 0, 5, 5]), np.arange(1, 12), np.array([], dtype=np.intp), np.arange(12)]


@pytest.mark.parametrize("index", PARTS, ids=len)
@pytest.mark.parametrize(("names", "by"), [(("job",), True), (("n",), False), ((), True), (("zzz",), True)])
def test_groups_of_a_part_are_those_of_its_label_sets(index: np.ndarray, names: tuple[str, ...], by: bool) -> None:
    part = WHOLE.take(index)
    found, expected = part.grouped(names, by=by), LabelSets(list(part)).grouped(names, by=by)
    assert found.codes.tolist() == expected.codes.tolist()
    assert list(found.labels) == list(expected.labels)


@pytest.mark.parametrize("index", PARTS, ids=len)
def test_a_part_knows_its_names_order_and_doubles(index: np.ndarray) -> None:
    part = WHOLE.take(index)
    assert list(part.nameless()) == [labels.without("__name__") for labels in part]
    assert part.distinct == (len(set(part)) == len(part))
    order = np.argsort(part.ranks(), kind="stable")
    assert [part[at].pairs for at in order.tolist()] == sorted(labels.pairs for labels in part)


def test_groups_of_like_size_hold_every_member_once() -> None:
    sets = LabelSets([Labels(g=str(int(n**0.5)), n=str(n)) for n in range(50)])
    groups = sets.grouped(("g",), by=True)
    seen = {}
    for numbers, members in groups.by_size:
        for number, column in zip(numbers.tolist(), members.T, strict=True):
            seen[number] = [row for row in column.tolist() if row >= 0]
    assert seen == {number: np.flatnonzero(groups.codes == number).tolist() for number in range(len(groups))}


def test_the_same_label_sets_are_known_again_and_forgotten_when_there_are_too_many() -> None:
    known = Known(most=20)
    first, second = [list(WHOLE)[:8], list(WHOLE)[8:]], [list(WHOLE)]
    found = known.of(first)
    assert list(found) == list(WHOLE)
    assert known.of(second) is found
    assert known.of([list(WHOLE)[::-1]]) is not found
    assert known.of(second) is not found


def test_as_many_label_sets_are_known_as_there_are_series_in_a_few_selections() -> None:
    known = Known(most=20, series=lambda: 10 * len(WHOLE))
    lists = [list(WHOLE)[:cut] for cut in range(len(WHOLE))]
    found = [known.of([some]) for some in lists]
    assert all(known.of([some]) is again for some, again in zip(lists, found, strict=True))


def test_series_with_the_same_times_stand_in_one_block() -> None:
    def series(n: int, *times: int) -> Series:
        return Series(Labels(n=str(n)), np.array(times, dtype=np.int64), np.full(len(times), float(n)))

    blocks: list[Block] = blocks_of([series(1, 1, 2, 3), series(2, 1, 3), series(3), series(4, 1, 2, 3), series(5, 1, 5, 3)])
    assert [[labels["n"] for labels in block.labels] for block in blocks] == [["1", "4"], ["2"], ["5"]]
    assert [block.values.shape for block in blocks] == [(2, 3), (1, 2), (1, 3)]
