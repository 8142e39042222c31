"""Matching series by label, as Prometheus does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsconsole.model import Labels, Matcher, MatchOp, QueryError
from opsconsole.tsdb.index import LabelIndex

SERIES = [
    Labels(__name__="airflow_pool_slots", pool="default_pool", state="open"),
    Labels(__name__="airflow_pool_slots", pool="default_pool", state="queued"),
    Labels(__name__="airflow_pool_slots", pool="etl", state="open"),
    Labels(__name__="airflow_component_up", component="scheduler"),
    Labels(__name__="airflow_component_up", component="triggerer"),
]


def index_of(labels: list[Labels]) -> LabelIndex:
    held: list[Labels | None] = list(labels)
    index = LabelIndex(held)
    for row, one in enumerate(labels):
        index.add(row, one)
    return index


def matched(*matchers: tuple[str, str, str], labels: list[Labels] = SERIES) -> list[int]:
    wanted = [Matcher(name, MatchOp(op), value) for name, op, value in matchers]
    return index_of(labels).match(wanted, np.ones(len(labels), np.bool_)).tolist()


@pytest.mark.parametrize(
    ("matchers", "rows"),
    [
        ([], [0, 1, 2, 3, 4]),
        ([("__name__", "=", "airflow_pool_slots")], [0, 1, 2]),
        ([("__name__", "=", "airflow_pool_slots"), ("state", "=", "open")], [0, 2]),
        ([("__name__", "=", "nothing")], []),
        ([("pool", "=", "")], [3, 4]),
        ([("pool", "!=", "")], [0, 1, 2]),
        ([("pool", "!=", "etl")], [0, 1, 3, 4]),
        ([("nowhere", "=", "")], [0, 1, 2, 3, 4]),
        ([("nowhere", "!=", "")], []),
        ([("pool", "=~", "e.*")], [2]),
        ([("pool", "=~", "tl")], []),
        ([("pool", "=~", "etl|")], [2, 3, 4]),
        ([("pool", "=~", ".*")], [0, 1, 2, 3, 4]),
        ([("pool", "=~", ".+")], [0, 1, 2]),
        ([("pool", "!~", "e.*")], [0, 1, 3, 4]),
        ([("pool", "!~", ".*")], []),
        ([("__name__", "=~", "airflow_.*"), ("component", "!~", "sched.*"), ("pool", "=", "")], [4]),
    ],
)
def test_matchers_fit_as_in_prometheus(matchers: list[tuple[str, str, str]], rows: list[int]) -> None:
    assert matched(*matchers) == rows


def test_a_regular_expression_that_re2_refuses_is_bad_data() -> None:
    with pytest.raises(QueryError, match=r"invalid regular expression '\(a'") as failure:
        matched(("pool", "=~", "(a"))
    assert failure.value.kind == "bad_data"


def test_a_value_that_is_no_unicode_still_matches() -> None:
    assert matched(("x", "=~", ".*"), labels=[Labels(x="\udcff")]) == [0]


def test_a_dot_matches_a_line_end() -> None:
    assert matched(("x", "=~", "a.b"), labels=[Labels(x="a\nb")]) == [0]


def test_removed_rows_are_found_no_more_and_leave_no_value_behind() -> None:
    index = index_of(SERIES)
    index.remove({2: SERIES[2], 3: SERIES[3]})
    live = np.array([True, True, False, False, True])
    assert index.match([Matcher("state", MatchOp.EQUAL, "open")], live).tolist() == [0]
    assert sorted(index.values("pool")) == ["default_pool"]
    assert sorted(index.values("component")) == ["triggerer"]


values = st.sampled_from(["", "a", "b", "ab", "ba"])
label_sets = st.lists(st.fixed_dictionaries({"x": values, "y": values}), max_size=12)
conditions = st.lists(
    st.tuples(
        st.sampled_from(["x", "y", "z"]), st.sampled_from(list(MatchOp)), st.sampled_from(["", "a", "b", "a.*", ".+", "a|"])
    ),
    max_size=4,
)


def naive(op: MatchOp, wanted: str, value: str) -> bool:
    import re

    fits = re.fullmatch(wanted, value) is not None if op in (MatchOp.REGEX, MatchOp.NOT_REGEX) else wanted == value
    return fits == (op in (MatchOp.EQUAL, MatchOp.REGEX))


@given(label_sets, conditions)
def test_the_index_agrees_with_asking_every_series(sets: list[dict[str, str]], wanted: list[tuple[str, MatchOp, str]]) -> None:
    expected = [i for i, one in enumerate(sets) if all(naive(op, value, one.get(name, "")) for name, op, value in wanted)]
    matchers = [Matcher(name, op, value) for name, op, value in wanted]
    found = index_of([Labels(one) for one in sets]).match(matchers, np.ones(len(sets), np.bool_))
    assert found.tolist() == expected
