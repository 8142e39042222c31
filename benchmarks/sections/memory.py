"""Two hours of 15 s samples of 100,000 series: what a process that holds them takes of memory, and how soon it is back after
it was killed. The console's side is a process of its own, with the store alone."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.peers import fleet
from benchmarks.peers.figures import Figure, Options
from benchmarks.peers.own import own
from benchmarks.peers.peer import prometheus
from opsconsole.clock import millis
from opsconsole.model import Block

ROOT = Path(__file__).parents[2]
SERIES, SCRAPES, EVERY_MS = 100_000, 480, 15_000
START = datetime(2026, 3, 1, tzinfo=UTC)
AT_ONCE = 40
"""Scrapes in a request to Prometheus."""


async def run(options: Options) -> list[Figure]:
    count = SERIES * options.scale
    with tempfile.TemporaryDirectory() as folder:
        mine = fed(Path(folder, "own"), count)
        back = restarted(Path(folder, "own"), count)
        theirs, their_back = beside(Path(folder, "peer"), count)
    size = f"{count:,} series, {SCRAPES} samples each"
    return [
        Figure(f"memory, {size}", mine, theirs, "MB", 1.0),
        Figure("start after kill -9, wall", back[0], their_back, "seconds"),
        Figure("start after kill -9, CPU", back[1], None, "CPU-s", 5.0 * options.scale),
    ]


def blocks(count: int, columns: int) -> Iterator[Block]:
    """Two hours of a fleet: counters, gauges and buckets, so many columns at a time."""
    rng = np.random.default_rng(5)
    made = [fleet.counters, fleet.gauges, fleet.buckets, fleet.gauges]
    metrics = [made[i % 4](f"airflow_metric_{i}", count // 50) for i in range(50)]
    for first in range(0, SCRAPES, columns):
        times = millis(START) + np.arange(first, first + columns) * EVERY_MS
        for metric in metrics:
            yield metric.next(rng, times)


def fed(folder: Path, count: int) -> float:
    """Resident MB of a process that took everything in; it is then killed."""
    return float(_process("feed", folder, count)[0])


def restarted(folder: Path, count: int) -> tuple[float, float]:
    """Seconds and CPU seconds until the store is open again; nothing may be missing."""
    wall, cpu, series, samples = _process("back", folder, count)
    assert int(series) >= count, f"{series} series"
    assert int(samples) == int(series) * 20, f"{samples} of the last five minutes' samples of {series} series"
    return float(wall), float(cpu)


def _process(what: str, folder: Path, count: int) -> list[str]:
    command = [sys.executable, "-m", "benchmarks.sections.memory", what, str(folder), str(count)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = process.stdout.readline().split()
    process.send_signal(signal.SIGKILL)
    process.wait()
    return told


async def feed(folder: Path, count: int) -> None:
    async with own(folder, START) as mine:
        for group in _scrapes(count):
            for column, at_ms in enumerate(group[0].timestamps.tolist()):
                refs = np.concatenate([mine.refs(block.labels) for block in group])
                mine.store.append_refs(at_ms, refs, np.concatenate([block.values[:, column] for block in group]))
                if at_ms % 60_000 == 45_000:
                    await mine.settle(at_ms)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        print(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, flush=True)
        await asyncio.sleep(3600)


def _scrapes(count: int) -> Iterator[list[Block]]:
    """The blocks of the same times together."""
    group: list[Block] = []
    for block in blocks(count, 4):
        if group and block.timestamps[0] != group[0].timestamps[0]:
            yield group
            group = []
        group.append(block)
    yield group


async def back(folder: Path) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    end = millis(START) + (SCRAPES - 1) * EVERY_MS
    async with own(folder, datetime.fromtimestamp(end / 1000, UTC)) as mine:
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        found = await mine.store.blocks([], end - 19 * EVERY_MS, end)
        series, samples = sum(len(block.labels) for block in found), sum(block.values.size for block in found)
        print(wall, cpu, series, samples, flush=True)
        await asyncio.sleep(3600)


def beside(folder: Path, count: int) -> tuple[float, float]:
    """Prometheus' resident MB, and the seconds until it is ready again after it was killed."""
    with prometheus(folder) as peer:
        peer.write(blocks(count, AT_ONCE))
        resident = peer.resident_mb()
    began = time.perf_counter()
    with prometheus(folder):
        return resident, time.perf_counter() - began


if __name__ == "__main__":
    asyncio.run(feed(Path(sys.argv[2]), int(sys.argv[3])) if sys.argv[1] == "feed" else back(Path(sys.argv[2])))
