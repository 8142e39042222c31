"""Who is sealed with whom."""

from hypothesis import given
from hypothesis import strategies as st

from opsconsole.tsdb.bundles import SIZE, Bundles, Kind


def kind(name: str, deployment: str = "prod") -> Kind:
    return name, deployment


def test_metrics_of_few_series_share_a_bundle_and_deployments_do_not() -> None:
    bundles = Bundles()
    assert {bundles.enter(kind(f"m{i}")) for i in range(SIZE)} == {1}
    assert {bundles.enter(kind(f"m{i}", "test")) for i in range(SIZE)} == {2}


def test_a_metric_of_many_series_has_bundles_of_its_own() -> None:
    bundles = Bundles()
    of_many = [bundles.enter(kind("many")) for _ in range(400)]
    other = bundles.enter(kind("other"))
    assert other == of_many[0]
    assert set(of_many[20:]).isdisjoint({other})
    assert len(set(of_many)) == 4


def test_a_place_that_falls_free_is_given_to_the_next() -> None:
    bundles = Bundles()
    first = [bundles.enter(kind("many")) for _ in range(1000)]
    for bundle in first[:900]:
        bundles.leave(bundle, kind("many"))
    again = [bundles.enter(kind("many")) for _ in range(900)]
    assert len(set(again) | set(first[900:])) <= 10


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y"]), st.booleans()), max_size=300))
def test_after_a_restart_the_same_places_are_taken(steps: list[tuple[str, str, bool]]) -> None:
    bundles, alive = Bundles(), []
    for name, deployment, leaves in steps:
        if leaves and alive:
            bundles.leave(*alive.pop(0))
        else:
            one = kind(name, deployment)
            alive.append((bundles.enter(one), one))
    again = Bundles()
    for bundle, one in alive:
        again.restore(bundle, one)
    assert (again._alive, again._series) == (bundles._alive, bundles._series)
    assert again.enter(kind("a", "x")) <= bundles.next_id
    assert all(count <= SIZE for count in again._alive.values())
