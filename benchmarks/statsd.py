"""How many StatsD datagrams a second are received, stored and accounted for, with none lost.

    python benchmarks/statsd.py                 # the whole console: a process of its own with its shipped rules
    python benchmarks/statsd.py --listener      # listener, parser and aggregator alone, in this process

A second process sends a recorded Airflow's datagrams, round and round, at a steady rate by `sendmmsg`. The console is then
stopped, its database opened, and what it stored held against what was sent. `--strict` exits 1 where the target is missed.
"""

import argparse
import asyncio
import ctypes
import gzip
import multiprocessing
import re
import socket
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import uvloop
from _stage import ConsoleProcess, eventually, folder, free_port, machine, run

from opsconsole.clock import SystemClock
from opsconsole.db import Database
from opsconsole.promql.engine import Engine
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings
from opsconsole.tsdb.store import Store

TARGET = 100_000
"""Datagrams a second, of which none is lost."""
CAPTURE = Path(__file__).parent.parent / "tests" / "data" / "statsd" / "3.x.txt.gz"
GROUP = 64
PROBE = b"airflow.bench.probe:1|c"
"""The first datagram of every group, so that what is stored can be held against what was sent."""
LONGEST = 60.0


class IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_char_p), ("length", ctypes.c_size_t))


class Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("parts", ctypes.c_void_p),
        ("part_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint64),  # behind the padding that aligns the struct inside
    )


def recorded(most: int = 20_000) -> list[bytes]:
    with gzip.open(CAPTURE, "rt", newline="\n") as lines:
        found = [line.rstrip("\n").partition(" ")[2].replace("\\n", "\n").encode() for line in lines]
    return found[-most:]


