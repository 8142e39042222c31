"""What the engine answers: windows, staleness, matching, limits."""

import asyncio
import math
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest

from opsconsole.model import Labels, Matcher, QueryError, QueryResult, Series
from opsconsole.promql import Engine, Settings
from tests.support.clock import FakeClock
from tests.support.promql import EPOCH, Loaded, load

SCRIPT = """
load 1m
requests{job="api", code="200"} 0+60x60
requests{job="api", code="500"} 0+6x30 0+6x29
requests{job="app", code="200"} 0+120x60
limit{job="api"} 100x60
limit{job="app"} 200x60
gone 1x10 stale
quiet 1x10
tide 1 -1 1 -1 1 -1
"""


def engine(script: str = SCRIPT, **settings: object) -> Engine:
    return Engine(load(script), FakeClock(), Settings.model_validate(settings))


async def at(expr: str, minutes: float = 60, asked: Engine | None = None) -> dict[str, float]:
    result = await (asked or engine()).instant(expr, EPOCH + timedelta(minutes=minutes))
    return {repr(point.labels): point.value for point in result.points}


async def over(expr: str, minutes: int = 60, step: int = 60, asked: Engine | None = None) -> QueryResult:
    return await (asked or engine()).range(expr, EPOCH, EPOCH + timedelta(minutes=minutes), timedelta(seconds=step))


async def test_a_rate_survives_counter_resets() -> None:
    rates = await at('rate(requests{code="500"}[10m])', 35)
    assert rates == {'{code="500", job="api"}': pytest.approx(48 / 540)}
    assert await at('resets(requests{code="500"}[1h])') == {'{code="500", job="api"}': 1}
    assert await at('increase(requests{code="200", job="api"}[10m])') == {'{code="200", job="api"}': pytest.approx(600)}


async def test_ranges_are_left_open_unless_held_to_prometheus_2() -> None:
    assert await at("count_over_time(limit{job='api'}[5m])") == {'{job="api"}': 5}
    assert await at("count_over_time(limit{job='api'}[5m])", asked=engine(compat=2)) == {'{job="api"}': 6}


async def test_a_series_ends_at_its_staleness_marker_or_after_the_lookback() -> None:
    assert await at("gone", 10) == {'{__name__="gone"}': 1}
    assert await at("gone", 11) == {}
    assert await at("count_over_time(gone[5m])", 12) == {"{}": 3}
    assert await at("quiet", 14.9) == {'{__name__="quiet"}': 1}
    assert await at("quiet", 15) == {}
    assert await at("quiet", 15, engine(compat=2)) == {'{__name__="quiet"}': 1}


async def test_absence_is_told_with_the_labels_that_were_asked_for() -> None:
    assert await at('absent(nothing{job="api", code=~"5.."})') == {'{job="api"}': 1}
    assert await at("absent(limit)") == {}
    rows = (await over("absent(gone)")).rows
    assert rows[0].timestamps[0] == 11 * 60_000


async def test_vectors_meet_by_labels() -> None:
    assert await at("sum by (job) (requests) / on(job) limit") == {
        '{job="api"}': pytest.approx((3600 + 174) / 100),
        '{job="app"}': pytest.approx(36),
    }
    grouped = await at("requests / on(job) group_left limit > 30")
    assert grouped == {'{code="200", job="api"}': 36, '{code="200", job="app"}': 36}


@pytest.mark.parametrize(
    ("expr", "complaint"),
    [
        ("requests + on(job) limit", "many-to-one matching must be explicit"),
        ("limit + on(job) requests", "found duplicate series for the match group"),
        ("rate({__name__=~'limit|requests', job='app'}[5m]) + label_replace(requests, 'code', '', '', '')", "same labelset"),
        ("label_replace(requests, 'code', '', 'code', '.*')", "same labelset"),
        ("topk(NaN, limit)", "Parameter value is NaN"),
        ("topk(1e30, limit)", "overflows int64"),
        ("label_join(limit, '', '')", "invalid destination label name"),
        ("holt_winters(limit[5m], 2, 0.5)", "invalid smoothing factor"),
    ],
)
async def test_what_cannot_be_computed_is_an_execution_error(expr: str, complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint) as caught:
        await at(expr)
    assert caught.value.kind == "execution"


