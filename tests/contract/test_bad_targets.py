"""Deployments that misbehave, each beside one that does not: what is wrong is said in a line, and the other is watched on."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.airflow import eventually
from tests.support.canned_airflow import Manner, canned_airflow
from tests.support.console import ConsoleProcess
from tests.support.postgres import free_port

MANNERS: tuple[Manner, ...] = ("well", "html", "huge", "hangs", "drips", "refuses", "hour_off")
LOGIN = {"username": "admin", "password": "a-password-that-must-not-show"}


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleProcess]:
    """One console that watches every kind of Airflow, and one that is not there."""
    with ExitStack() as stack:
        urls: dict[str, str] = {manner: stack.enter_context(canned_airflow(manner)) for manner in MANNERS}
        urls["absent"] = f"http://127.0.0.1:{free_port()}"
        deployments = [{"name": name, "url": url, "auth": LOGIN, "interval": "2s"} for name, url in urls.items()]
        running = ConsoleProcess(tmp_path_factory.mktemp("console"), deployments=deployments).start()
        yield running
        assert running.stop() == 0


def health(console: ConsoleProcess, name: str) -> tuple[int, str]:
    answer = console.get(f"/health/{name}")
    return answer.status_code, answer.text


def error_of(console: ConsoleProcess, name: str, collector: str) -> str:
    """The reason that the log gives, once."""
    lines = [line for line in console.output().splitlines() if f"deployment={name} collector={collector} " in line]
    return lines[0].partition("error=")[2] if lines else ""


def test_the_well_behaved_one_is_ok_beside_all_the_others(console: ConsoleProcess) -> None:
    eventually("ok", lambda: health(console, "well")[0] == 200)


def test_an_airflow_whose_clock_is_an_hour_off_is_ok_too(console: ConsoleProcess) -> None:
    eventually("ok", lambda: health(console, "hour_off")[0] == 200)


@pytest.mark.parametrize(
    ("name", "collector", "words"),
    [
        ("absent", "airflow_health", ("connection",)),
        ("html", "airflow_health", ("no Airflow API",)),
        ("huge", "airflow_health", ("larger", "MiB")),
        ("hangs", "airflow_health", ("no answer", "timeout", "timed out")),
        ("drips", "airflow_health", ("no answer", "timeout", "timed out")),
        ("refuses", "airflow_pools", ("credential", "password", "log in", "login", "401")),
    ],
)
def test_what_is_wrong_is_said_in_one_line(console: ConsoleProcess, name: str, collector: str, words: tuple[str, ...]) -> None:
    error = eventually(f"{name} fails", lambda: error_of(console, name, collector))
    assert any(word.lower() in error.lower() for word in words), error


@pytest.mark.parametrize("name", ["absent", "html", "huge", "hangs", "drips"])
def test_what_does_not_answer_is_unknown_and_never_ok(console: ConsoleProcess, name: str) -> None:
    eventually(f"{name} fails", lambda: error_of(console, name, "airflow_health"))
    status, text = health(console, name)
    assert status == 503
    assert "unknown" in text, text


def test_no_secret_is_in_the_log_or_on_a_page(console: ConsoleProcess) -> None:
    secret = LOGIN["password"]
    pages = [console.get(path) for path in ("/", "/incidents", "/deployments/well", "/rules", "/metrics")]
    assert {page.status_code for page in pages} == {200}
    assert secret not in console.output()
    assert not [page for page in pages if secret in page.text]


def test_the_console_itself_stays_ready(console: ConsoleProcess) -> None:
    assert console.get("/readyz").status_code == 200
    assert console.get("/livez").status_code == 200


def test_a_read_only_database_is_said_in_one_line(tmp_path: Path) -> None:
    console = ConsoleProcess(tmp_path, storage={"url": "sqlite:////proc/opsconsole.db"})
    try:
        console.start(wait=False)
        eventually("it ended", lambda: console.ended() is not None)
        assert console.ended() == 1
        assert "Traceback" not in console.output()
        assert "database" in console.output()
    finally:
        console.kill()


def test_a_port_in_use_is_said_in_one_line_with_the_mend(tmp_path: Path) -> None:
    first = ConsoleProcess(tmp_path / "first").start()
    second = ConsoleProcess(tmp_path / "second", port=first.port)
    try:
        second.start(wait=False)
        eventually("it ended", lambda: second.ended() is not None)
        assert second.ended() == 1
        lines = second.output().strip().splitlines()
        assert len(lines) == 1, lines
        assert str(first.port) in lines[0]
        assert "server.listen" in lines[0]
    finally:
        second.kill()
        first.stop()


def test_a_statsd_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    first = ConsoleProcess(tmp_path / "first").start()
    second = ConsoleProcess(tmp_path / "second", statsd_port=first.statsd_port)
    try:
        second.start(wait=False)
        eventually("it ended", lambda: second.ended() is not None)
        assert second.ended() == 1
        assert "Traceback" not in second.output()
        assert str(first.statsd_port) in second.output()
    finally:
        second.kill()
        first.stop()
