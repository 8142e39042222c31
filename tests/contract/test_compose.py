"""docker-compose.yaml, as docker-compose itself reads it: there is no engine here, so the console's service runs as a process."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import yaml

from tests.support.airflow import eventually
from tests.support.commands import inherited
from tests.support.postgres import free_port

ROOT = Path(__file__).parents[2]
Service = dict[str, Any]


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    """Every service with its variables and paths filled in, with the defaults that the file gives."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [shutil.which("docker-compose") or "docker-compose", "-f", str(ROOT / "docker-compose.yaml"), "config"]
    done = subprocess.run(command, env=kept, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Service] = yaml.safe_load(done.stdout)["services"]
    return found


def mounts(service: Service) -> dict[str, Path]:
    """Each path in the container with the file that stands there."""
    parts = [volume.split(":") for volume in service["volumes"]]
    return {target: Path(source) for source, target, *_ in parts if source.startswith("/")}


def test_every_file_that_is_mounted_is_there(services: dict[str, Service]) -> None:
    mounted = {target: source for service in services.values() for target, source in mounts(service).items()}
    assert set(mounted) == {"/etc/opsconsole/opsconsole.yaml", "/opt/airflow/dags/opsconsole_canary.py"}
    assert [source for source in mounted.values() if not source.is_file()] == []


def test_airflow_sends_its_statsd_where_the_console_listens(services: dict[str, Service]) -> None:
    settings = services["airflow"]["environment"]
    configuration = yaml.safe_load(mounts(services["console"])["/etc/opsconsole/opsconsole.yaml"].read_text())
    assert settings["AIRFLOW__METRICS__STATSD_HOST"] in services
    assert configuration["listeners"]["statsd"]["listen"] == f"0.0.0.0:{settings['AIRFLOW__METRICS__STATSD_PORT']}"


def test_both_know_the_same_password(services: dict[str, Service]) -> None:
    assert (
        services["airflow"]["environment"]["OPSCONSOLE_AIRFLOW_PASSWORD"]
        == (services["console"]["environment"]["AIRFLOW_PASSWORD"])
    )


def test_the_database_is_the_one_that_postgres_makes(services: dict[str, Service]) -> None:
    url, settings = urlsplit(services["console"]["environment"]["OPSCONSOLE_DATABASE_URL"]), services["postgres"]["environment"]
    assert (url.username, url.password, url.hostname, url.path) == (
        settings["POSTGRES_USER"],
        settings["POSTGRES_PASSWORD"],
        "postgres",
        f"/{settings['POSTGRES_DB']}",
    )


def test_the_image_starts_what_the_service_runs(services: dict[str, Service]) -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert 'ENTRYPOINT ["opsconsole"]' in lines
    assert "entrypoint" not in services["console"]
    copied = [line.split()[1] for line in lines if line.startswith("COPY")]
    assert [source for source in copied if not (ROOT / source).exists()] == []


@pytest.fixture
def console(services: dict[str, Service], postgres_url: str, tmp_path: Path) -> Iterator[str]:
    """The service's own command in its own environment; only the database's place, the ports and the file's place are ours."""
    service, port, statsd = services["console"], free_port(), free_port()
    ((inside, source),) = mounts(service).items()
    configuration = source.read_text()
    assert configuration.count("0.0.0.0:8600") == configuration.count("0.0.0.0:8125") == 1
    file = tmp_path / "opsconsole.yaml"
    file.write_text(configuration.replace("0.0.0.0:8600", f"127.0.0.1:{port}").replace("0.0.0.0:8125", f"127.0.0.1:{statsd}"))
    command = [str(file) if word == inside else word for word in service["command"]]
    assert str(file) in command
    with (tmp_path / "console.log").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "opsconsole", *command],
            cwd=tmp_path,
            env=inherited(tmp_path) | service["environment"] | {"OPSCONSOLE_DATABASE_URL": postgres_url},
            stdout=out,
            stderr=out,
        )
    try:
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()


def test_the_console_starts_with_the_composes_own_environment_and_command(
    services: dict[str, Service], console: str, postgres_url: str
) -> None:
    def ready() -> bool:
        return httpx.get(f"{console}/readyz", timeout=60, trust_env=False).status_code == 200

    eventually("ready", ready)
    health = httpx.get(f"{console}/health/local", timeout=60, trust_env=False)  # no Airflow is there: known, and not ok
    assert (health.status_code, "unknown" in health.text) == (503, True)
    ping = urlsplit(services["airflow"]["environment"]["OPSCONSOLE_PING_URL"])
    assert (ping.hostname, ping.port) == ("console", 8600)
    assert httpx.get(console + ping.path, timeout=60, trust_env=False).status_code == 200
    with psycopg.connect(postgres_url.replace("postgresql+psycopg:", "postgresql:")) as database:
        assert database.execute("select slug, deployment, pings from checks").fetchall() == [("local-canary", "local", 1)]
