"""`airflow standalone`, as a child that never outlives the console."""

import asyncio
import contextlib
import json
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from opsconsole.clock import Clock
from opsconsole.demo import keeper
from opsconsole.demo.environment import inherited
from opsconsole.model import OpsConsoleError

HEALTHY_WITHIN = 180  # seconds; about 25 on an idle machine


@dataclass(frozen=True)
class Ports:
    api: int
    scheduler_health: int
    statsd: int
    worker_logs: int
    triggerer_logs: int


class LocalAirflow:
    """One Airflow 3 with all its daemons on SQLite. It begins anew each time, so no task that Ctrl-C ended is told as failed."""

    def __init__(self, bin_folder: Path, home: Path, ports: Ports, extra: dict[str, str]) -> None:
        self._bin, self._home, self._ports, self._extra = bin_folder, home, ports, extra
        self.password = secrets.token_urlsafe(9)
        self.url = f"http://127.0.0.1:{ports.api}"
        self.log = home / "standalone.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, dags: list[Path]) -> None:
        """Start it with the given Dag files; returns at once."""
        self._lay_out(dags)
        with self.log.open("wb") as out:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(keeper.__file__),
                str(self._bin / "airflow"),
                "standalone",
                env=self._environment(),
                stdout=out,
                stderr=out,
                stdin=asyncio.subprocess.PIPE,
                start_new_session=True,
            )

    async def healthy(self, clock: Clock) -> None:
        """Wait until the API server answers. Raises OpsConsoleError where it ended or took too long."""
        deadline = clock.monotonic() + HEALTHY_WITHIN
        async with httpx.AsyncClient(timeout=2, trust_env=False) as http:
            while clock.monotonic() < deadline:
                if self._process is None or self._process.returncode is not None:
                    raise OpsConsoleError(f"Airflow ended while starting; its log is {self.log}")
                with contextlib.suppress(httpx.HTTPError):
                    if (await http.get(f"{self.url}/api/v2/monitor/health")).status_code == 200:
                        return
                await clock.sleep(0.5)
        raise OpsConsoleError(f"Airflow was not healthy after {HEALTHY_WITHIN} s; its log is {self.log}")

    async def stop(self) -> None:
        """End every process of it: politely, then not."""
        process = self._process
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        await process.wait()

    def _lay_out(self, dags: list[Path]) -> None:
        folder = self._home / "dags"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for dag in dags:
            shutil.copy(dag, folder / dag.name)
        for old in self._home.glob("airflow.db*"):
            old.unlink()
        passwords = self._home / "passwords.json"
        passwords.write_text(json.dumps({"admin": self.password}))
        passwords.chmod(0o600)

    def _environment(self) -> dict[str, str]:
        ports = self._ports
        return inherited(self._bin) | {
            "AIRFLOW_HOME": str(self._home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self._home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "6",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._home / "passwords.json"),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(ports.api),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "15",
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(ports.statsd),
            "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "True",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(ports.scheduler_health),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(ports.worker_logs),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports.triggerer_logs),
            "PYTHONWARNINGS": "ignore",
            **self._extra,
        }
