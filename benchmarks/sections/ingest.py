"""Remote write and scrape into a whole console and into a Prometheus: samples per CPU second of their processes."""

import multiprocessing
import struct
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from random import Random
from typing import Any

import cramjam
import httpx
import psutil

from benchmarks.peers.figures import Figure, Options
from benchmarks.peers.peer import prometheus
from tests.support.airflow import eventually
from tests.support.console import API_KEY, ConsoleProcess
from tests.support.postgres import free_port
from tests.support.remote_write import HEADERS, label, message, varint

SERIES = 100_000
AT_ONCE = 2_000
"""Series in a request, as a Prometheus 3 sends at most."""
SENDERS = 4
PAGES = 4


async def run(options: Options) -> list[Figure]:
    return [*remote_write(options), *scrape(options)]


def names(count: int) -> list[bytes]:
    """The labels of each series as remote write has them: the metrics of a fleet, 130 bytes or so."""
    found = []
    for i in range(count):
        pairs = {
            "__name__": f"airflow_ti_state_{i % 50}",
            "dag_id": f"dag_{i // 1000}",
            "deployment": f"d{i % 20}",
            "instance": "10.0.0.1:9102",
            "job": "statsd-exporter",
            "state": ("success", "failed")[i % 2],
            "task_id": f"task_{i // 50}",
        }
        found.append(b"".join(label(*pair) for pair in pairs.items()))
    return found


def requests(labels: list[bytes], at_ms: int, dice: Random) -> Iterator[bytes]:
    """One sample of each series."""
    time_field = b"\x10" + varint(at_ms)
    for start in range(0, len(labels), AT_ONCE):
        parts = []
        for name in labels[start : start + AT_ONCE]:
            value = dice.randint(0, 3)
            content = (b"\x09" + struct.pack("<d", value) if value else b"") + time_field
            parts.append(message(1, name + message(2, content)))
        yield bytes(cramjam.snappy.compress_raw(b"".join(parts)))


class Process:
    """Where samples are written to, and what its process has cost."""

    def __init__(self, url: str, pid: int, **headers: str) -> None:
        self._url, self._process, self._headers = url, psutil.Process(pid), {**HEADERS, **headers}
        self._client = httpx.Client(timeout=120, trust_env=False, limits=httpx.Limits(max_connections=SENDERS))

    def cpu(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system

    def send(self, body: bytes) -> None:
        answer = self._client.post(self._url, content=body, headers=self._headers)
        assert answer.status_code in (200, 204), answer.text


@contextmanager
def console(folder: Path, *deployments: dict[str, Any]) -> Iterator[ConsoleProcess]:
    process = ConsoleProcess(folder, rules={"files": []}, deployments=list(deployments))
    try:
        yield process.start()
    finally:
        process.stop()


def remote_write(options: Options) -> list[Figure]:
    """Each cycle holds one sample of every series; the first makes them."""
    labels, dice = names(SERIES * options.scale), Random(1)
    with (
        tempfile.TemporaryDirectory() as folder,
        prometheus(Path(folder, "prometheus")) as peer,
        console(Path(folder, "own")) as own,
    ):
        both = [
            Process(f"{own.url}/prometheus/api/v1/write", own.pid, Authorization=f"Bearer {API_KEY}"),
            Process(f"{peer.client.base_url}/api/v1/write".replace("//api", "/api"), peer.pid),
        ]
        first, began = [], round(time.time() * 1000)
        spent = [0.0, 0.0]
        for cycle in range(options.rounds + 1):
            bodies = list(requests(labels, began + cycle * 1000, dice))
            for side, process in enumerate(both):
                before = process.cpu()
                with ThreadPoolExecutor(SENDERS) as senders:
                    list(senders.map(process.send, bodies))
                if cycle:
                    spent[side] += process.cpu() - before
                else:
                    first.append(len(labels) / (process.cpu() - before))
    mine, theirs = (len(labels) * options.rounds / one for one in spent)
    return [
        Figure("remote write, new series", first[0], first[1], "per CPU-s"),
        Figure("remote write, one sample a series", mine, theirs, "per CPU-s", 1.0, more=True),
    ]


def page(count: int, dice: Random) -> bytes:
    """Counters, gauges and seconds, as an exporter shows them."""
    lines = []
    for start in range(0, count, 1000):
        metric = f"airflow_ti_state_{start // 1000}"
        lines += [f"# HELP {metric} Task instances.", f"# TYPE {metric} gauge"]
        for i in range(start, min(count, start + 1000)):
            value = dice.randint(0, 10**6) if i % 3 else round(dice.random() * 1000, 6)
            lines.append(f'{metric}{{dag_id="dag_{i // 100}",state="{("success", "failed")[i % 2]}",task_id="task_{i}"}} {value}')
    return "\n".join([*lines, ""]).encode()


def serve(port: int, count: int, asked: "Synchronized[int]") -> None:
    pages = [page(count, Random(seed)) for seed in range(PAGES)]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with asked.get_lock():
                asked.value += 1
            body = pages[asked.value % PAGES]
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


@contextmanager
def exporter(count: int) -> Iterator[tuple[str, "Synchronized[int]"]]:
    """A page on loopback, and how often it was asked for."""
    port, asked = free_port(), multiprocessing.Value("q", 0)
    process = multiprocessing.get_context("fork").Process(target=serve, args=(port, count, asked), daemon=True)
    process.start()
    try:
        eventually("the page is served", partial(httpx.get, f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=60))
        yield f"http://127.0.0.1:{port}/metrics", asked
    finally:
        process.kill()
        process.join()


def scrape(options: Options) -> list[Figure]:
    count, every = SERIES * options.scale, max(1, options.scale * 2)
    with tempfile.TemporaryDirectory() as folder, exporter(count) as (url, asked):
        limits = {"body_size_limit": "4GiB", "timeout": f"{every}s", "interval": f"{every}s"}
        watched = {"name": "d", "url": f"http://127.0.0.1:{free_port()}", "scrape": [{"job": "page", "url": url, **limits}]}
        with console(Path(folder, "own"), watched) as own:
            mine = scraped(Process("", own.pid), asked, options.rounds * 2) * count
        target = f"scrape_interval: {every}s, scrape_timeout: {every}s, static_configs: [{{targets: ['{url.split('/')[2]}']}}]"
        with prometheus(Path(folder, "prometheus"), config=f"scrape_configs: [{{job_name: page, {target}}}]\n") as peer:
            theirs = scraped(Process("", peer.pid), asked, options.rounds * 2) * count
    return [Figure(f"scrape of a page of {count:,} series", mine, theirs, "per CPU-s", 1.0, more=True)]


def scraped(process: Process, asked: "Synchronized[int]", often: int) -> float:
    """Scrapes in a CPU second, the first ones aside."""
    start = asked.value
    eventually("the series are known", lambda: asked.value >= start + 3, within=600)
    began, before = asked.value, process.cpu()
    eventually("the page is scraped", lambda: asked.value >= began + often, within=600)
    return (asked.value - began) / (process.cpu() - before)
