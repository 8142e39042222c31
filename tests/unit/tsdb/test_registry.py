"""Which series there are, learnt many at once."""

from opsconsole.model import Labels
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.head import Head
from opsconsole.tsdb.registry import REFUSED, STRANGE, Registry
from opsconsole.tsdb.settings import Settings


def registry(limit: int = 0) -> Registry:
    return Registry(Head(), Telemetry(), Settings(max_series_per_deployment=limit))


def series(*numbers: int, deployment: str = "prod") -> list[Labels]:
    return [Labels(__name__="m", deployment=deployment, i=str(i)) for i in numbers]


def test_each_series_has_one_number_however_often_it_is_named() -> None:
    known = registry()
    first = known.refs(series(1, 2, 1), 0)
    assert first == [first[0], first[1], first[0]]
    assert first[0] != first[1]
    assert known.refs(series(2, 3, 1), 0) == [first[1], first[1] + 1, first[0]]
    assert known.ref("m", Labels(deployment="prod", i="3"), 0) == first[1] + 1
    assert [row.labels for row in known.take_new()] == series(1, 2, 3)


def test_of_many_at_once_those_beyond_the_limit_of_their_deployment_are_refused() -> None:
    known = registry(limit=2)
    refs = known.refs([*series(1, 2, 3), *series(1, deployment="test"), *series(2)], 0)
    assert refs[2] == REFUSED
    assert len({REFUSED, *refs[:2], refs[3]}) == 4
    assert refs[4] == refs[1]
    assert known.refs(series(3), 0) == [REFUSED]
    (told,) = known.crowded(0)
    assert "m has 2 of them" in told


def test_series_that_are_forgotten_make_room() -> None:
    known = registry(limit=2)
    refs = known.refs(series(1, 2), 0)
    bundles = {row.labels: row.bundle or 0 for row in known.take_new()}
    known.forget({series(1)[0]: bundles[series(1)[0]]})
    assert known.refs(series(3, 2), 0) == [refs[1] + 1, refs[1]]


def test_equal_labels_of_many_series_are_in_memory_once() -> None:
    known = registry()
    known.refs(series(1, 2), 0)
    one, two = (row.labels.pairs for row in known.take_new())
    assert one[1] == ("deployment", "prod")
    assert one[1] is two[1]


def test_of_many_at_once_those_of_one_deployment_too_many_are_turned_away() -> None:
    known = Registry(Head(), Telemetry(), Settings(max_deployments=1, known_deployments=frozenset({"prod"})))
    refs = known.refs([*series(1, deployment="a"), *series(1, 2, deployment="b"), *series(1), *series(2, deployment="a")], 0)
    assert refs[1:3] == [STRANGE, STRANGE]
    assert all(ref > REFUSED for ref in (refs[0], refs[3], refs[4]))
    (told,) = known.crowded(0)
    assert "'b'" in told
