"""A console under load while its storage is broken: who sends to it, what it acknowledged, and what it has in the end."""

import contextlib
import http.server
import os
import re
import resource
import signal
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support import airflow
from tests.support import remote_write as made
from tests.support.console import API_KEY, ConsoleProcess
from tests.support.postgres import free_port
from tests.support.remote_write import HEADERS, Sent

API = "/prometheus/api/v1"
_EVERY = 0.1
_PATIENCE = 600
"""Seconds: a machine may be busy with other things."""


def eventually(what: str, ask: Callable[[], Any]) -> Any:
    """Ask until the answer is truthy; the answer."""
    return airflow.eventually(what, ask, within=_PATIENCE)


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"".join(b'page_value{n="%d"} %d\n' % (n, n) for n in range(20))
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@contextmanager
def page() -> Iterator[str]:
    """A page of metrics to be scraped."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/metrics"
        server.shutdown()
        thread.join()


class Sender:
    """Sends one sample of `acknowledged` after the other by remote write, a new one once the one before was answered, and StatsD
    datagrams beside it. As a Prometheus does, it sends again what was answered with 5xx or not at all.

    `answers`: the status of each request, 0 for none. `kept`: the numbers that were answered with 2xx.
    """

    def __init__(self, console: ConsoleProcess) -> None:
        self._console, self._ended = console, threading.Event()
        self.answers: list[int] = []
        self.kept: dict[int, int] = {}
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._count)]

    def __enter__(self) -> "Sender":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(90)

    def _write(self) -> None:
        number, at_ms = 0, 0
        with httpx.Client(timeout=60, trust_env=False) as http:
            while not self._ended.wait(_EVERY):
                if number not in self.kept:
                    at_ms = at_ms or int(time.time() * 1000)
                    if self._sent(http, number, at_ms):
                        self.kept[number], at_ms = at_ms, 0
                        number += 1

    def _sent(self, http: httpx.Client, number: int, at_ms: int) -> bool:
        body = made.request([Sent([("__name__", "acknowledged"), ("deployment", "prod")], [(float(number), at_ms)])])
        headers = {"Authorization": f"Bearer {API_KEY}", **HEADERS}
        try:
            answer = http.post(f"{self._console.url}{API}/write", content=made.compressed(body), headers=headers)
        except httpx.HTTPError:
            self.answers.append(0)
            return False
        self.answers.append(answer.status_code)
        assert answer.status_code in (204, 503), answer.text
        return answer.status_code == 204

    def _count(self) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as out:
            while not self._ended.wait(_EVERY):
                with contextlib.suppress(OSError):
                    out.sendto(b"airflow.dag_processing.total_parse_time:3|g", ("127.0.0.1", self._console.statsd_port))

    def seen(self, status: int, times: int = 1) -> None:
        """Wait until so many more requests were answered so."""
        wanted = self.answers.count(status) + times
        eventually(f"{times} answers {status}", lambda: self.answers.count(status) >= wanted)


@contextmanager
def besieged(folder: Path, storage: dict[str, Any]) -> Iterator[tuple[ConsoleProcess, Sender]]:
    """A console that is sent to, and that scrapes."""
    with page() as url:
        watched = {
            "name": "prod",
            "url": f"http://127.0.0.1:{free_port()}",
            "interval": "1s",
            "scrape": [{"job": "page", "url": url, "interval": "1s"}],
        }
        console = ConsoleProcess(folder, rules={"files": []}, deployments=[watched], storage=storage)
        try:
            console.start(wait=False)
            eventually("the console is ready", console.ready)
            with Sender(console) as sender:
                sender.seen(204, 3)
                yield console, sender
        finally:
            console.kill()


def said(console: ConsoleProcess) -> str:
    """What `/readyz` names."""
    return httpx.get(f"{console.url}/readyz?verbose", timeout=60, trust_env=False).text


def metric(console: ConsoleProcess, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", console.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def answer(console: ConsoleProcess, expr: str) -> list[dict[str, Any]]:
    found = console.get(f"{API}/query", query=expr)
    assert found.status_code == 200, found.text
    result: list[dict[str, Any]] = found.json()["data"]["result"]
    return result


def recent_is_seen(console: ConsoleProcess) -> bool:
    """Whether what memory has is answered, what the console collects at this moment too."""
    began = time.time()
    return bool(
        eventually(
            "newer samples of the page are seen",
            lambda: [one for one in answer(console, "timestamp(page_value)") if float(one["value"][1]) > began],
        )
    )


def nothing_is_lost(console: ConsoleProcess, sender: Sender) -> None:
    """Everything acknowledged is there with its value at its time, also after `kill -9`."""
    kept = dict(sender.kept)
    assert stored(console).items() >= {at: number for number, at in kept.items()}.items()
    console.kill()
    console.start(wait=False)
    eventually("the console is ready again", console.ready)
    assert stored(console).items() >= {at: number for number, at in kept.items()}.items()


def stored(console: ConsoleProcess) -> dict[int, int]:
    """Each of the sender's samples: its time in milliseconds, and its number."""
    [found] = answer(console, 'acknowledged{deployment="prod"}[2h]') or [{"values": []}]
    return {round(float(at) * 1000): int(value) for at, value in found["values"]}


@contextmanager
def no_room(pid: int) -> Iterator[None]:
    """No file of the process can be written beyond its first page, as on a full disk; needs no rights of root's."""
    process = psutil.Process(pid)
    before = process.rlimit(resource.RLIMIT_FSIZE)
    process.rlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        process.rlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    """The processes stand still."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


class Wire(socketserver.ThreadingTCPServer):
    """A proxy before a server on loopback that can be cut, so that connections break and none is made, or be silent, so that
    nothing passes and nobody is told."""

    daemon_threads, allow_reuse_address = True, True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Through)
        self.target, self.port = port, int(self.server_address[1])
        self.passes, self.is_cut = threading.Event(), False
        self.passes.set()
        self.open: set[socket.socket] = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def cut(self) -> None:
        self.is_cut = True
        for one in list(self.open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.mend()
        self.shutdown()
        self.server_close()

    def mend(self) -> None:
        self.is_cut = False
        self.passes.set()

    def silence(self) -> None:
        self.passes.clear()

    def handle_error(self, *_: Any) -> None:
        """A connection that breaks is what this is for."""


class _Through(socketserver.BaseRequestHandler):
    server: Wire

    def handle(self) -> None:
        if self.server.is_cut:
            return
        with socket.create_connection(("127.0.0.1", self.server.target)) as far:
            near = self.request
            self.server.open |= {near, far}
            back = threading.Thread(target=self._pass, args=(far, near), daemon=True)
            back.start()
            self._pass(near, far)
            back.join()
            self.server.open -= {near, far}

    def _pass(self, of: socket.socket, to: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := of.recv(65536):
                self.server.passes.wait()
                to.sendall(data)
        with contextlib.suppress(OSError):
            to.shutdown(socket.SHUT_RDWR)
