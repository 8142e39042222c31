"""One collection as a step: what the runner adds, and what a failure leaves."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from opsconsole.collectors.base import PartlyCollected, Target, sample
from opsconsole.collectors.runner import Collection, Runner
from opsconsole.collectors.settings import Deployment
from opsconsole.db import Database
from opsconsole.model import STALE_NAN_BITS, CollectError, Sample
from tests.support.clock import NOON, FakeClock

DEPLOYMENT = Deployment(name="prod", url="http://airflow.test")
Collect = Callable[[datetime], Awaitable[list[Sample]]]


class Scripted:
    """Gives what its script says, answer by answer."""

    name = "scripted"

    def __init__(self, *answers: list[Sample] | Exception) -> None:
        self._answers = iter(answers)

    @classmethod
    def of(cls, target: Target) -> None:
        return None

    @classmethod
    def interval(cls, deployment: Deployment) -> timedelta:
        return timedelta(seconds=5)

    @classmethod
    def deadline(cls, deployment: Deployment) -> timedelta:
        return timedelta(milliseconds=20)

    async def collect(self, now: datetime) -> list[Sample]:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Hanging(Scripted):
    async def collect(self, now: datetime) -> list[Sample]:
        await asyncio.Event().wait()
        return []


def collection(collector: Scripted) -> tuple[Collection, list[Sample]]:
    recorded: list[Sample] = []
    clock = FakeClock()
    target = Target(DEPLOYMENT, Database("sqlite://"), clock)
    return Collection(target, collector, recorded.extend, clock), recorded


def said(samples: list[Sample]) -> dict[str, float]:
    return {one.name: one.value for one in samples}


async def test_a_success_carries_the_deployment_and_the_runners_own_samples() -> None:
    one, recorded = collection(Scripted([sample("airflow_api_up", 1, NOON)]))
    await one.step(NOON)
    assert {s.labels["deployment"] for s in recorded} == {"prod"}
    assert said(recorded) == {
        "airflow_api_up": 1,
        "opsconsole_collector_up": 1,
        "opsconsole_collector_duration_seconds": 0,
        "opsconsole_collector_last_success_timestamp_seconds": NOON.timestamp(),
    }


async def test_a_failure_is_a_sample_and_ends_no_series() -> None:
    one, recorded = collection(Scripted([sample("x", 1, NOON)], CollectError("no answer")))
    await one.step(NOON)
    recorded.clear()
    await one.step(NOON + timedelta(seconds=5))
    assert said(recorded)["opsconsole_collector_up"] == 0
    assert said(recorded)["opsconsole_collector_last_success_timestamp_seconds"] == NOON.timestamp()
    assert "x" not in said(recorded)
    assert one.standing.error == "no answer"


async def test_a_failure_may_still_have_measured_something() -> None:
    failure = PartlyCollected(CollectError("refused"), [sample("airflow_api_up", 0, NOON)])
    one, recorded = collection(Scripted(failure))
    await one.step(NOON)
    assert said(recorded)["airflow_api_up"] == 0
    assert said(recorded)["opsconsole_collector_up"] == 0


async def test_a_series_that_is_no_longer_there_ends_at_once() -> None:
    both = [sample("pool", 1, NOON, pool="a"), sample("pool", 1, NOON, pool="b")]
    one, recorded = collection(Scripted(both, both[:1]))
    await one.step(NOON)
    recorded.clear()
    await one.step(NOON)
    (ended,) = [s for s in recorded if s.labels.get("pool") == "b"]
    assert struct.pack("<d", ended.value) == struct.pack("<Q", STALE_NAN_BITS)


async def test_a_collector_that_hangs_fails_at_its_deadline() -> None:
    one, recorded = collection(Hanging())
    await one.step(NOON)
    assert said(recorded)["opsconsole_collector_up"] == 0
    assert one.standing.error == "no answer within 0.02 s"


async def test_a_defect_is_told_and_left_to_the_loop() -> None:
    one, recorded = collection(Scripted(KeyError("x")))
    with pytest.raises(KeyError):
        await one.step(NOON)
    assert said(recorded)["opsconsole_collector_up"] == 0


async def test_secrets_in_an_error_are_masked() -> None:
    one, _ = collection(Scripted(CollectError("GET http://joe:hunter22@host/ failed")))
    await one.step(NOON)
    assert "hunter22" not in one.standing.error


async def test_what_is_never_run_again_ends_with_all_its_series_and_what_never_ran_says_nothing() -> None:
    one, recorded = collection(Scripted([sample("x", 1, NOON)], CollectError("no answer")))
    one.end(NOON)
    assert recorded == []
    await one.step(NOON)
    await one.step(NOON + timedelta(seconds=5))
    alive = {(each.name, each.labels) for each in recorded}
    recorded.clear()
    one.end(NOON + timedelta(seconds=6))
    assert {(each.name, each.labels) for each in recorded} == alive
    assert {struct.pack("<d", each.value) for each in recorded} == {struct.pack("<Q", STALE_NAN_BITS)}


async def test_only_what_departs_ends() -> None:
    recorded: list[Sample] = []
    clock = FakeClock()
    target = Target(DEPLOYMENT, Database("sqlite://"), clock)
    runner = Runner([], recorded.extend, clock, [Collection(target, Scripted([sample("x", 1, NOON)]), recorded.extend, clock)])
    [one] = runner.collections
    await one.step(NOON)
    recorded.clear()
    runner.end(NOON + timedelta(seconds=5), but={"collect/prod/scripted"})
    assert recorded == []
    runner.end(NOON + timedelta(seconds=5), but={"collect/staging/scripted"})
    assert "x" in {each.name for each in recorded}
