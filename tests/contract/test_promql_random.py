"""Queries that nobody wrote down, on samples as one would not wish them: our answers and complaints against Prometheus 2.42's.

What the original settles at random (ties among computed series, the order of a sum over them, which of several complaints
comes first) it does not answer twice alike; so where we differ it is asked again, until it gives our answer. Only where it
says the same every time is that the right answer.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import httpx
import pytest

from opsconsole.clock import SystemClock
from opsconsole.promql import Engine, Settings
from tests.support.comparing import asked, difference
from tests.support.mistakes import Mistakes
from tests.support.peculiar import END, START, Peculiar
from tests.support.prometheus import AVAILABLE, written
from tests.support.promql import Loaded

_ASKED_AGAIN = 30
_MINUTES = (0, 0.5, 47.25, 75, 120, 121.7)
_STEPS = (71, 600, 15, 300.5)


class Sides(NamedTuple):
    engine: Engine
    real: httpx.Client


@contextmanager
def _sides(seed: int) -> Iterator[Sides]:
    if not AVAILABLE:
        pytest.skip("no Prometheus on this machine")
    series = Peculiar(seed).series
    with written(series) as real:
        yield Sides(Engine(Loaded(series), SystemClock(), Settings(compat=2, subquery_step=timedelta(minutes=1))), real)


@pytest.fixture(scope="module")
def sides() -> Iterator[Sides]:
    with _sides(1) as found:
        yield found


async def test_random_queries_answer_as_prometheus_does(sides: Sides) -> None:
    assert await _answered(sides, Mistakes(101), 1000) == []


async def test_garbled_queries_are_refused_as_prometheus_refuses_them(sides: Sides) -> None:
    drawn = Mistakes(102)
    assert await _refused(sides, [drawn.garbled() for _ in range(1200)]) == []


async def test_mistyped_queries_are_refused_as_prometheus_refuses_them(sides: Sides) -> None:
    drawn = Mistakes(103)
    assert await _refused(sides, [drawn.mistyped() for _ in range(800)]) == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 12))
async def test_many_more_on_other_samples(seed: int) -> None:
    with _sides(seed) as sides:
        drawn = Mistakes(seed * 1000)
        assert await _answered(sides, drawn, 5000) == []
        assert await _refused(sides, [drawn.garbled() for _ in range(5000)] + [drawn.mistyped() for _ in range(3000)]) == []


async def _answered(sides: Sides, drawn: Mistakes, count: int) -> list[str]:
    found = []
    for _ in range(count):
        query = drawn.any()
        if drawn.random.random() < 0.5:
            found += await _instant(sides, query, drawn.random.choice(_MINUTES))
        else:
            found += await _range(sides, query, drawn.random.choice(_STEPS))
    return found


async def _refused(sides: Sides, queries: list[str]) -> list[str]:
    return [told for query in queries for told in await _instant(sides, query, 60)]


async def _instant(sides: Sides, query: str, minutes: float) -> list[str]:
    at = START + timedelta(minutes=minutes)
    ours = await asked(sides.engine.instant(query, at))
    params = {"query": query, "time": at.timestamp()}
    return _told(sides.real, "query", params, ours, ordered=query.startswith("sort"))


async def _range(sides: Sides, query: str, step: float) -> list[str]:
    ours = await asked(sides.engine.range(query, START, END, timedelta(seconds=step)))
    params = {"query": query, "start": START.timestamp(), "end": END.timestamp(), "step": step}
    return _told(sides.real, "query_range", params, ours, ordered=False)


def _told(real: httpx.Client, path: str, params: dict[str, Any], ours: Any, *, ordered: bool) -> list[str]:
    seen, complaint = set(), ""
    for _ in range(_ASKED_AGAIN):
        theirs = real.post(f"/api/v1/{path}", data=params).json()
        if not (complaint := difference(ours, theirs, ordered=ordered)):
            return []
        seen.add(_unordered(theirs))
    return [f"{params}: {complaint}"] if len(seen) == 1 else []


def _unordered(answer: dict[str, Any]) -> str:
    """The answer as a text that the order of series does not change."""
    rows = answer.get("data", {}).get("result", [])
    return answer.get("error", "") or str(sorted(json.dumps(row, sort_keys=True) for row in rows))