async def test_series_that_take_turns_under_one_name_are_one_series() -> None:
    script = 'load 1m\na{v="1"} 1x10\na{v="2"} _x20 2x10\n'
    rows = (await over('label_replace(a, "v", "", "v", ".*")', 30, asked=engine(script))).rows
    assert [row.labels for row in rows] == [Labels(__name__="a")]
    assert {1.0, 2.0} == set(rows[0].values.tolist())


async def test_a_comparison_keeps_the_left_value_and_bool_gives_one_or_zero() -> None:
    assert await at("limit > 150") == {'{__name__="limit", job="app"}': 200}
    assert await at("150 < limit") == {'{__name__="limit", job="app"}': 200}
    assert await at("limit > bool 150") == {'{job="api"}': 0, '{job="app"}': 1}


async def test_subqueries_stand_on_multiples_of_their_step() -> None:
    result = await engine().instant("limit{job='api'}[5m:2m]", EPOCH + timedelta(minutes=60, seconds=30))
    assert result.kind == "matrix"
    assert [int(t) // 60_000 for t in result.rows[0].timestamps] == [56, 58, 60]
    assert await at("count_over_time(limit{job='api'}[5m:])", asked=engine(subquery_step="30s")) == {'{job="api"}': 10}


async def test_a_pinned_time_is_the_same_at_every_step() -> None:
    rows = (await over("requests{job='app'} @ end() - requests{job='app'} @ 60")).rows
    assert set(rows[0].values.tolist()) == {120.0 * 60 - 120}


async def test_order_is_kept_where_it_was_asked_for() -> None:
    result = await engine().instant("sort_desc(requests)", EPOCH + timedelta(minutes=60))
    values = [point.value for point in result.points]
    assert values == sorted(values, reverse=True)
    result = await engine().instant("topk(2, requests)", EPOCH + timedelta(minutes=60))
    assert [point.value for point in result.points] == [7200, 3600]


async def test_nan_comes_last_in_every_order() -> None:
    script = 'load 1m\nn{a="1"} NaN\nn{a="2"} 1\nn{a="3"} 2\n'
    for expr in ("sort(n)", "sort_desc(n)", "topk(3, n)", "bottomk(3, n)"):
        result = await engine(script).instant(expr, EPOCH)
        assert math.isnan(result.points[-1].value), expr
        assert len(result.points) == 3


async def test_sums_do_not_lose_what_cancels_out() -> None:
    script = 'load 1m\nhuge{a="1"} 1e100\nhuge{a="2"} 1\nhuge{a="3"} -1e100\nline 1e100 1 -1e100\n'
    assert await at("sum(huge)", 0, engine(script)) == {"{}": 1}
    assert await at("sum_over_time(line[5m])", 2, engine(script)) == {"{}": 1}
    assert await at("sum_over_time(tide[6m])", 5) == {"{}": 0}


async def test_a_quantile_of_a_histogram_falls_within_its_bucket() -> None:
    script = 'load 1m\nb_bucket{le="0.1"} 0+1x10\nb_bucket{le="1"} 0+3x10\nb_bucket{le="+Inf"} 0+4x10\n'
    assert await at("histogram_quantile(0.5, rate(b_bucket[5m]))", 10, engine(script)) == {"{}": pytest.approx(0.55)}
    assert await at("histogram_quantile(0.9, rate(b_bucket[5m]))", 10, engine(script)) == {"{}": 1}


async def test_the_four_kinds_of_answers() -> None:
    assert (await engine().instant("1 + 1", EPOCH)).points[0].value == 2
    assert (await engine().instant("'text'", EPOCH)).text == "text"
    assert (await engine().instant("limit[5m]", EPOCH)).kind == "matrix"
    assert (await over("1")).rows[0].values.tolist() == [1.0] * 61


@pytest.mark.parametrize(
    ("start", "step", "complaint"),
    [
        (0, 0, "zero or negative query resolution"),
        (120, 60, "end timestamp must not be before start time"),
        (0, 0.001, "exceeded maximum resolution of 11,000 points"),
    ],
)
async def test_a_range_that_makes_no_sense_is_refused(start: int, step: float, complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint) as caught:
        await engine().range("1", EPOCH + timedelta(minutes=start), EPOCH + timedelta(hours=1), timedelta(seconds=step))
    assert caught.value.kind == "bad_data"


async def test_a_range_query_for_samples_is_refused() -> None:
    with pytest.raises(QueryError, match="must be Scalar or instant Vector"):
        await over("limit[5m]")


async def test_a_query_for_too_many_samples_is_refused() -> None:
    with pytest.raises(QueryError, match="too many samples"):
        await over("requests", asked=engine(max_samples=150))
    with pytest.raises(QueryError, match="too many samples"):
        await over("sum_over_time(vector(1)[1d:1ms])", asked=engine(max_samples=100_000))


async def test_a_query_that_takes_too_long_is_ended() -> None:
    class Slow(Loaded):
        async def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Series]:
            clock.tick(130)
            return await super().select(matchers, start_ms, end_ms)

    clock = FakeClock()
    with pytest.raises(QueryError, match="timed out") as caught:
        await Engine(Slow(load(SCRIPT).series), clock).instant("limit", EPOCH)
    assert caught.value.kind == "timeout"


