"""A real Prometheus on loopback in a folder of its own, and what it costs."""

import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.peers.figures import Cost
from benchmarks.peers.remote import requests
from opsconsole.model import Block
from tests.support.airflow import eventually
from tests.support.postgres import free_port

_TICKS = os.sysconf("SC_CLK_TCK")
_HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


class Peer:
    """A running Prometheus. Costs are of its process alone, to a hundredth of a CPU second."""

    def __init__(self, process: subprocess.Popen[Any], folder: Path, client: httpx.Client) -> None:
        self.pid, self.folder, self.client = process.pid, folder, client

    def cpu(self) -> float:
        """CPU seconds since it was started."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_mb(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    @contextmanager
    def timed(self) -> Iterator[Cost]:
        cost = Cost()
        cpu, wall = self.cpu(), time.perf_counter()
        try:
            yield cost
        finally:
            cost.cpu, cost.wall = self.cpu() - cpu, time.perf_counter() - wall

    def write(self, blocks: Iterable[Block]) -> None:
        """Remote-write blocks; each of them no older than half an hour before the newest sample so far."""
        for block in blocks:
            for body in requests(block):
                self.send(body)

    def send(self, body: bytes) -> None:
        """One remote-write request."""
        self.client.post("/api/v1/write", content=body, headers=_HEADERS).raise_for_status()

    def instant(self, expr: str, at: float) -> list[Any]:
        return self._result("/api/v1/query", query=expr, time=at)

    def range(self, expr: str, start: float, end: float, step: float) -> list[Any]:
        return self._result("/api/v1/query_range", query=expr, start=start, end=end, step=step)

    def _result(self, path: str, **fields: Any) -> list[Any]:
        answer = self.client.post(path, data=fields).raise_for_status().json()
        result: list[Any] = answer["data"]["result"]
        return result

    def metrics(self, name: str) -> list[float]:
        """Every series of one of its own metrics."""
        lines = self.client.get("/metrics").raise_for_status().text.splitlines()
        return [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((name + "{", name + " "))]

    def reload(self) -> None:
        self.client.post("/-/reload").raise_for_status()


@contextmanager
def prometheus(folder: Path, *flags: str, config: str = "global: {evaluation_interval: 15s}\n") -> Iterator[Peer]:
    """Started empty, with its remote-write receiver on; `folder` keeps its data and configuration, prometheus.yml."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(config)
    address = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--web.enable-remote-write-receiver",
        "--web.enable-lifecycle",
        *flags,
    ]
    with (folder / "log").open("wb") as log, httpx.Client(base_url=f"http://{address}", timeout=120, trust_env=False) as client:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            eventually("Prometheus is ready", lambda: _ready(client, process), within=60)
            yield Peer(process, folder, client)
        finally:
            process.kill()
            process.wait()


def _ready(client: httpx.Client, process: subprocess.Popen[Any]) -> bool:
    assert process.poll() is None, "Prometheus ended"
    try:
        return client.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False
