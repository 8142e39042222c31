"""A PostgreSQL server of the tests' own, which they may stop."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """A cluster in a folder and on a port of its own; user `postgres`, no password, loopback only."""

    def __init__(self) -> None:
        # Not below pytest's own folders: those are closed to the user that PostgreSQL insists to run as.
        self._folder = Path(tempfile.mkdtemp(prefix="opsconsole-postgres-"))
        self._data, self.port = self._folder / "data", free_port()
        self._bin = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres")
        self._as("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}"

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c max_connections=200"
        )
        self._as("pg_ctl", "-D", str(self._data), "-w", "-t", "60", "-l", str(self._data / "server.log"), "-o", options, "start")

    def stop(self) -> None:
        """Stop it as a crash would."""
        self._as("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")

    def remove(self) -> None:
        """Stop it for good."""
        with contextlib.suppress(RuntimeError):
            self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _as(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        done = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.strip()}")
