"""Real Airflows, each started once by the module that needs it, and a fresh console for every test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser

from tests.support.airflow import PASSWORD, AirflowLab
from tests.support.browser import chromium
from tests.support.console import ConsoleProcess
from tests.support.far_ends import Recording
from tests.support.postgres import PostgresServer, free_port

DAGS = sorted((Path(__file__).parent / "dags").glob("*.py"))
CANARY = Path(__file__).parents[2] / "canary_dags" / "opsconsole_canary.py"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server that a test may stop."""
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


def _lab(version: str, postgres: PostgresServer, folder: Path) -> Iterator[AirflowLab]:
    name = f"airflow_{version[0]}"
    with psycopg.connect(f"{postgres.url}/postgres", autocommit=True) as admin:
        admin.execute(f"drop database if exists {name} with (force)")  # of a module before
        admin.execute(f"create database {name}")
    database = f"{postgres.url.replace('postgresql:', 'postgresql+psycopg2:')}/{name}"
    console_port = free_port()
    lab = AirflowLab(
        version,
        folder / "airflow",
        database,
        free_port(),
        # The console of each test listens on this port, so that the canary and StatsD find it.
        environment={"OPSCONSOLE_PING_URL": f"http://127.0.0.1:{console_port}/ping/a-ping-key-for-tests/canary"},
    )
    lab.console_port, lab.postgres = console_port, postgres
    try:
        lab.start([*DAGS, CANARY])
        yield lab
    finally:
        lab.stop()


@pytest.fixture(scope="module")
def airflow3(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowLab]:
    yield from _lab("3.3.2", postgres, tmp_path_factory.mktemp("airflow3"))


@pytest.fixture(scope="module")
def airflow2(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowLab]:
    yield from _lab("2.11.2", postgres, tmp_path_factory.mktemp("airflow2"))


@pytest.fixture
def far_ends(tmp_path: Path) -> Iterator[Recording]:
    with Recording(tmp_path) as recording:
        yield recording


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Ends with these tests: its event loop would be in the way of asynchronous ones after them."""
    with chromium() as running:
        yield running


Watching = Callable[..., ConsoleProcess]


@pytest.fixture
def watching(tmp_path: Path, far_ends: Recording) -> Iterator[Watching]:
    """`watching(lab, **sections)`: a console that watches the lab as `prod` and tells the recording far ends.

    With `health_only` it hears neither StatsD nor the scheduler's own port.
    """
    started: list[ConsoleProcess] = []

    def start(
        lab: AirflowLab, canary: dict[str, Any] | None = None, *, health_only: bool = False, **sections: Any
    ) -> ConsoleProcess:
        console = ConsoleProcess(
            tmp_path / f"console{len(started)}",
            port=lab.console_port,
            statsd_port=None if health_only else lab.statsd_port,
            deployments=[deployment(lab) | ({"components": {}} if health_only else {})],
            heartbeats={"checks": [canary or {"slug": "canary", "deployment": "prod", "period": "1h", "grace": "1h"}]},
            alerting={"route": {"receiver": "oncall", "group_wait": "1s"}, "receivers": [far_ends.receiver()]},
            **sections,
        )
        started.append(console)
        return console.start()

    yield start
    for console in started:
        console.stop()


def deployment(lab: AirflowLab, name: str = "prod") -> dict[str, Any]:
    return {
        "name": name,
        "url": lab.url,
        "auth": {"username": "admin", "password": PASSWORD},
        "interval": "3s",
        "components": {"scheduler": {"health_url": f"http://127.0.0.1:{lab.scheduler_port}/health"}},
    }
