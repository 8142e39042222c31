"""What memory takes in and gives back."""

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from opsconsole.model import Labels
from opsconsole.tsdb.assembly import Assembly
from opsconsole.tsdb.codec import Batch
from opsconsole.tsdb.head import Head, Outcome
from opsconsole.tsdb.panel import WIDTH
from opsconsole.tsdb.pieces import HOLE, HOLE_BITS
from opsconsole.tsdb.sealing import blocks_of_closed

FOREVER = 2**62


def head(series: int = 3) -> Head:
    made = Head()
    ids = range(1, series + 1)
    made.add(ids, [Labels(__name__="m", i=str(i)) for i in ids], [1] * series, 0)
    return made


def put(to: Head, *samples: tuple[int, int, float]) -> Outcome:
    ids, times, values = ([sample[i] for sample in samples] for i in range(3))
    return to.append(Batch(np.array(ids, np.int64), np.array(times, np.int64), np.array(values, np.float64)), 0)


def everything(of: Head, start: int = -FOREVER, end: int = FOREVER) -> dict[str, list[tuple[int, float]]]:
    rows = of.match([])
    held = of.snapshot(rows, start, end)
    together = Assembly(np.sort(held.ids))
    for piece in [piece for block in held.blocks for piece in of.sealed.decoded.get(block)] + held.pieces:
        together.add(piece.within(start, end))
    for series_id, run in held.runs:
        together.add_run(series_id, run)
    names = dict(zip(held.ids.tolist(), [labels["i"] for labels in of.labels_of(rows.tolist())], strict=True))
    return {
        names[series_id]: list(zip(piece.times.tolist(), values.tolist(), strict=True))
        for piece in together.pieces()
        for series_id, values in zip(piece.ids.tolist(), piece.values, strict=True)
    }


def close(of: Head) -> Callable[[], None]:
    """Begins to seal everything; the answer ends it."""
    closed, ids, bundles = of.close(range(30))
    made = blocks_of_closed(closed, ids, bundles, 0)
    return lambda: of.seal(closed, made, 1)


def test_samples_come_back_in_order_of_time() -> None:
    memory = head()
    put(memory, (1, 10, 1.0), (2, 10, 5.0))
    put(memory, (1, 30, 3.0), (1, 20, 2.0))
    assert everything(memory) == {"1": [(10, 1.0), (20, 2.0), (30, 3.0)], "2": [(10, 5.0)]}


def test_a_window_includes_both_of_its_ends() -> None:
    memory = head()
    put(memory, *[(1, at, float(at)) for at in (10, 20, 30, 40)])
    assert everything(memory, 20, 30) == {"1": [(20, 20.0), (30, 30.0)]}


def test_an_exact_duplicate_is_silent_and_a_different_value_is_a_conflict() -> None:
    memory = head()
    put(memory, (1, 10, 1.0))
    again, other = put(memory, (1, 10, 1.0)), put(memory, (1, 10, 2.0))
    assert (again.accepted.tolist(), again.conflicts) == ([False], 0)
    assert (other.accepted.tolist(), other.conflicts) == ([False], 1)
    assert everything(memory) == {"1": [(10, 1.0)]}


def test_the_first_value_of_one_batch_wins() -> None:
    memory = head()
    done = put(memory, (1, 10, 1.0), (1, 10, 2.0), (1, 20, 3.0))
    assert (done.accepted.tolist(), done.conflicts) == ([True, False, True], 1)
    assert everything(memory) == {"1": [(10, 1.0), (20, 3.0)]}


def test_a_sample_of_nobody_is_said_to_be_unknown() -> None:
    done = put(head(), (1, 10, 1.0), (99, 10, 1.0))
    assert (done.accepted.tolist(), done.unknown.tolist()) == ([True, False], [False, True])


def test_a_full_row_goes_on() -> None:
    memory = head()
    for at in range(3 * WIDTH + 5):
        put(memory, (1, at, float(at)), (2, at, 0.0))
    assert [at for at, _ in everything(memory)["1"]] == list(range(3 * WIDTH + 5))
    assert put(memory, (1, 7, 7.0)).conflicts == 0
    assert put(memory, (1, 7, 8.0)).conflicts == 1


def test_sealed_blocks_still_refuse_another_value() -> None:
    memory = head()
    put(memory, *[(1, at, float(at)) for at in range(10)])
    close(memory)()
    assert put(memory, (1, 4, 4.0), (1, 5, 0.0)).conflicts == 1
    assert everything(memory)["1"] == [(at, float(at)) for at in range(10)]