def send(address: tuple[str, int], rate: int, seconds: float, report: Connection) -> None:
    """Send groups of datagrams on a grid of time, and report (datagrams, seconds, CPU seconds)."""
    datagrams = recorded()
    datagrams = [PROBE if at % GROUP == 0 else each for at, each in enumerate(datagrams[: len(datagrams) // GROUP * GROUP])]
    parts = (IoVec * len(datagrams))(*(IoVec(each, len(each)) for each in datagrams))
    headers = (Header * len(datagrams))()
    for index, header in enumerate(headers):
        header.parts, header.part_count = ctypes.addressof(parts) + index * ctypes.sizeof(IoVec), 1
    starts = [ctypes.addressof(headers) + at * ctypes.sizeof(Header) for at in range(0, len(datagrams), GROUP)]
    call = ctypes.CDLL(None, use_errno=True).sendmmsg
    call.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(address)
    sent, turn, gap, began = 0, 0, GROUP / rate, time.perf_counter()
    while (now := time.perf_counter() - began) < seconds:
        if (early := turn * gap - now) > 0:
            time.sleep(early)
        done = call(sock.fileno(), starts[turn % len(starts)], GROUP, 0)
        sent += max(done, 0)
        turn += 1
    report.send((sent, time.perf_counter() - began, time.process_time()))


def start_sender(address: tuple[str, int], rate: int, seconds: float) -> tuple[Connection, multiprocessing.Process]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=send, args=(address, rate, seconds, there), daemon=True)
    process.start()
    return here, process


async def listener_alone(rate: int, seconds: float) -> bool:
    from opsconsole.collectors.statsd import StatsdListener
    from opsconsole.collectors.statsd_settings import StatsdSender, StatsdSettings

    clock, store = SystemClock(), Nowhere()
    settings = StatsdSettings(listen="127.0.0.1:0")
    listener = StatsdListener(settings, [StatsdSender("bench")], store, clock, Telemetry(), lambda _: 3)
    await listener.open()
    port = listener.ports[0]
    pipe, process = start_sender(port.bound, rate, seconds)
    slowest, busy = 0.0, time.process_time()
    while not pipe.poll():
        await asyncio.sleep(1)
        began = time.perf_counter()
        await listener.step(clock.now())
        slowest = max(slowest, time.perf_counter() - began)
    sent, took, sender_cpu = pipe.recv()
    process.join()
    await asyncio.sleep(0.2)
    busy = time.process_time() - busy
    await listener.close()
    held = tell(sent, port.intake.datagrams, took, port.drops, busy, sender_cpu)
    print(f"lines {port.intake.lines:,}, malformed {sum(port.intake.malformed.values())}, samples stored {store.samples:,}")
    stored = tell_stored(sent, store.last.get("airflow_bench_probe", 0))
    print(f"slowest step {slowest * 1000:.0f} ms, kernel buffer {port.buffer / 2**20:.1f} MiB")
    return held and stored


def whole_console(rate: int, seconds: float) -> bool:
    """One deployment whose Airflow does not answer: all that comes is StatsD."""
    with folder() as place:
        watched = ConsoleProcess(place, deployments=[{"name": "bench", "url": f"http://127.0.0.1:{free_port()}"}])
        try:
            watched.start()
            before, spent = scraped(watched), cpu_of(watched)
            pipe, process = start_sender(("127.0.0.1", watched.statsd_port), rate, seconds)
            sent, took, sender_cpu = pipe.recv()
            process.join()
            after, spent = settled(watched), cpu_of(watched) - spent
            grown = {name: after[name] - before.get(name, 0) for name in after}
        finally:
            watched.stop()
        received = int(grown["opsconsole_statsd_datagrams_total"])
        drops = int(grown.get("opsconsole_statsd_kernel_dropped_total", 0))
        held = tell(sent, received, took, drops, spent, sender_cpu)
        print(f"kernel buffer {after['opsconsole_statsd_receive_buffer_bytes'] / 2**20:.1f} MiB, {stalls(after)}")
        stored = tell_stored(sent, asyncio.run(probes_stored(place / "console.db")))
    return held and stored


def cpu_of(watched: ConsoleProcess) -> float:
    times = psutil.Process(watched.pid).cpu_times()
    return times.user + times.system


def settled(watched: ConsoleProcess) -> dict[str, float]:
    """The console's own metrics once it counts no more datagrams; it tells them once a second."""
    seen: list[dict[str, float]] = []

    def quiet() -> bool:
        seen.append(scraped(watched))
        counts = [one["opsconsole_statsd_datagrams_total"] for one in seen[-2:]]
        return len(counts) == 2 and counts[0] == counts[1]

    eventually("no more datagrams come", quiet, within=60, every=2)
    return seen[-1]


async def probes_stored(path: Path) -> float:
    """What the database says of the probe, read as the console reads it."""
    db, clock = Database(f"sqlite:///{path}"), SystemClock()
    store = Store(db, clock, Telemetry(), Settings())
    try:
        await store.open()
        answer = await Engine(store, clock).instant("sum(last_over_time(airflow_bench_probe[1h]))", clock.now())
    finally:
        await db.close()
    return answer.points[0].value if answer.points else 0.0


def tell(sent: int, received: int, took: float, drops: int, cpu: float, sender_cpu: float) -> bool:
    lost, rate = sent - received, sent / took
    print(f"sent {sent:,} datagrams in {took:.2f} s: {rate:,.0f}/s on {machine()}")
    print(f"received {received:,}, lost {lost:,} ({lost / max(sent, 1):.3%}), dropped by the kernel {drops:,}")
    each = cpu / max(received, 1) * 1e6
    print(f"CPU {cpu:.2f} s ({cpu / took:.0%} of a core, {each:.2f} µs a datagram), sender {sender_cpu:.2f} s")
    held = lost == 0 and rate >= TARGET
    print(f"{rate:,.0f}/s without loss ≥ {TARGET:,}/s: {'target met' if held else 'target missed'}")
    return held


def tell_stored(sent: int, stored: float) -> bool:
    held = stored == sent // GROUP
    print(f"probes (one datagram of {GROUP}) sent {sent // GROUP:,}, stored {stored:,.0f}: {'all' if held else 'NOT ALL'}")
    return held


def stalls(metrics: dict[str, float]) -> str:
    return f"loop ticks missed {metrics.get('opsconsole_loop_missed_ticks_total', 0):.0f}"


def scraped(watched: ConsoleProcess) -> dict[str, float]:
    """The console's own metrics, summed over their labels."""
    found: dict[str, float] = {}
    for name, value in re.findall(r"^([a-z_]+)(?:\{[^}]*\})? ([0-9.e+-]+)", watched.get("/metrics").text, re.MULTILINE):
        found[name] = found.get(name, 0) + float(value)
    return found


class Nowhere:
    """A store that counts, and knows the last value of a name."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.last: dict[str, float] = {}
        self.samples = 0

    def ref(self, name: str, labels: object) -> int:
        self.names.append(name)
        return len(self.names)

    def append_refs(self, at_ms: int, refs: Sequence[int], values: Sequence[float]) -> None:
        self.samples += len(refs)
        self.last |= {self.names[ref - 1]: value for ref, value in zip(refs, values, strict=True)}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rate", type=int, default=130_000, help="datagrams a second")
    options.add_argument("--seconds", type=float, default=10.0, help=f"at most {LONGEST:g}")
    options.add_argument("--listener", action="store_true", help="the listener alone")
    options.add_argument("--strict", action="store_true")
    given = options.parse_args()
    seconds = min(given.seconds, LONGEST)
    held = uvloop.run(listener_alone(given.rate, seconds)) if given.listener else whole_console(given.rate, seconds)
    return 0 if held or not given.strict else 1


if __name__ == "__main__":
    sys.exit(run(main))
