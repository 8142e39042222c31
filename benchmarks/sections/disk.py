"""Bytes of a sample on disk: a recorded Airflow's StatsD, replayed through the listener for days, indexes and names included.

What the console stored is then given to a Prometheus, whose compacted blocks are measured beside it.
"""

import gzip
import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.peers.figures import Figure, Options
from benchmarks.peers.own import Own, own
from benchmarks.peers.peer import Peer, prometheus
from benchmarks.peers.remote import together
from opsconsole.clock import millis
from opsconsole.collectors.statsd import StatsdListener
from opsconsole.collectors.statsd_settings import StatsdSender, StatsdSettings
from opsconsole.model import Block, Matcher, MatchOp
from opsconsole.telemetry import Telemetry
from tests.support.airflow import eventually

CAPTURES = Path(__file__).parents[2] / "tests" / "data" / "statsd"
START = datetime(2026, 3, 1, tzinfo=UTC)
HOURS = 48
TARGET = 1.6


async def run(options: Options) -> list[Figure]:
    figures = []
    for capture in ("2.x.txt.gz", "3.x.txt.gz"):
        with tempfile.TemporaryDirectory() as folder:
            async with own(Path(folder, "own"), START) as mine:
                await replay(mine, CAPTURES / capture, HOURS * options.scale)
                await mine.store.maintain(mine.clock.now())
                samples, size = await stored(mine), await taken(mine)
                with prometheus(Path(folder, "peer"), "--storage.tsdb.retention.time=100y") as peer:
                    theirs = await written(mine, peer, HOURS * options.scale)
        what = f"disk, {HOURS * options.scale} h of {capture.removesuffix('.txt.gz')}, {samples:,} samples"
        figures += [
            Figure(what, size / samples, theirs, "bytes/sample"),
            Figure("", size / samples, None, "bytes/sample", TARGET),
        ]
    return figures


def seconds(capture: Path) -> Iterator[tuple[int, list[bytes]]]:
    """The datagrams of each second in which there were some, counted from the first."""
    with gzip.open(capture, "rt", newline="\n") as lines:
        parts = [line.rstrip("\n").partition(" ") for line in lines]
    began = float(parts[0][0])
    for second, group in groupby(parts, key=lambda part: int(float(part[0]) - began)):
        yield second, [text.replace("\\n", "\n").encode() for _, _, text in group]


async def replay(mine: Own, capture: Path, hours: int) -> None:
    """The capture again and again, as if it were that long."""
    recorded = dict(seconds(capture))
    length = max(recorded) + 1
    settings = StatsdSettings(listen="127.0.0.1:0")
    sender = StatsdSender("prod")
    listener = StatsdListener(settings, [sender], mine.store, mine.clock, Telemetry())
    for second in range(hours * 3600):
        mine.clock.at = START + timedelta(seconds=second)
        if datagrams := recorded.get(second % length):
            listener.ports[0].intake.take(datagrams, mine.clock.at.timestamp())
        await listener.step(mine.clock.at)
        if second % 60 == 59:
            await mine.settle(millis(mine.clock.at))


async def everything(mine: Own, start_ms: int, end_ms: int) -> list[Block]:
    return await mine.store.blocks([Matcher("__name__", MatchOp.NOT_EQUAL, "")], start_ms, end_ms)


async def stored(mine: Own) -> int:
    return sum(block.values.size for block in await everything(mine, 0, millis(mine.clock.at)))


async def taken(mine: Own) -> int:
    """Bytes of the database's pages in use, the journal of what is not sealed among them."""
    async with mine.db.read() as session:
        asked = [
            (await session.execute(sa.text(f"PRAGMA {of}"))).scalar() for of in ("page_count", "freelist_count", "page_size")
        ]
    pages, free, size = (int(answer or 0) for answer in asked)
    return (pages - free) * size


async def written(mine: Own, peer: Peer, hours: int) -> float:
    """The same samples in a Prometheus: bytes a sample of the blocks that it has made of them."""
    for quarter in range(4 * hours):
        start = millis(START) + quarter * 900_000
        for body in together(await everything(mine, start, start + 899_999)):
            peer.send(body)
    end = millis(mine.clock.at)
    eventually("the blocks are made", lambda: any(one["maxTime"] > end - 4 * 3_600_000 for one in metas(peer)), within=600)
    size = sum(file.stat().st_size for file in (peer.folder / "data").glob("0*/**/*") if file.is_file())
    return size / sum(one["stats"]["numSamples"] for one in metas(peer))


def metas(peer: Peer) -> list[dict[str, Any]]:
    """What Prometheus says of its blocks."""
    return [json.loads(file.read_text()) for file in (peer.folder / "data").glob("0*/meta.json")]
