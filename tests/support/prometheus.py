"""A real Prometheus with given series, to hold our answers against."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from opsconsole.model import Series
from opsconsole.promql.tokens import go_quoted
from tests.support.airflow import eventually
from tests.support.postgres import free_port
from tests.support.remote_write import HEADERS, Sent, compressed, request

_SLICE_MS = 1_200_000
AVAILABLE = bool(shutil.which("prometheus") and shutil.which("promtool"))


@contextmanager
def prometheus(series: Iterable[Series]) -> Iterator[httpx.Client]:
    """A client of a Prometheus on loopback that holds these series and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        data, page = Path(folder, "data"), Path(folder, "series.om")
        page.write_text(openmetrics(series), encoding="utf-8")
        command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", str(page), str(data)]
        subprocess.run(command, check=True, capture_output=True)
        Path(folder, "prometheus.yml").write_text("global: {scrape_interval: 1h, evaluation_interval: 15s}\n")
        with _serving(Path(folder), data) as client:
            yield client


class Written:
    """A Prometheus on loopback that takes remote writes, which can be stopped, killed and started again."""

    def __init__(self, folder: Path, configuration: str = "global: {scrape_interval: 1h}\n") -> None:
        self._configuration = configuration
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"
        self.http = httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def start(self) -> "Written":
        (self._folder / "prometheus.yml").write_text(self._configuration)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, cwd=self._folder)
        eventually("the cluster is ready", self._ready)
        return self

    def _command(self) -> list[str]:
        return [
            "prometheus",
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--web.enable-remote-write-receiver",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the cluster ended"
        return self.http.get(self._healthy()).status_code == 200

    def _healthy(self) -> str:
        return "/-/ready"

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def instant(self, expr: str, at: float | None = None) -> list[dict[str, Any]]:
        """The elements of an instant vector."""
        form = {"query": expr, "nocache": "1"} | ({"time": f"{at:.3f}"} if at is not None else {})
        answer = self.http.post("/api/v1/query", data=form).json()
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def __enter__(self) -> "Written":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.http.close()


@contextmanager
def written(series: Sequence[Series]) -> Iterator[httpx.Client]:
    """A client of a Prometheus that holds these series, staleness markers included, as remote writes brought them.

    In order of time over all series: what is an hour older than the newest sample is refused.
    """
    with tempfile.TemporaryDirectory() as folder, Written(Path(folder)) as peer:
        first, last = min(int(one.timestamps[0]) for one in series), max(int(one.timestamps[-1]) for one in series)
        for start in range(first, last + 1, _SLICE_MS):
            sent = [Sent(one.labels.pairs, points) for one in series if (points := _between(one, start, start + _SLICE_MS))]
            answer = peer.http.post("/api/v1/write", content=compressed(request(sent)), headers=HEADERS)
            assert answer.is_success, answer.text
        yield peer.http


def _between(one: Series, start_ms: int, end_ms: int) -> list[tuple[float, int]]:
    low, high = np.searchsorted(one.timestamps, [start_ms, end_ms])
    return list(zip(one.values[low:high].tolist(), one.timestamps[low:high].tolist(), strict=True))


class VictoriaMetrics(Written):
    """The same of VictoriaMetrics, which makes nothing visible for half a minute unless it is told to."""

    def _command(self) -> list[str]:
        return [
            "victoria-metrics",
            "-storageDataPath=data",
            f"-httpListenAddr=127.0.0.1:{self._port}",
            "-retentionPeriod=100y",
            "-search.latencyOffset=1ms",
            "-memory.allowedBytes=256MiB",
        ]

    def _healthy(self) -> str:
        return "/health"


@contextmanager
def _serving(folder: Path, data: Path) -> Iterator[httpx.Client]:
    address = f"127.0.0.1:{free_port()}"
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address={address}",
        ],
        stdout=log,
        stderr=log,
    )
    try:
        with httpx.Client(base_url=f"http://{address}", timeout=60, trust_env=False) as client:
            eventually("Prometheus is ready", lambda: _ready(client, process))
            yield client
    finally:
        process.kill()  # its folder goes with it
        process.wait()
        log.close()


def _ready(client: httpx.Client, process: subprocess.Popen[Any]) -> bool:
    assert process.poll() is None, "Prometheus ended"
    return client.get("/-/ready").status_code == 200


def openmetrics(series: Iterable[Series]) -> str:
    """The series as an OpenMetrics page with a timestamp on each line."""
    lines = []
    for one in series:
        labels = ",".join(f"{name}={go_quoted(value)}" for name, value in one.labels.items() if name != "__name__")
        for at, value in zip(one.timestamps.tolist(), one.values.tolist(), strict=True):
            lines.append(f"{one.labels['__name__']}{{{labels}}} {_number(value)} {at / 1000:.3f}")
    return "\n".join([*lines, "# EOF\n"])


def _number(value: float) -> str:
    return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}.get(repr(value), repr(value))
