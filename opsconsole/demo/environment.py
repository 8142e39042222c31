"""A real Apache Airflow in an environment of its own, installed once into a cache folder."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from platformdirs import user_cache_path

from opsconsole import content
from opsconsole.model import OpsConsoleError


def airflow_environment(version: str, say: Callable[[str], None], cache: Path | None = None) -> Path:
    """The `bin` folder of an environment with Airflow `version`, made now where it is not there yet.

    Versions are pinned with hashes in `requirements/airflow-<version>.txt`. Raises OpsConsoleError where the
    installation fails, with the installer's last words.
    """
    pins = content.folder("requirements") / f"airflow-{version}.txt"
    home = (cache or user_cache_path("opsconsole")) / f"airflow-{version}"
    stamp, wanted = home / ".ready", hashlib.sha256(pins.read_bytes()).hexdigest()
    if _has(stamp, wanted):
        return home / "bin"
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be installing it: then wait for that
        if not _has(stamp, wanted):
            say(f"Installing Apache Airflow {version} into {home} (once)")
            shutil.rmtree(home, ignore_errors=True)
            for command in _commands(home, pins):
                _run(command)
            stamp.write_text(wanted)
    return home / "bin"


def _has(stamp: Path, wanted: str) -> bool:
    return stamp.is_file() and stamp.read_text() == wanted


def inherited(bin_folder: Path) -> dict[str, str]:
    """This process's environment as a child Airflow may have it: no other Airflow's settings, its own `bin` first."""
    foreign = ("AIRFLOW", "OTEL_", "VIRTUAL_ENV", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {"PATH": f"{bin_folder}:{kept.get('PATH', '')}"}


def _commands(home: Path, pins: Path) -> list[list[str]]:
    python = str(home / "bin" / "python")
    try:
        from uv import find_uv_bin
    except ImportError:
        return [
            [sys.executable, "-m", "venv", str(home)],
            [python, "-m", "pip", "install", "-q", "--require-hashes", "-r", str(pins)],
        ]
    uv = find_uv_bin()
    return [
        [uv, "venv", "-q", "--python", sys.executable, str(home)],
        [uv, "pip", "install", "-q", "--python", python, "--require-hashes", "-r", str(pins)],
    ]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no words").splitlines()[-1]
        raise OpsConsoleError(f"{Path(command[0]).name} could not install Airflow: {last}")
