"""A real Airflow, daemon by daemon, that tests may freeze, kill and start again."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil

from opsconsole.demo.environment import airflow_environment, inherited
from tests.support.postgres import PostgresServer, free_port

TESTS = Path(__file__).parent.parent
DAEMONS = {"2": ("webserver", "scheduler", "triggerer"), "3": ("api-server", "dag-processor", "scheduler", "triggerer")}
PASSWORD = "a-password-for-tests"


def eventually(what: str, ask: Callable[[], Any], within: float = 120, every: float = 0.25) -> Any:
    """Ask until the answer is truthy; the answer. Fails with `what` when `within` seconds have passed."""
    deadline = time.monotonic() + within
    last: object = None
    while time.monotonic() < deadline:
        try:
            if last := ask():
                return last
        except (httpx.HTTPError, OSError, LookupError, ValueError) as error:
            last = error
        time.sleep(every)
    raise AssertionError(f"not within {within:.0f} s: {what} (last: {last!r})")


def plainly(url: str, timeout: float = 60, **more: Any) -> httpx.Response:
    """GET over HTTP without TLS: to read the certificates, as httpx does first, costs twenty times what the request does."""
    return httpx.get(url, timeout=timeout, trust_env=False, verify=False, **more)


def _children(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


@dataclass
class AirflowLab:
    """One deployment on LocalExecutor and PostgreSQL.

    Heartbeats are written each second, and a scheduler is unhealthy after six, unless `defaults` asks for Airflow's own.
    """

    version: str
    folder: Path
    database: str  # SQLAlchemy URL that the Airflow of this version understands
    statsd_port: int
    environment: dict[str, str] = field(default_factory=dict)
    defaults: bool = False
    console_port: int = 0
    postgres: PostgresServer | None = None  # the server behind `database`, for tests that stop it

    def __post_init__(self) -> None:
        self.generation = self.version.split(".")[0]
        self.api_port, self.scheduler_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.api_port}"
        self.dags = self.folder / "dags"
        self.dags.mkdir(parents=True)
        self.bin = airflow_environment(self.version, print)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._token = ""
        self._env = self._settings()

    def start(self, dags: Iterable[Path] = ()) -> None:
        """Migrate the database, start every daemon, wait until all report healthy."""
        for dag in dags:
            shutil.copy(dag, self.dags / dag.name)
        self.command("db", "migrate")
        if self.generation == "2":
            self.command(
                "users", "create", "-u", "admin", "-p", PASSWORD, "-r", "Admin", "-f", "a", "-l", "b", "-e", "a@example.com"
            )
        for daemon in DAEMONS[self.generation]:
            self.start_daemon(daemon)
        eventually(f"Airflow {self.version} healthy", self.healthy, within=180)

    def command(self, *arguments: str) -> str:
        done = subprocess.run([self.bin / "airflow", *arguments], env=self._env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"airflow {' '.join(arguments)}: {done.stderr[-2000:]}")
        return done.stdout

    def start_daemon(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as out:
            self.processes[name] = subprocess.Popen(
                [self.bin / "airflow", name],
                env=self._env,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def send(self, name: str, sign: signal.Signals) -> None:
        """To the daemon and all its children."""
        os.killpg(self.processes[name].pid, sign)

    def freeze(self, name: str) -> None:
        self.send(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self.send(name, signal.SIGCONT)

    def stop_daemon(self, name: str, sign: signal.Signals = signal.SIGTERM) -> None:
        process = self.processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGCONT)
            os.killpg(process.pid, sign)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):  # what it left behind
            os.killpg(process.pid, signal.SIGKILL)

    def ensure_running(self) -> None:
        """Thaw what is frozen, start again what has ended, and wait until all is healthy."""
        for name in DAEMONS[self.generation]:
            process = self.processes.get(name)
            if process is not None and process.poll() is None:
                self.thaw(name)
            if process is None or process.poll() is not None:
                if process is not None:
                    self.stop_daemon(name, signal.SIGKILL)
                self.start_daemon(name)
        eventually("Airflow healthy again", self.healthy, within=120)

    def stop(self) -> None:
        """End the daemons, and what they started in process groups of its own, such as Airflow 2's Dag processor."""
        started = [child for process in self.processes.values() for child in _children(process.pid)]
        for name in list(self.processes):
            self.stop_daemon(name, signal.SIGKILL)
        for child in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()

    def states(self) -> dict[str, str | None]:
        """What Airflow's own health report says of each component."""
        path = "/health" if self.generation == "2" else "/api/v2/monitor/health"
        answer = plainly(self.url + path, timeout=5).raise_for_status()
        return {name: component["status"] for name, component in answer.json().items()}

    def healthy(self) -> bool:
        states = self.states()
        wanted = ["metadatabase", "scheduler", "triggerer"] + (["dag_processor"] if self.generation == "3" else [])
        return all(states[name] == "healthy" for name in wanted)

    def api(self, method: str, path: str, body: object = None, **params: str) -> Any:
        """Call the REST API under its own version's base path; the answer's JSON. Raises httpx.HTTPStatusError."""
        base = f"{self.url}/api/{'v1' if self.generation == '2' else 'v2'}"
        credentials: dict[str, Any] = {"auth": ("admin", PASSWORD)} if self.generation == "2" else {"headers": self._bearer()}
        answer = httpx.request(method, base + path, json=body, params=params, timeout=30, trust_env=False, **credentials)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def unpause(self, dag_id: str, paused: bool = False) -> None:
        self.api("PATCH", f"/dags/{dag_id}", {"is_paused": paused})

    def trigger(self, dag_id: str) -> str:
        """The new run's id."""
        body = {} if self.generation == "2" else {"logical_date": None}
        return str(self.api("POST", f"/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        return str(self.api("GET", f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}")["state"])

    def knows(self, dag_id: str) -> bool:
        return any(dag["dag_id"] == dag_id for dag in self.api("GET", "/dags")["dags"])

    def _bearer(self) -> dict[str, str]:
        if not self._token:
            answer = httpx.post(
                f"{self.url}/auth/token", json={"username": "admin", "password": PASSWORD}, timeout=30, trust_env=False
            )
            self._token = answer.raise_for_status().json()["access_token"]
        return {"Authorization": f"Bearer {self._token}"}

    def _settings(self) -> dict[str, str]:
        home = self.folder / "home"
        home.mkdir()
        passwords = home / "passwords.json"
        passwords.write_text(json.dumps({"admin": PASSWORD}))
        secret = secrets.token_hex(40)
        common = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database,
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self.statsd_port),
            "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "True",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(self.scheduler_port),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "PYTHONWARNINGS": "ignore",
        }
        quick = {
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "6",
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "2",
            "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "3",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "2",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "3",
        }
        own = {
            "2": {
                "AIRFLOW__API__AUTH_BACKENDS": "airflow.api.auth.backend.basic_auth",
                "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
                "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(self.api_port),
                "AIRFLOW__WEBSERVER__BASE_URL": self.url,
                "AIRFLOW__WEBSERVER__WORKERS": "2",
                "AIRFLOW__WEBSERVER__SECRET_KEY": secret,
            },
            "3": {
                "AIRFLOW__API__HOST": "127.0.0.1",
                "AIRFLOW__API__PORT": str(self.api_port),
                "AIRFLOW__API__BASE_URL": self.url,
                "AIRFLOW__API__WORKERS": "1",
                "AIRFLOW__API__SECRET_KEY": secret,
                "AIRFLOW__API_AUTH__JWT_SECRET": secret,
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            },
        }[self.generation]
        return inherited(self.bin) | common | ({} if self.defaults else quick) | own | self.environment
