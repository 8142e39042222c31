"""The console as its users run it: a process of its own, with a configuration file."""

import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.airflow import eventually, plainly
from tests.support.commands import inherited
from tests.support.postgres import free_port

API_KEY = "an-api-key-for-tests"
PING_KEY = "a-ping-key-for-tests"


class ConsoleProcess:
    """`opsconsole serve --config FILE` on loopback; its files stand in `folder` and outlive a crash."""

    def __init__(self, folder: Path, *, port: int | None = None, statsd_port: int | None = None, **sections: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port, self.statsd_port = folder, port or free_port(), statsd_port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.file, self.log = folder / "opsconsole.yaml", folder / "console.log"
        self.configuration: dict[str, Any] = {
            "server": {"listen": f"127.0.0.1:{self.port}"},
            "storage": {"url": "sqlite:///console.db"},
            "auth": {"api_keys": [{"name": "tests", "key": API_KEY, "role": "admin"}]},
            "listeners": {"statsd": {"listen": f"127.0.0.1:{self.statsd_port}"}},
            "heartbeats": {"ping_key": PING_KEY, **sections.pop("heartbeats", {})},
            **sections,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True, environment: dict[str, str] | None = None) -> "ConsoleProcess":
        self.file.write_text(yaml.safe_dump(self.configuration, sort_keys=False))
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "opsconsole", "serve", "--config", str(self.file)],
                env=inherited(self.folder) | (environment or {}),
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
            )
        if wait:
            try:
                eventually("the console is ready", self.ready, within=300)
            except BaseException:
                self.kill()
                raise
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def ready(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise AssertionError(f"the console ended:\n{self.output()[-3000:]}")
        return plainly(f"{self.url}/readyz", timeout=10).status_code == 200

    def ended(self) -> int | None:
        """Its exit status, or None while it runs."""
        return None if self._process is None else self._process.poll()

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def kill(self) -> None:
        """As a crash or the kernel would: SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Politely; the exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, sign: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(sign)
        try:
            return process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    @property
    def password(self) -> str:
        """Of the first user, as it was printed once."""
        match = re.search(r"admin.*?password[^\w]*([\w-]{8,})", self.output())
        assert match, f"no password was printed:\n{self.output()[-2000:]}"
        return match[1]

    def get(self, path: str, **params: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        return plainly(self.url + path, params=params, headers=headers)

    def ping(self, slug: str, action: str = "") -> httpx.Response:
        return plainly(f"{self.url}/ping/{PING_KEY}/{slug}{action}")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What its database says, read beside it."""
        with closing(sqlite3.connect(f"file:{self.folder / 'console.db'}?mode=ro", uri=True, timeout=30)) as db:
            return db.execute(sql).fetchall()

    def steps(self, loop: str) -> int:
        """How often the loop of that name has run its step since the start."""
        told = self.get("/metrics").text
        count = re.search(rf'^opsconsole_loop_step_duration_seconds_count{{loop="{loop}"}} (\d+)', told, re.MULTILINE)
        return int(count[1]) if count else 0

    @property
    def ping_url(self) -> str:
        return f"{self.url}/ping/{PING_KEY}"