async def test_each_selector_is_fetched_once_with_the_span_it_needs() -> None:
    source = load(SCRIPT)
    asked = Engine(source, FakeClock())
    await asked.instant("limit + limit offset 1m + sum_over_time(limit[10m]) + limit offset 1d", EPOCH + timedelta(hours=1))
    hour, day = 3_600_000, 86_400_000
    assert [(start, end) for _, start, end in source.asked] == [(hour - day - 300_000, hour - day), (hour - 600_000, hour)]


async def test_wide_queries_are_computed_beside_the_event_loop() -> None:
    times = np.arange(0, 3_600_000, 15_000, dtype=np.int64)
    series = [Series(Labels(__name__="wide", n=str(n)), times, np.arange(240.0) * n) for n in range(2000)]
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    other = asyncio.create_task(tick())
    result = await over("sum(rate(wide[5m]))", 55, 15, Engine(Loaded(series), FakeClock()))
    other.cancel()
    assert len(result.rows) == 1
    assert ticks > 1


async def test_series_with_times_of_their_own_answer_like_those_that_share_them() -> None:
    random = np.random.default_rng(3)
    alone = []
    for n in range(40):
        times = np.cumsum(random.integers(1_000, 90_000, 20 + n)).astype(np.int64)
        alone.append(Series(Labels(__name__="own", n=str(n)), times, np.cumsum(random.random(len(times)))))
    together = Engine(Loaded(alone), FakeClock())
    for function in ("rate", "sum_over_time", "max_over_time", "changes", "stddev_over_time", "irate", "last_over_time"):
        rows = {row.labels: row for row in (await over(f"{function}(own[4m])", 20, 13, together)).rows}
        for series in alone:
            single = (await over(f"{function}(own[4m])", 20, 13, Engine(Loaded([series]), FakeClock()))).rows
            expected = [row for label, row in rows.items() if label["n"] == series.labels["n"]]
            assert [row.timestamps.tolist() for row in single] == [row.timestamps.tolist() for row in expected]
            for mine, theirs in zip(single, expected, strict=True):
                np.testing.assert_allclose(mine.values, theirs.values, rtol=1e-12)


async def test_who_gives_a_query_up_leaves_nothing_behind() -> None:
    asked = Engine(load(SCRIPT), FakeClock(), Settings(max_memory=2**23, max_concurrent=1))
    heavy = asyncio.create_task(over("quantile_over_time(0.5, vector(1)[2h:1s])", 170, 1, asked))
    while asked._memory.held == 0 and not heavy.done():
        await asyncio.sleep(0)
    heavy.cancel()
    with pytest.raises(asyncio.CancelledError):
        await heavy
    assert asked._memory.held == 0
    assert (await asked.instant("limit", EPOCH)).points
