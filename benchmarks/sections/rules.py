"""200 typical rules over 100,000 series: what one cycle of them costs, once the series are known."""

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.peers import fleet
from benchmarks.peers.figures import Cost, Figure, Options, timed
from benchmarks.peers.own import Own, own
from benchmarks.peers.peer import Peer, prometheus
from opsconsole import documents
from opsconsole.clock import millis
from opsconsole.model import Verdict
from opsconsole.rules import GroupEvaluator, loading
from opsconsole.telemetry import Telemetry
from tests.support.airflow import eventually

EVERY_MS, SAMPLES, INTERVAL, WARM = 15_000, 48, timedelta(seconds=10), 2
KINDS = {
    "counter": (
        20,
        "{record: 'deployment_state:M:rate5m', expr: 'sum by (deployment, state) (rate(M[5m]))'}",
        "{record: 'deployment:M:increase10m', expr: 'sum by (deployment) (increase(M[10m]))'}",
        "{alert: MFailing, expr: 'sum by (deployment, dag_id) (rate(M{state=\"failed\"}[5m])) > 1000', for: 5m}",
        "{alert: MFast, expr: 'rate(M[5m]) > 1000'}",
    ),
    "gauge": (
        20,
        "{record: 'deployment:M:avg', expr: 'avg by (deployment) (M)'}",
        "{record: 'deployment_dag:M:max', expr: 'max by (deployment, dag_id) (M)'}",
        "{alert: MHigh, expr: 'M > 1000', for: 1m}",
        "{alert: MHighForLong, expr: 'avg_over_time(M[5m]) > 1000'}",
    ),
    "bucket": (
        5,
        "{record: 'deployment:M:p95', expr: 'histogram_quantile(0.95, sum by (deployment, le) (rate(M[5m])))'}",
        "{record: 'all:M:p99', expr: 'histogram_quantile(0.99, sum by (le) (rate(M[5m])))'}",
        "{record: 'deployment_le:M:rate5m', expr: 'sum by (deployment, le) (rate(M[5m]))'}",
        "{alert: MSlow, expr: 'histogram_quantile(0.9, sum by (deployment, dag_id, le) (rate(M[5m]))) > 1e9'}",
    ),
    "moment": (
        5,
        "{alert: MLate, expr: 'time() - M > 1e12'}",
        "{alert: MLateSomewhere, expr: 'max by (deployment) (time() - M) > 1e12'}",
        "{alert: MAbsent, expr: 'absent(M)'}",
        "{record: 'deployment:M:count', expr: 'count by (deployment) (M)'}",
    ),
}
"""Kinds of metrics: how many there are of each, and the rules over every one."""


def _metrics(scale: int) -> list[fleet.Metric]:
    made = {"counter": fleet.counters, "gauge": fleet.gauges, "bucket": fleet.buckets, "moment": fleet.gauges}
    return [made[kind](f"airflow_{kind}_{n}", 2000 * scale) for kind, (count, *_) in KINDS.items() for n in range(count)]


def _rules() -> str:
    """All of them in one group, so that both sides evaluate one after the other."""
    lines = [f"groups: [{{name: all, interval: {INTERVAL.seconds}s, rules: ["]
    for kind, (count, *rules) in KINDS.items():
        lines += [f"  {rule.replace('M', f'airflow_{kind}_{n}', 2)}," for n in range(count) for rule in rules]
    return "\n".join([*lines, "]}]", ""])


async def run(options: Options) -> list[Figure]:
    end = datetime.now(UTC).replace(microsecond=0)
    times = millis(end) + EVERY_MS * np.arange(1 - SAMPLES, 1, dtype=np.int64)
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(5)
        blocks = [metric.next(rng, times) for metric in _metrics(options.scale)]
        with prometheus(Path(folder, "prometheus"), config="rule_files: [rules.yaml]\n") as peer:
            peer.write(blocks)
            theirs = _their_cycle(peer, options.rounds) if options.scale == 1 else _asked_cycle(peer, end, options.rounds)
        async with own(Path(folder, "own"), end - timedelta(hours=1)) as ours:
            for at, moment in enumerate(times.tolist()):
                for block in blocks:
                    await ours.scrape(moment, block.labels, block.values[:, at])
                await ours.settle(moment)
            mine = await _own_cycle(ours, end, options.rounds)
    series = sum(len(block.labels) for block in blocks)
    what = f"{_rules().count('expr:')} rules over {series:,} series, a cycle"
    return [Figure(f"{what}, CPU", mine.cpu, theirs.cpu, "s", 0.5), Figure(f"{what}, wall", mine.wall, theirs.wall, "s", 0.5)]


def _their_cycle(peer: Peer, rounds: int) -> Cost:
    """CPU from one evaluation to another, some later; wall is what the last one took."""
    (peer.folder / "rules.yaml").write_text(_rules())
    peer.reload()
    _wait(peer, WARM)
    with peer.timed() as cost:
        _wait(peer, WARM + rounds)
    durations = peer.metrics("prometheus_rule_group_last_duration_seconds")
    failures = sum(peer.metrics("prometheus_rule_evaluation_failures_total"))
    assert not failures, f"{failures} evaluations failed"
    return Cost(cost.cpu / rounds, sum(durations))


def _asked_cycle(peer: Peer, end: datetime, rounds: int) -> Cost:
    """Loading many times the series outlasts the windows of rules, which a Prometheus evaluates at present only: so the same
    expressions are asked one after the other at the end of the samples. Recording is not in it, which is little."""
    (group,) = loading.parse(documents.parse(_rules(), "rules.yaml"), "rules")
    cost = Cost()
    for nth in range(1 + rounds):
        with peer.timed() as cycle:
            for rule in group.rules:
                peer.instant(rule.expr, end.timestamp())
        if nth:
            cost.cpu, cost.wall = cost.cpu + cycle.cpu / rounds, cost.wall + cycle.wall / rounds
    return cost


def _wait(peer: Peer, iterations: int) -> None:
    """Until the group was evaluated so often; asked rarely, for the asking costs CPU too."""

    def reached() -> bool:
        time.sleep(0.5)
        done = peer.metrics("prometheus_rule_group_iterations_total")
        return bool(done) and done[0] >= iterations

    eventually(f"{iterations} iterations", reached, within=INTERVAL.seconds * iterations + 300)


async def _own_cycle(ours: Own, end: datetime, rounds: int) -> Cost:
    engine = ours.engine()
    (group,) = loading.parse(documents.parse(_rules(), "rules.yaml"), "rules")
    rules = GroupEvaluator(group, engine, ours.store.append_block, _taken, clock=ours.clock, telemetry=Telemetry())
    for nth in range(WARM):
        await _cycle(ours, rules, end + nth * INTERVAL)
    with timed() as cost:
        for nth in range(WARM, WARM + rounds):
            await _cycle(ours, rules, end + nth * INTERVAL)
    assert not rules.failing, rules.failing
    return Cost(cost.cpu / rounds, cost.wall / rounds)


async def _cycle(ours: Own, rules: GroupEvaluator, now: datetime) -> None:
    ours.clock.at = now
    await rules.step(now)
    await ours.store.flush(now)


async def _taken(verdict: Verdict) -> None:
    assert verdict.findings == (), verdict.findings[:3]
