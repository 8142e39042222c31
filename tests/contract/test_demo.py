"""`opsconsole demo` as people start and end it, with a real Airflow."""

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from opsconsole.demo import keeper
from opsconsole.demo.environment import airflow_environment
from opsconsole.demo.showing import VERSION
from tests.support.airflow import eventually
from tests.support.commands import inherited
from tests.support.postgres import free_port

KEEPER = str(keeper.__file__)
DAEMONS = {"api_server", "dag-processor", "scheduler", "triggerer"}
pytestmark = pytest.mark.timeout(1200)


class Demo:
    """A demo whose cache is its own but for Airflow's environment, which is the user's."""

    def __init__(self, folder: Path) -> None:
        self._log, self.cache = folder / "demo.log", folder / "cache"
        cache = self.cache
        cache.mkdir()
        installed = airflow_environment(VERSION, print).parent
        (cache / installed.name).symlink_to(installed)
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        command = [sys.executable, "-m", "opsconsole", "demo", "--cache", str(cache), "--listen", f"127.0.0.1:{port}"]
        self._session = 0
        with self._log.open("wb") as out:
            self.process = subprocess.Popen(command, cwd=folder, env=inherited(folder), stdout=out, stderr=out)

    @property
    def said(self) -> str:
        return self._log.read_text()

    def told(self, pattern: str) -> str:
        """What it says in the pattern's group, once it does."""
        match = eventually(f"it says {pattern!r}", lambda: re.search(pattern, self._running()), within=240)
        return str(match[1])

    def _running(self) -> str:
        assert self.process.poll() is None, self.said
        return self.said

    def airflow(self) -> list[psutil.Process]:
        """Every process of its Airflow's session, wherever it hangs in the tree."""
        if self._session == 0 and self.process.poll() is None:
            keepers = [child for child in _children(psutil.Process(self.process.pid)) if KEEPER in _line(child)]
            leaders = [child.pid for one in keepers for child in _children(one) if _session(child) == child.pid]
            self._session = leaders[0] if leaders else 0
        return [process for process in psutil.process_iter() if self._session and _session(process) == self._session]

    def daemons(self) -> set[str]:
        assert self.process.poll() is None, self.said
        lines = [_line(process) for process in self.airflow()]
        return {name for name in DAEMONS if any(name in line for line in lines)}

    def end(self, sign: signal.Signals) -> int:
        """Its exit status, when all of its Airflow has ended too."""
        eventually("its Airflow is there", self.airflow)
        self.process.send_signal(sign)
        status = self.process.wait(120)
        eventually("nothing of Airflow is left", lambda: not self.airflow())
        return status

    def remove(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for process in self.airflow():
            with suppress(psutil.Error):
                process.kill()


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.Error:
        return []


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _session(process: psutil.Process) -> int:
    try:
        return 0 if process.status() == psutil.STATUS_ZOMBIE else os.getsid(process.pid)
    except (psutil.Error, ProcessLookupError):
        return 0


def ask(url: str) -> httpx.Response:
    return httpx.get(url, timeout=60, trust_env=False)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    showing = Demo(tmp_path)
    try:
        yield showing
    finally:
        showing.remove()


def test_it_tells_where_all_is_and_interrupted_it_leaves_nothing(demo: Demo) -> None:
    assert demo.told(r"opsconsole is at (\S+)") == f"{demo.url}/"
    login = demo.told(r"First login: admin, password (\S+)")
    inbox = demo.told(r"(http://\S+/inbox)")
    assert "Inbox" in ask(inbox).text
    airflow = demo.told(r"(http://\S+/) \(admin / \S+\)")
    demo.told(r"(Airflow is healthy)")
    file = Path(demo.told(r"--config (\S+)"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ask(f"{airflow}api/v2/version").json()["version"] == VERSION
    with httpx.Client(base_url=demo.url, timeout=60, trust_env=False, follow_redirects=True) as http:
        page = http.post("/login", data={"name": "admin", "password": login})
        assert (page.status_code, "/deployments/demo" in page.text) == (200, True)
    eventually("its Airflow is ok", lambda: ask(f"{demo.url}/health/demo").status_code == 200, within=600)
    found = subprocess.run(
        [sys.executable, "-m", "opsconsole", "query", "airflow_component_up", "--config", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, 'deployment="demo"' in found.stdout) == (0, True), found
    eventually("every daemon is there", lambda: demo.daemons() == DAEMONS)
    assert demo.end(signal.SIGINT) == 0
    assert "Traceback" not in demo.said


def test_killed_while_airflow_starts_it_leaves_no_airflow(demo: Demo) -> None:
    eventually("Airflow starts", lambda: demo.daemons() == DAEMONS, within=240)
    assert demo.end(signal.SIGKILL) == -signal.SIGKILL


def test_a_second_one_in_the_same_folder_is_refused_and_takes_nothing_from_the_first(demo: Demo) -> None:
    demo.told(r"(opsconsole is at)")
    second = subprocess.run(
        [sys.executable, "-m", "opsconsole", "demo", "--cache", str(demo.cache), "--listen", f"127.0.0.1:{free_port()}"],
        env=inherited(demo.cache),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (second.returncode, second.stderr.startswith("a demo is running in ")) == (1, True), second.stderr
    assert (demo.cache / "demo" / "opsconsole.db").is_file()
    assert demo.end(signal.SIGINT) == 0


@pytest.mark.soak
@pytest.mark.timeout(2400)
def test_its_sample_failure_reaches_the_inbox_and_killed_it_leaves_no_airflow(demo: Demo) -> None:
    inbox = demo.told(r"(http://\S+/inbox)")

    def received() -> bool:
        articles = ask(inbox).text.split("<article")[1:]
        failures = [article for article in articles if "sample_failure" in article]
        return all(any(tag in article for article in failures) for tag in ("Slack</span>", "E-mail</span>"))

    # It fails every five minutes and a retry; the first time may be before the console's first look.
    eventually("Slack's message and the e-mail are there", received, within=1500)
    eventually("every daemon is there", lambda: demo.daemons() == DAEMONS)
    assert demo.end(signal.SIGKILL) == -signal.SIGKILL


def kept(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, KEEPER, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_the_keeper_hands_on_how_its_command_ended() -> None:
    process = kept(sys.executable, "-c", "raise SystemExit(7)")
    assert process.wait(120) == 7


def test_the_keeper_ends_what_hides_in_a_group_of_its_own() -> None:
    hidden = "import os, time; os.fork() or os.setpgid(0, 0); os.write(1, b'%d\\n' % os.getpid()); time.sleep(600)"
    process = kept(sys.executable, "-c", hidden)
    assert process.stdin is not None
    assert process.stdout is not None
    family = [int(process.stdout.readline()) for _ in range(2)]
    assert os.getpgid(family[0]) != os.getpgid(family[1])
    process.stdin.close()
    assert process.wait(120) != 0
    assert [process.pid for process in psutil.process_iter() if process.pid in family and _session(process)] == []
