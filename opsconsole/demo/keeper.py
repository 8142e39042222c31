"""Runs a command that never outlives who started it: `python keeper.py COMMAND…`.

Standard input is the tie: when it closes, because its other end was closed or died however it died, the command's whole
session is ended, politely first. The command ends the keeper, and what it left behind, too. Needs nothing but Python.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_STEP = 0.2  # seconds between two looks
_POLITE, _FIRM = 15.0, 5.0  # seconds for what was asked to end, and for what was killed


def main(command: list[str]) -> int:
    """The command's exit status."""
    ended = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to who started it
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    waits: tuple[Callable[[], object], ...] = (_tie_broken, child.wait)
    for wait in waits:
        threading.Thread(target=_then, args=(wait, ended), daemon=True).start()
    ended.wait()
    for sign, patience in ((signal.SIGTERM, _POLITE), (signal.SIGKILL, _FIRM)):
        if _ended(child.pid, sign, patience):
            break
    return child.wait(_FIRM)


def _tie_broken() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass


def _then(wait: Callable[[], object], ended: threading.Event) -> None:
    with contextlib.suppress(OSError):
        wait()
    ended.set()


def _ended(session: int, sign: signal.Signals, patience: float) -> bool:
    """Whether nothing of the session is left `patience` seconds after it got the signal."""
    for pid in _living(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)
    for _ in range(int(patience / _STEP)):
        if not list(_living(session)):
            return True
        time.sleep(_STEP)
    return False


def _living(session: int) -> Iterator[int]:
    """The processes of the session; where there is no /proc, those of its leader's group."""
    for pid, own, state in _processes():
        if own == session and not state.startswith("Z"):
            yield pid


def _processes() -> Iterator[tuple[int, int, str]]:
    if sys.platform != "linux":
        listed = subprocess.run(["ps", "-axo", "pid=,pgid=,stat="], capture_output=True, text=True, check=False).stdout
        yield from ((int(pid), int(group), state) for pid, group, state, *_ in map(str.split, listed.splitlines()))
        return
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _parent, _group, session, *_ = stat.read_text().rpartition(")")[2].split()
            yield int(stat.parent.name), int(session), state


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
