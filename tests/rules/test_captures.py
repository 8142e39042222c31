"""The rules that stand on StatsD, on what real Airflows sent while they were frozen and killed."""

from datetime import UTC, datetime, timedelta

import pytest

from opsconsole import content
from opsconsole.model import Verdict
from opsconsole.promql import Engine
from opsconsole.rules import GroupEvaluator, RuleGroup, loading
from opsconsole.rules.memory import MemorySource
from opsconsole.telemetry import Telemetry
from tests.support.clock import FakeClock
from tests.support.statsd import Stream

FROZEN, THAWED = 1795159900.9, 1795159991.1
KILLED, RESTARTED = 1795160034.0, 1795160091.5
GROUPS = ("scheduler", "scheduler_patience", "triggerer")


def groups() -> list[RuleGroup]:
    found = loading.load(sorted(content.folder("alert_rules").glob("*.yaml")))
    return [group for group in found if group.name in GROUPS]


async def told(capture: str, start: float, end: float) -> dict[str, list[float]]:
    """When each alert was found between `start` and `end`."""
    source, times = MemorySource(), dict[str, list[float]]()
    for (name, labels), samples in Stream().replay(capture, until=end).memory.all().items():
        if name.startswith(("airflow_statsd_", "airflow_scheduler_scheduler_loop")):
            for at_ms, value in samples:
                source.put(labels.merged({"__name__": name}), at_ms, value)

    async def take(verdict: Verdict) -> None:
        for finding in verdict.findings:
            times.setdefault(finding.labels["alertname"], []).append(verdict.at.timestamp())

    engine, clock = Engine(source, FakeClock()), FakeClock()
    evaluators = [
        GroupEvaluator(group, engine, source.append_block, take, clock=clock, telemetry=Telemetry()) for group in groups()
    ]
    now = datetime.fromtimestamp(start // 2 * 2, UTC)
    while now.timestamp() < end:
        for evaluator in evaluators:
            if now.timestamp() % evaluator.group.interval.total_seconds() == 0:
                await evaluator.step(now)
        now += timedelta(seconds=2)
    return times


@pytest.mark.parametrize("capture", ["2.x", "3.x"])
async def test_a_frozen_scheduler_is_told_within_nine_seconds_and_nothing_else_is(capture: str) -> None:
    times = await told(capture, FROZEN - 300, KILLED)
    assert times.keys() == {"AirflowSchedulerDown"}
    assert FROZEN < min(times["AirflowSchedulerDown"]) <= FROZEN + 9
    assert max(times["AirflowSchedulerDown"]) <= THAWED + 3


@pytest.mark.parametrize("capture", ["2.x", "3.x"])
async def test_a_killed_triggerer_is_told_before_airflow_admits_it(capture: str) -> None:
    times = await told(capture, THAWED + 10, RESTARTED + 15)
    assert times.keys() == {"AirflowTriggererDown"}
    assert KILLED + 10 < min(times["AirflowTriggererDown"]) <= KILLED + 18


async def test_a_frozen_worker_is_not_a_scheduler_that_is_down() -> None:
    assert await told("2.x-celery", 1795161210, 1795161380) == {}
