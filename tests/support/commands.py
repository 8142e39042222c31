"""`opsconsole …` as people type it: a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Done:
    """How a command ended, and the lines it wrote."""

    status: int
    out: list[str]
    err: list[str]


def opsconsole(*arguments: str, cwd: Path, environment: Mapping[str, str] | None = None, program: Sequence[str] = ()) -> Done:
    """Run to its end; `program` is another way to call it than `python -m opsconsole`."""
    done = subprocess.run(
        [*(program or (sys.executable, "-m", "opsconsole")), *arguments],
        cwd=cwd,
        env=inherited(cwd) | dict(environment or {}),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=240,
        check=False,
    )
    return Done(done.returncode, done.stdout.splitlines(), done.stderr.splitlines())


def inherited(home: Path) -> dict[str, str]:
    """This process's environment, with data and cache in `home` and no console's or proxy's settings of the machine's own."""
    foreign = ("OPSCONSOLE_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(foreign)}
    return kept | {"XDG_DATA_HOME": str(home / "data"), "COLUMNS": "200"}
