"""What becomes of samples before they are written down."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from opsconsole.cluster.arrivals import MOST, Arrivals, Batch
from opsconsole.cluster.registry import NEVER, Registry
from opsconsole.model import Appended, Labels
from tests.support.cluster import written

Given = tuple[int, int, float]


class Taking:
    """Three series, named by number, and what was made of them."""

    def __init__(self, room: int = 1000, limit: int = 10) -> None:
        self.registry = Registry(limit)
        self.arrivals = Arrivals(self.registry, room)
        for name in "abc":
            self.registry.number(name, Labels())

    def add(self, *samples: Given) -> Appended:
        numbers, times, values = (np.array([sample[i] for sample in samples]) for i in range(3))
        return self.arrivals.add(Batch(numbers.astype(np.int64), times.astype(np.int64), values.astype(np.float64)), 0)

    def sent(self) -> list[list[tuple[str, int, float]]]:
        """The samples of each request."""
        requests = self.arrivals.requests(self.arrivals.take())
        read = [written(request.data) for request in requests]
        assert [request.samples for request in requests] == [len(one) for one in read]
        return [[(labels["__name__"], at, value) for labels, [(at, value)] in one] for one in read]


def test_samples_go_in_order_of_time_whatever_order_they_came_in() -> None:
    taking = Taking()
    assert taking.add((1, 30, 3.0), (2, 10, 5.0), (1, 20, 2.0)) == Appended(3)
    assert taking.sent() == [[("b", 10, 5.0), ("a", 20, 2.0), ("a", 30, 3.0)]]


def test_what_is_late_has_a_request_of_its_own_behind_the_others() -> None:
    taking = Taking()
    taking.add((1, 30, 3.0))
    taking.sent()
    assert taking.add((1, 20, 2.0), (1, 40, 4.0), (2, 20, 1.0)).accepted == 3
    assert taking.sent() == [[("b", 20, 1.0), ("a", 40, 4.0)], [("a", 20, 2.0)]]


def test_the_same_again_is_silent_and_another_value_is_a_conflict() -> None:
    taking = Taking()
    assert taking.add((1, 10, 1.0), (1, 10, 1.0), (1, 10, 2.0)) == Appended(1, 1, 1)
    assert taking.add((1, 10, 1.0), (2, 10, 9.0)) == Appended(1, 1, 0)
    assert taking.add((1, 10, 7.0)) == Appended(0, 0, 1)
    assert taking.sent() == [[("a", 10, 1.0), ("b", 10, 9.0)]]


def test_nan_is_the_same_as_itself() -> None:
    taking = Taking()
    assert taking.add((1, 10, float("nan")), (1, 10, float("nan"))) == Appended(1, 1, 0)


def test_what_has_no_room_and_what_is_of_no_series_is_refused() -> None:
    taking = Taking(room=2)
    assert taking.add((0, 10, 1.0), (1, 10, 1.0), (2, 10, 1.0), (3, 10, 1.0)) == Appended(2, series_limit=1, backlog=1)
    assert taking.add((1, 20, 1.0)) == Appended(backlog=1)
    taking.sent()
    assert taking.add((1, 20, 1.0)) == Appended(1)


def test_what_was_given_back_goes_before_what_came_since() -> None:
    taking = Taking()
    taking.add((1, 10, 1.0))
    taken = taking.arrivals.take()
    taking.add((1, 20, 2.0))
    taking.arrivals.give_back(taken)
    assert taking.arrivals.count == 2
    assert taking.sent() == [[("a", 10, 1.0), ("a", 20, 2.0)]]


def test_a_request_has_a_bounded_number_of_samples() -> None:
    taking = Taking(room=10 * MOST)
    taking.add(*((1, at, 0.0) for at in range(2 * MOST + 1)))
    assert [len(request) for request in taking.sent()] == [MOST, MOST, 1]


@given(st.lists(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5), st.sampled_from([1.0, 2.0])), max_size=8), max_size=5))
def test_the_first_value_of_each_time_is_sent_and_timely_requests_never_go_back(batches: list[list[Given]]) -> None:
    taking, newest, expected = Taking(), dict.fromkeys((1, 2, 3), NEVER), []
    for batch in batches:
        outcome = taking.add(*batch)
        assert sum(outcome) == len(batch)
        arrived: dict[tuple[int, int], float] = {}
        for number, at, value in batch:
            arrived.setdefault((number, at), value)
        fresh = {key: value for key, value in arrived.items() if key[1] != newest[key[0]]}
        assert outcome.accepted == len(fresh)
        expected += [("abc"[number - 1], at, value) for (number, at), value in fresh.items()]
        for number, at in arrived:
            newest[number] = max(newest[number], at)
    taken = taking.arrivals.take()
    requests = [written(one.data) for one in taking.arrivals.requests(taken)]
    everything = [(labels["__name__"], at, value) for one in requests for labels, [(at, value)] in one]
    assert sorted(everything) == sorted(expected)
    timely = requests[: len(requests) - bool(taken[1])]
    for name in "abc":
        times = [at for one in timely for labels, [(at, _)] in one if labels["__name__"] == name]
        assert all(earlier < later for earlier, later in pairwise(times))


def test_an_idle_series_is_forgotten_and_its_number_given_to_another_unless_somebody_holds_it() -> None:
    registry = Registry(2)
    kept, idle = registry.number("kept", Labels(), held=True), registry.number("idle", Labels())
    assert registry.number("more", Labels()) == 0
    registry.touched[idle] = 10
    registry.forget_idle(11)
    assert registry.number("more", Labels()) == idle
    assert registry.number("kept", Labels()) == kept
    assert registry.newest[idle] == NEVER
