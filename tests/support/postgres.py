"""A PostgreSQL server of the tests' own, which they may stop."""

import contextlib
import fcntl
import os
import random
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import psutil

_GIVEN: set[int] = set()
_CLAIMS = Path(tempfile.gettempdir(), f"opsconsole-tests-{os.geteuid()}.ports").open("ab")  # noqa: SIM115 - as long as we live


def free_port() -> int:
    """A port that nobody has now, by TCP or UDP, and that no one is told twice, here or in another process of tests.

    It stands below those that the kernel gives to whoever asks for any: no connection and no other server of the machine
    gets it before it is used, and as long as it is not, connections to it are refused.
    """
    for port in random.SystemRandom().sample(range(20_000, _first_that_the_kernel_gives()), 200):
        if port not in _GIVEN and _claimed(port) and _is_free(port):
            _GIVEN.add(port)
            return port
    raise AssertionError("no free port in 200 looks")


def _claimed(port: int) -> bool:
    """Whether it is ours among all tests that run on the machine: a lock on a byte of a file, which ends with the process."""
    try:
        fcntl.lockf(_CLAIMS, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def _first_that_the_kernel_gives() -> int:
    """Where it gives nearly all, as some containers are set, there are none below."""
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 32_768
    return first if first > 21_000 else 60_000


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        stream.bind(("127.0.0.1", port))
        datagrams.bind(("127.0.0.1", port))
        return True
    return False


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
        self._as("pg_ctl", "-D", str(self._data), "-w", "-t", "120", "-l", str(self._data / "server.log"), "-o", options, "start")

    def stop(self) -> None:
        """Stop it as a crash would."""
        self._as("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "-t", "120", "stop")

    def pids(self) -> list[int]:
        """Of all its processes, the first one first."""
        first = psutil.Process(int((self._data / "postmaster.pid").read_text().split()[0]))
        return [first.pid, *(child.pid for child in first.children(recursive=True))]

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
