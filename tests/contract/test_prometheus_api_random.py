"""Requests that nobody wrote down, over HTTP: status and body as a real Prometheus 2.42 answers them.

What it answers at random, one time so and one time so, is not compared; nor is the order of elements that a map gave.
"""

import json
import math
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from opsconsole.clock import from_millis
from opsconsole.model import Sample
from opsconsole.promql import Engine, Settings
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings as StoreSettings
from opsconsole.tsdb.store import Store
from opsconsole.web.settings import AuthSettings
from tests.support import web
from tests.support.asking import Asked, Asking
from tests.support.clock import FakeClock
from tests.support.databases import opened
from tests.support.peculiar import END, Peculiar
from tests.support.prometheus import AVAILABLE, written
from tests.support.serving import served

KEY = "a-key-for-grafana"
AUTH = AuthSettings.model_validate({"api_keys": [{"name": "grafana", "key": KEY}]})
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_ASKED_AGAIN = 15
_LONG = re.compile(r"-?[0-9]+\.?[0-9]{9,}(?:e[+-]?[0-9]+)?")
_NO_UTF8 = "invalid UTF-8"


class Sides(NamedTuple):
    http: httpx.AsyncClient
    ours: str
    theirs: str


async def test_random_requests_are_answered_as_by_prometheus() -> None:
    async with _sides(1) as sides:
        assert await _differing(sides, Asking(201), 1000) == []


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(2, 9))
async def test_many_more_on_other_samples(seed: int) -> None:
    async with _sides(seed) as sides:
        assert await _differing(sides, Asking(seed * 1000), 3000) == []


@asynccontextmanager
async def _sides(seed: int) -> AsyncIterator[Sides]:
    if not AVAILABLE:
        pytest.skip("no Prometheus on this machine")
    series, clock = Peculiar(seed).series, FakeClock(END)
    with written(series) as real, tempfile.TemporaryDirectory() as folder:
        async with opened(f"sqlite:///{Path(folder, 'test.db')}") as db:
            store = Store(db, clock, Telemetry(), StoreSettings())
            await store.open()
            for one in series:
                points = zip(one.timestamps.tolist(), one.values.tolist(), strict=True)
                name, labels = one.labels["__name__"], one.labels.without("__name__")
                store.append([Sample(name, value, from_millis(at), labels) for at, value in points])
            await store.flush(clock.now())
            engine = Engine(store, clock, Settings(compat=2, subquery_step=timedelta(minutes=1)))
            app = web.application(web.console(db, clock, auth=AUTH, querier=engine, reader=store, compat=2))
            async with served(app) as address, httpx.AsyncClient(trust_env=False, timeout=120) as http:
                yield Sides(http, f"{address}/prometheus/api/v1", str(real.base_url.join("/api/v1")))


async def _differing(sides: Sides, drawn: Asking, count: int) -> list[str]:
    asked = [drawn.request() for _ in range(count)]
    return [told for one in asked if (told := await _difference(sides, one))]


async def _difference(sides: Sides, one: Asked) -> str:
    ours, seen = await _answer(sides.http, sides.ours, one), set()
    for _ in range(_ASKED_AGAIN):
        theirs = await _answer(sides.http, sides.theirs, one)
        if ours[0] == theirs[0] and _alike(ours[1], theirs[1]):
            return ""
        seen.add(json.dumps(theirs))
    if len(seen) > 1 or _NO_UTF8 in next(iter(seen)):
        return ""
    return f"{one}: ours {ours}, theirs {seen}"


async def _answer(http: httpx.AsyncClient, base: str, one: Asked) -> tuple[int, Any]:
    url, key = f"{base}/{one.path}?{one.query}", {"Authorization": f"Bearer {KEY}"}
    if one.body is None:
        answer = await http.get(url, headers=key)
    else:
        answer = await http.post(url, content=one.body.encode(), headers=key | _FORM)
    return answer.status_code, _unordered(answer.json()) if answer.content else None


def _unordered(body: dict[str, Any]) -> dict[str, Any]:
    data = body.get("data")
    if isinstance(data, dict) and data["resultType"] in ("vector", "matrix"):
        data["result"].sort(key=lambda row: json.dumps(row, sort_keys=True))
    return body


def _alike(one: Any, other: Any) -> bool:
    """The same, but for the last digits of numbers: sines and their like end otherwise."""
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(map(_alike, one.values(), other.values()))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if one == other or not isinstance(one, str) or not isinstance(other, str):
        return bool(one == other)
    return all(map(_LONG.fullmatch, (one, other))) and math.isclose(float(one), float(other), rel_tol=1e-12)