def test_samples_that_come_while_a_bucket_is_sealed_stay() -> None:
    memory = head()
    put(memory, (1, 10, 1.0))
    done = close(memory)
    put(memory, (1, 20, 2.0))
    done()
    memory.sealed.release(15)
    assert everything(memory) == {"1": [(20, 2.0)]}


def test_what_is_being_sealed_is_neither_missed_nor_taken_twice() -> None:
    memory = head(8)
    for at in range(20):
        put(memory, *[(i, at, float(at)) for i in range(1, 9)])
    done = close(memory)
    assert put(memory, (1, 4, 4.0), (2, 4, 5.0)).conflicts == 1
    assert everything(memory) == {str(i): [(at, float(at)) for at in range(20)] for i in range(1, 9)}
    done()
    assert everything(memory) == {str(i): [(at, float(at)) for at in range(20)] for i in range(1, 9)}


def test_a_dropped_series_frees_its_row_for_the_next_one() -> None:
    memory = head(2)
    put(memory, (2, 10, 1.0))
    memory.drop([1])
    memory.add([7], [Labels(__name__="m", i="7")], [1], 0)
    put(memory, (7, 11, 7.0), (2, 11, 2.0))
    assert put(memory, (1, 11, 1.0)).unknown.tolist() == [True]
    assert everything(memory) == {"2": [(10, 1.0), (11, 2.0)], "7": [(11, 7.0)]}


def test_only_a_series_with_nothing_unsealed_is_idle() -> None:
    memory = head(2)
    put(memory, (2, 10, 1.0))
    close(memory)()
    memory.append(Batch(np.array([2]), np.array([20]), np.array([1.0])), 5)
    assert list(memory.idle(9)) == [1]


def test_a_series_that_is_missing_from_a_scrape_has_no_sample_then() -> None:
    memory = head(6)
    for at in range(10):
        put(memory, *[(i, at, float(i)) for i in range(1, 7) if (i + at) % 5])
    expected = {str(i): [(at, float(i)) for at in range(10) if (i + at) % 5] for i in range(1, 7)}
    assert everything(memory) == expected
    close(memory)()
    assert everything(memory) == expected


def test_the_number_that_marks_a_hole_may_be_a_sample() -> None:
    memory = head(6)
    put(memory, *[(i, 10, HOLE) for i in range(1, 7)])
    put(memory, *[(i, 20, 1.0) for i in range(1, 7)])
    close(memory)()
    found = everything(memory)["3"]
    assert [at for at, _ in found] == [10, 20]
    assert np.array([found[0][1]]).view(np.uint64).tolist() == [HOLE_BITS]


def test_series_that_turn_out_to_keep_their_own_time_are_kept_all_the_same() -> None:
    memory, expected = head(40), {str(i): [] for i in range(1, 41)}
    for at in range(3 * WIDTH):
        now = [i for i in range(1, 41) if at == 0 or (i * 7 + at) % 11 == 0]
        put(memory, *[(i, at, float(at)) for i in now])
        for i in now:
            expected[str(i)].append((at, float(at)))
    assert everything(memory) == expected
    close(memory)()
    assert everything(memory) == expected


values = st.sampled_from([0.0, 1.0, float("nan")])
scattered = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 60), values), max_size=40)
scrape = st.tuples(st.integers(0, 60), st.lists(st.tuples(st.integers(1, 9), values), max_size=20)).map(
    lambda one: [(series, one[0], value) for series, value in one[1]]
)
batches = st.lists(st.one_of(scattered, scrape, scrape), max_size=20)


@given(batches, st.integers(0, 60), st.integers(0, 60))
def test_any_order_gives_what_a_dictionary_would(sent: list[list[tuple[int, int, float]]], a: int, b: int) -> None:
    memory, expected, conflicts = head(8), {}, 0
    for number, batch in enumerate(sent):
        conflicts += put(memory, *batch).conflicts
        for series, at, value in batch:
            if series <= 8:
                expected.setdefault((series, at), value)
        if number % 3 == 2:
            close(memory)()
    found = {(int(i), at): value for i, samples in everything(memory, a, b).items() for at, value in samples}
    wanted = {key: value for key, value in expected.items() if a <= key[1] <= b}
    assert sorted(found) == sorted(wanted)
    assert all(repr(found[key]) == repr(wanted[key]) for key in wanted)
    differing = sum(repr(value) != repr(expected[i, at]) for batch in sent for i, at, value in batch if i <= 8)
    assert conflicts == differing
