"""A real Prometheus writes to a console that is killed meanwhile, and in the end the console has every sample."""

import itertools
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.airflow import eventually
from tests.support.console import API_KEY, ConsoleProcess
from tests.support.postgres import free_port

WORK = "work_total"
Samples = dict[str, list[tuple[float, str]]]


class Exporter:
    """A page whose counter moves at each scrape, with a series that comes and goes; at the end it stands still."""

    def __init__(self) -> None:
        self.turn = itertools.count()
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                turn = next(exporter.turn)
                now_and_then = f'sometimes{{turn="{turn // 10}"}} 0\n' if turn // 5 % 2 else ""
                body = f"# HELP {WORK} Work.\n# TYPE {WORK} counter\n{WORK} {turn}\n{now_and_then}odd NaN\n".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def writing(folder: Path, exporter: Exporter, url: str) -> Iterator[httpx.Client]:
    """A Prometheus that scrapes the exporter five times a second and writes to the console."""
    address = f"127.0.0.1:{free_port()}"
    config: dict[str, Any] = {
        "scrape_configs": [
            {
                "job_name": "work",
                "scrape_interval": "200ms",
                "scrape_timeout": "200ms",
                "static_configs": [{"targets": [exporter.address]}],
            }
        ],
        "remote_write": [
            {
                "url": f"{url}/prometheus/api/v1/write",
                "authorization": {"credentials": API_KEY},
                "queue_config": {"batch_send_deadline": "200ms", "max_backoff": "500ms"},
                "write_relabel_configs": [{"target_label": "deployment", "replacement": "prod"}],
                "metadata_config": {"send_interval": "1s"},
            }
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        # When it changes how many connections it sends by, it drops what it could not send within this time: by default a
        # minute, and a console on a busy machine may take longer to start.
        "--storage.remote.flush-deadline=1h",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            with httpx.Client(base_url=f"http://{address}", timeout=60, trust_env=False) as client:
                eventually("Prometheus is ready", lambda: client.get("/-/ready").status_code == 200)
                yield client
        finally:
            process.kill()
            process.wait()


def samples(answer: httpx.Response, until: float) -> Samples:
    """Of every series the samples up to that time."""
    found = {}
    for one in answer.raise_for_status().json()["data"]["result"]:
        name = str(sorted((k, v) for k, v in one["metric"].items() if k != "deployment"))
        found[name] = [(at, value) for at, value in one["values"] if at <= until]
    return found


def all_there(ours: Samples, theirs: Samples) -> bool:
    """True, or LookupError with what one of them has and the other has not, which `eventually` tells at the end."""
    for name in theirs | ours:
        mine, wanted = ours.get(name, []), theirs.get(name, [])
        if mine != wanted:
            lacking, strange = sorted(set(wanted) - set(mine)), sorted(set(mine) - set(wanted))
            raise LookupError(f"{name}: lacks {len(lacking)} of {len(wanted)}: {lacking[:5]}, has on top: {strange[:5]}")
    return True


def newest(client: httpx.Client) -> float:
    answer = client.get("/api/v1/query", params={"query": f"{WORK}[1m]"}).json()["data"]["result"]
    return float(answer[0]["values"][-1][0]) if answer else 0.0


def story(folder: Path, crashes: int) -> None:
    exporter = Exporter()
    console = ConsoleProcess(folder / "console", rules={"files": []}).start()
    try:
        with writing(folder, exporter, console.url) as client:

            def asked(query: str) -> httpx.Response:
                return console.get("/prometheus/api/v1/query", query=query)

            for _ in range(crashes):
                eventually("samples arrive", lambda: asked(WORK).json()["data"]["result"])
                before = newest(client)
                eventually("more is scraped", lambda before=before: newest(client) > before + 1)
                console.kill()
                eventually("more is scraped meanwhile", lambda before=before: newest(client) > before + 3)
                console.start()
            until, everything = newest(client), '{job="work"}[1h]'
            theirs = samples(client.get("/api/v1/query", params={"query": everything}), until)
            eventually("what was missed is sent", lambda: all_there(samples(asked(everything), until), theirs), within=120)
            assert len(theirs) > 6, "what comes and goes is among them"
            told = console.get("/prometheus/api/v1/metadata", metric=WORK).json()["data"]
            assert told == {WORK: [{"type": "counter", "help": "Work.", "unit": ""}]}
    finally:
        console.stop()
        exporter.close()


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
def test_a_console_that_is_killed_has_every_sample_in_the_end(tmp_path: Path) -> None:
    story(tmp_path, crashes=1)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
def test_a_console_that_is_killed_again_and_again_has_every_sample_in_the_end(tmp_path: Path) -> None:
    story(tmp_path, crashes=6)
