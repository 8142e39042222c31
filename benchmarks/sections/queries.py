"""Five dashboard queries over 6 h of samples at 15 s, of 20,000 series: a range query of 361 steps each."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.peers import fleet
from benchmarks.peers.figures import Cost, Figure, Options, timed
from benchmarks.peers.own import Own, own
from benchmarks.peers.peer import Peer, prometheus
from opsconsole.clock import millis
from opsconsole.promql import Engine

EVERY_MS, STEP = 15_000, timedelta(minutes=1)
QUERIES = [
    ("rate over 8,000 series", "sum by (deployment, state) (rate(airflow_ti_finish[5m]))", 0.5),
    (
        "p95 over 8,000 buckets",
        "histogram_quantile(0.95, sum by (deployment, le) (rate(airflow_dagrun_duration_seconds_bucket[5m])))",
        0.5,
    ),
    ("pool ratio over 256 series", "airflow_pool_running_slots / airflow_pool_slots", 1.0),
    ("topk of 1 h increase over 4,000 series", "topk(10, increase(airflow_ti_failures[1h]))", 0.5),
    ("one Dag", 'sum by (state) (rate(airflow_ti_finish{dag_id="dag_7"}[5m]))', 1.0),
]


def _metrics(scale: int) -> list[fleet.Metric]:
    return [
        fleet.counters("airflow_ti_finish", 8000 * scale),
        fleet.buckets("airflow_dagrun_duration_seconds_bucket", 8000 * scale),
        fleet.counters("airflow_ti_failures", 4000 * scale, often=0.02),
        fleet.pools("airflow_pool_slots", 256 * scale, 64, 128),
        fleet.pools("airflow_pool_running_slots", 256 * scale, 0, 64),
    ]


async def run(options: Options) -> list[Figure]:
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    start = end - timedelta(hours=options.hours)
    with tempfile.TemporaryDirectory() as folder, prometheus(Path(folder, "prometheus")) as peer:
        async with own(Path(folder, "own"), start) as ours:
            await _load(_metrics(options.scale), start, options.hours, ours, peer)
            engine = ours.engine()
            figures = []
            for what, expr, bound in QUERIES:
                mine, theirs = await _both(engine, peer, expr, start, end, options.rounds)
                figures += [
                    Figure(f"{what}, CPU", mine.cpu, theirs.cpu, "s", bound),
                    Figure(f"{what}, wall", mine.wall, theirs.wall, "s", bound),
                ]
            return figures


async def _load(metrics: list[fleet.Metric], start: datetime, hours: int, ours: Own, peer: Peer) -> None:
    """Half an hour at a time to both; ours as scrapes a quarter of a minute apart."""
    rng = np.random.default_rng(7)
    first = millis(start)
    for slot in range(hours * 2):
        times = first + EVERY_MS * np.arange(slot * 120 + 1, slot * 120 + 121, dtype=np.int64)
        blocks = [metric.next(rng, times) for metric in metrics]
        peer.write(blocks)
        for at, time in enumerate(times.tolist()):
            for block in blocks:
                await ours.scrape(time, block.labels, block.values[:, at])
            if at % 4 == 3:
                await ours.settle(time)


async def _both(engine: Engine, peer: Peer, expr: str, start: datetime, end: datetime, rounds: int) -> tuple[Cost, Cost]:
    """What a query costs on either side, on average after a first time; their answers are held together."""
    mine = await engine.range(expr, start, end, STEP)
    theirs = peer.range(expr, start.timestamp(), end.timestamp(), STEP.total_seconds())
    _alike(expr, sum(float(row.values.sum()) for row in mine.rows), sum(float(v) for row in theirs for _, v in row["values"]))
    with timed() as own_cost:
        for _ in range(rounds):
            await engine.range(expr, start, end, STEP)
    with peer.timed() as their_cost:
        for _ in range(rounds):
            peer.range(expr, start.timestamp(), end.timestamp(), STEP.total_seconds())
    return Cost(own_cost.cpu / rounds, own_cost.wall / rounds), Cost(their_cost.cpu / rounds, their_cost.wall / rounds)


def _alike(expr: str, mine: float, theirs: float) -> None:
    """Prometheus 2's windows are closed on the left, ours open: sums are close, not equal."""
    assert np.isclose(mine, theirs, rtol=0.02), f"{expr}: {mine} here, {theirs} there"
