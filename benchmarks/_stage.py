"""What benchmarks stand on: a real Airflow with its own thresholds, and a console with its shipped settings watching it."""

import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import psycopg  # noqa: E402 - the line above makes the tests' stage importable wherever a benchmark is started

from tests.support.airflow import PASSWORD, AirflowLab, eventually  # noqa: E402
from tests.support.console import PING_KEY, ConsoleProcess  # noqa: E402
from tests.support.postgres import PostgresServer, free_port  # noqa: E402

CANARY = ROOT / "canary_dags" / "opsconsole_canary.py"


def run(main: Callable[[], int]) -> int:
    """`main`, so that a polite end (SIGTERM) leaves no Airflow behind either."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return main()


def machine() -> str:
    """The size of this machine, in a line; the clock's speed is not known everywhere."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )


@contextmanager
def folder() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="opsconsole-bench-"))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def airflow(version: str, place: Path) -> Iterator[AirflowLab]:
    """One deployment with Airflow's default thresholds, on a PostgreSQL of its own, with the canary and StatsD on."""
    server = PostgresServer()
    lab = None
    try:
        server.start()
        with psycopg.connect(f"{server.url}/postgres", autocommit=True) as admin:
            admin.execute("create database airflow")
        port = free_port()
        lab = AirflowLab(
            version,
            place / "airflow",
            f"{server.url.replace('postgresql:', 'postgresql+psycopg2:')}/airflow",
            free_port(),
            environment={"OPSCONSOLE_PING_URL": f"http://127.0.0.1:{port}/ping/{PING_KEY}/canary"},
            defaults=True,
            console_port=port,
            postgres=server,
        )
        lab.start([CANARY])
        yield lab
    finally:
        if lab is not None:
            lab.stop()
        server.remove()


@contextmanager
def console(lab: AirflowLab, place: Path, **sections: Any) -> Iterator[ConsoleProcess]:
    """A console that watches the lab as `prod`, with the shipped intervals, waits and rules."""
    process = ConsoleProcess(
        place / "console",
        port=lab.console_port,
        statsd_port=lab.statsd_port,
        deployments=[deployment(lab)],
        heartbeats={"checks": [{"slug": "canary", "deployment": "prod", "period": "5m", "grace": "2m"}]},
        **sections,
    )
    try:
        yield process.start()
    finally:
        process.stop()


def deployment(lab: AirflowLab) -> dict[str, Any]:
    return {
        "name": "prod",
        "url": lab.url,
        "auth": {"username": "admin", "password": PASSWORD},
        "components": {"scheduler": {"health_url": f"http://127.0.0.1:{lab.scheduler_port}/health"}},
    }


def well(watched: ConsoleProcess, within: float = 180) -> None:
    """Wait until the console finds everything well."""
    eventually("prod is ok", lambda: watched.get("/health/prod").status_code == 200, within=within)
