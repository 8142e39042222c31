"""What Prometheus 2.42 makes of `@` where the steps of a query differ."""

from datetime import timedelta

import pytest

from opsconsole.clock import SystemClock
from opsconsole.model import QueryError
from opsconsole.promql import Engine, Settings
from tests.support.promql import EPOCH, load

SERIES = """
load 1m
c{n="a"} 0+1x60
c{n="b"} _x30 5x30
u 60+60x60
"""
MINUTE = timedelta(minutes=1)


def _engine() -> Engine:
    return Engine(load(SERIES), SystemClock(), Settings(compat=2))


async def _values(query: str) -> list[tuple[str, list[float]]]:
    result = await _engine().range(query, EPOCH + 20 * MINUTE, EPOCH + 40 * MINUTE, 10 * MINUTE)
    return [(row.labels.get("n", ""), row.values.tolist()) for row in result.rows]


async def test_a_pinned_window_moves_on_where_another_argument_differs_by_step() -> None:
    """The samples are those of the pinned window; what moves out of it is gone."""
    assert await _values("quantile_over_time(scalar(u) / scalar(u), c[15m] @ 1200)") == [("a", [20.0, 20.0])]
    assert await _values("quantile_over_time(1, c[15m] @ 1200)") == [("a", [20.0, 20.0, 20.0])]


async def test_a_window_without_any_samples_left_is_empty() -> None:
    assert await _values('quantile_over_time(scalar(u) / scalar(u), c{n="b"}[1m] @ 60)') == []


async def test_what_a_parameter_pins_moves_on_too() -> None:
    """Five minutes after the pinned time nothing is seen any more, and the parameter is NaN."""
    values = await _values("quantile(scalar(u @ 1200) / 2520, c)")
    assert values[0][1][0] == 20.0
    assert [value != value for value in values[0][1]] == [False, True, True]


async def test_a_pinned_and_shifted_timestamp_is_looked_back_for_from_the_pinned_time() -> None:
    assert await _values("timestamp(u @ 1200 offset 2m)") == [("", [1080.0, 1080.0, 1080.0])]
    assert await _values("timestamp(u @ 1200 offset 6m)") == []


async def test_a_pinned_range_in_parentheses_must_have_one_value() -> None:
    with pytest.raises(QueryError, match="unexpected number of samples"):
        await _engine().instant("(u[5m] @ 1200)", EPOCH)
    assert len((await _engine().instant("u[5m] @ 1200", EPOCH)).rows[0].values) == 6
