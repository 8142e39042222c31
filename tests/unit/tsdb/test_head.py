"""What memory takes in and gives back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from opsconsole.model import Labels
from opsconsole.tsdb.codec import Batch
from opsconsole.tsdb.head import Head, Outcome
from opsconsole.tsdb.rows import WIDTH
from opsconsole.tsdb.window import assemble, merged, split

FOREVER = 2**62


def head(series: int = 3) -> Head:
    made = Head()
    for i in range(1, series + 1):
        made.add(i, Labels(__name__="m", i=str(i)), 0)
    return made


def put(to: Head, *samples: tuple[int, int, float]) -> Outcome:
    ids, times, values = ([sample[i] for sample in samples] for i in range(3))
    return to.append(Batch(np.array(ids, np.int64), np.array(times, np.int64), np.array(values, np.float64)), 0)


def everything(of: Head, start: int = -FOREVER, end: int = FOREVER) -> dict[str, list[tuple[int, float]]]:
    series = assemble(of.snapshot(of.match([]), start, end), {}, start, end, -FOREVER)
    return {one.labels["i"]: list(zip(one.timestamps.tolist(), one.values.tolist(), strict=True)) for one in series}


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


def test_sealed_chunks_still_refuse_another_value() -> None:
    memory = head()
    put(memory, *[(1, at, float(at)) for at in range(10)])
    runs = memory.close([1], 30)
    memory.seal(runs, {1: split(merged(runs[1]))})
    assert put(memory, (1, 4, 4.0), (1, 5, 0.0)).conflicts == 1
    assert everything(memory)["1"] == [(at, float(at)) for at in range(10)]


def test_samples_that_come_while_a_bucket_is_sealed_stay() -> None:
    memory = head()
    put(memory, (1, 10, 1.0))
    runs = memory.close([1], 30)
    put(memory, (1, 20, 2.0))
    memory.seal(runs, {1: split(merged(runs[1]))})
    memory.release(15)
    assert everything(memory) == {"1": [(20, 2.0)]}


def test_a_dropped_series_frees_its_row_for_the_next_one() -> None:
    memory = head(2)
    put(memory, (2, 10, 1.0))
    memory.drop([1])
    memory.add(7, Labels(__name__="m", i="7"), 0)
    put(memory, (7, 11, 7.0), (2, 11, 2.0))
    assert put(memory, (1, 11, 1.0)).unknown.tolist() == [True]
    assert everything(memory) == {"2": [(10, 1.0), (11, 2.0)], "7": [(11, 7.0)]}


def test_a_series_with_unsealed_samples_is_not_idle() -> None:
    memory = head(2)
    put(memory, (2, 10, 1.0))
    assert list(memory.idle(1)) == [1]


batches = st.lists(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 60), st.sampled_from([0.0, 1.0, float("nan")])), max_size=40),
    max_size=12,
)


@given(batches, st.integers(0, 60), st.integers(0, 60))
def test_any_order_gives_what_a_dictionary_would(sent: list[list[tuple[int, int, float]]], a: int, b: int) -> None:
    memory, expected, conflicts = head(3), {}, 0
    for number, batch in enumerate(sent):
        conflicts += put(memory, *batch).conflicts
        for series, at, value in batch:
            if series <= 3:
                expected.setdefault((series, at), value)
        if number % 3 == 2:
            runs = memory.close(range(30), 30)
            memory.seal(runs, {i: split(merged(parts)) for i, parts in runs.items()})
    found = {(int(i), at): value for i, samples in everything(memory, a, b).items() for at, value in samples}
    wanted = {key: value for key, value in expected.items() if a <= key[1] <= b}
    assert sorted(found) == sorted(wanted)
    assert all(repr(found[key]) == repr(wanted[key]) for key in wanted)
    differing = sum(repr(value) != repr(expected[i, at]) for batch in sent for i, at, value in batch if i <= 3)
    assert conflicts == differing
