"""`opsconsole serve` as a process: its end, its reload, its data, its proxies, its secrets."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.airflow import eventually
from tests.support.canned_airflow import canned_airflow
from tests.support.commands import inherited
from tests.support.console import API_KEY, ConsoleProcess
from tests.support.postgres import free_port

LOGIN = {"username": "admin", "password": "the-airflow-password"}


def deployment(name: str, url: str) -> dict[str, Any]:
    return {"name": name, "url": url, "auth": LOGIN, "interval": "1s"}


def names(console: ConsoleProcess) -> set[str]:
    """The deployments that the overview links to."""
    return set(re.findall(r'href="[^"]*/deployments/([\w-]+)"', console.get("/").text))


@contextmanager
def signed_in(console: ConsoleProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=console.url, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=60, trust_env=False) as http:
        yield http


def test_sigterm_ends_it_well_though_a_page_listens_and_an_airflow_hangs(tmp_path: Path) -> None:
    with canned_airflow("hangs") as hanging:
        console = ConsoleProcess(tmp_path, deployments=[deployment("slow", hanging)]).start()
        try:
            eventually("it asks the Airflow", lambda: "collector=airflow_health" in console.output())
            with signed_in(console) as http, http.stream("GET", "/events") as events:
                lines = events.iter_lines()
                assert next(lines) == "retry: 2000"
                os.kill(console.pid, signal.SIGTERM)
                assert "stopped listening" not in list(lines)  # the stream is ended, not broken off
        finally:
            assert console.stop() == 0
    assert "Traceback" not in console.output()


@pytest.fixture
def two_airflows() -> Iterator[tuple[str, str]]:
    with canned_airflow() as one, canned_airflow() as two:
        yield one, two


def test_sighup_applies_a_good_file_and_refuses_a_bad_one(tmp_path: Path, two_airflows: tuple[str, str]) -> None:
    one, two = two_airflows
    console = ConsoleProcess(tmp_path, deployments=[deployment("first", one)]).start()
    good = console.file.read_text()
    try:
        assert names(console) == {"first"}

        console.file.write_text(good + "alertin: {}\n")
        os.kill(console.pid, signal.SIGHUP)
        eventually("it says why", lambda: "unknown key 'alertin'" in console.output())
        assert f"opsconsole.yaml:{len(good.splitlines()) + 1}: unknown key" in console.output()
        assert names(console) == {"first"}

        console.configuration["deployments"].append({**deployment("second", two), "statsd_prefix": "second"})
        console.file.write_text(yaml.safe_dump(console.configuration, sort_keys=False))
        os.kill(console.pid, signal.SIGHUP)
        eventually("the new deployment is there", lambda: names(console) == {"first", "second"})
        eventually("and watched", lambda: console.get("/health/second").status_code == 200)
    finally:
        assert console.stop() == 0


def test_the_reload_page_answers_with_the_problems_or_reloads(tmp_path: Path, two_airflows: tuple[str, str]) -> None:
    one, two = two_airflows
    console = ConsoleProcess(tmp_path, deployments=[deployment("first", one)]).start()
    good = console.file.read_text()
    try:
        with signed_in(console) as http:
            console.file.write_text(good + "alertin: {}\n")
            refused = http.post("/-/reload")
            assert refused.status_code == 422
            assert "unknown key 'alertin'" in refused.text
            assert "the running configuration stays" in refused.text
            assert names(console) == {"first"}

            console.configuration["deployments"] = [deployment("other", two)]
            console.file.write_text(yaml.safe_dump(console.configuration, sort_keys=False))
            assert http.post("/-/reload").status_code == 202
        eventually("the other deployment is there", lambda: names(console) == {"other"})
        assert httpx.post(f"{console.url}/-/reload", timeout=60, trust_env=False).status_code in (401, 403)
    finally:
        assert console.stop() == 0


def reloaded(console: ConsoleProcess, **sections: Any) -> None:
    console.configuration |= sections
    console.file.write_text(yaml.safe_dump(console.configuration, sort_keys=False))
    os.kill(console.pid, signal.SIGHUP)


def test_a_reload_moves_to_other_addresses(tmp_path: Path) -> None:
    console = ConsoleProcess(tmp_path).start()
    try:
        console.port, old = free_port(), console.url
        console.url = f"http://127.0.0.1:{console.port}"
        reloaded(
            console,
            server={"listen": f"127.0.0.1:{console.port}"},
            listeners={"statsd": {"listen": f"127.0.0.1:{free_port()}"}},
        )
        eventually("it is at the new one", console.ready)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{old}/livez", timeout=60, trust_env=False)
    finally:
        assert console.stop() == 0


def found(console: ConsoleProcess, query: str) -> set[str]:
    """The deployments of the series that a query finds now."""
    answer = console.get("/prometheus/api/v1/query", query=query).json()
    return {one["metric"]["deployment"] for one in answer["data"]["result"]}


def test_series_end_at_once_where_a_reload_switches_their_source_off(tmp_path: Path, two_airflows: tuple[str, str]) -> None:
    one, two = two_airflows
    own = {**deployment("own", two), "statsd": {"listen": f"127.0.0.1:{free_port()}"}}
    console = ConsoleProcess(tmp_path, deployments=[deployment("shared", one), own]).start()
    gauge, every = "airflow_dagbag_size", "airflow_dagbag_size[5m]"

    def send() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for port in (console.statsd_port, int(own["statsd"]["listen"].rpartition(":")[2])):
                sock.sendto(b"airflow.dagbag_size:7|g", ("127.0.0.1", port))
        return found(console, gauge) == {"shared", "own"}

    try:
        eventually("both are heard", send)
        reloaded(console, listeners={"statsd": {"listen": None}})
        eventually("one has ended", lambda: found(console, gauge) == {"own"})
        assert found(console, every) == {"shared", "own"}
        eventually("its Airflow is still asked", lambda: found(console, "opsconsole_collector_up") == {"shared", "own"})
    finally:
        assert console.stop() == 0


@pytest.mark.parametrize("what", ["server", "statsd"])
def test_a_reload_to_an_address_in_use_goes_on_with_the_one_before(tmp_path: Path, what: str) -> None:
    other = ConsoleProcess(tmp_path / "other").start()
    console = ConsoleProcess(tmp_path / "this").start()
    try:
        if what == "server":
            reloaded(console, server={"listen": f"127.0.0.1:{other.port}"})
        else:
            reloaded(console, listeners={"statsd": {"listen": f"127.0.0.1:{other.statsd_port}"}})
        eventually("it says why", lambda: "the new configuration cannot start; the one before goes on" in console.output())
        eventually("it is ready", console.ready)
        assert str(other.port if what == "server" else other.statsd_port) in console.output()
    finally:
        other.stop()
        assert console.stop() == 0


@contextmanager
def serving(folder: Path, *arguments: str, **environment: str) -> Iterator[tuple[str, Path]]:
    """`opsconsole serve …` with no file and a data folder of its own; its address and its log. It must end well."""
    port, log = free_port(), folder / "serve.log"
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "opsconsole", "serve", *arguments, "--listen", f"127.0.0.1:{port}"],
            cwd=folder,
            env=inherited(folder) | environment,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
        )
    try:
        eventually("ready", lambda: httpx.get(f"{url}/readyz", trust_env=False).status_code == 200)
        yield url, log
    finally:
        process.terminate()
        try:
            status = process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
    assert status == 0, log.read_text()


def health(url: str, name: str) -> int:
    return httpx.get(f"{url}/health/{name}", timeout=60, trust_env=False).status_code


def test_with_an_address_and_a_login_no_file_is_needed(tmp_path: Path) -> None:
    login = ("--username", "admin", "--password", LOGIN["password"])
    with canned_airflow() as airflow, serving(tmp_path, "--airflow", airflow, *login) as (url, log):
        eventually("watched", lambda: health(url, "airflow") == 200)
        assert url in log.read_text()
        assert "First login: admin, password " in log.read_text()
        assert LOGIN["password"] not in log.read_text()
    assert (tmp_path / "data" / "opsconsole" / "opsconsole.db").stat().st_size > 0


def test_a_taken_statsd_port_is_a_warning_where_no_file_could_name_another(tmp_path: Path) -> None:
    login = ("--username", "admin", "--password", LOGIN["password"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, canned_airflow() as airflow:
        with suppress(OSError):  # whoever has it already is as good
            other.bind(("127.0.0.1", 8125))
        with serving(tmp_path, "--airflow", airflow, *login) as (url, log):
            eventually("watched", lambda: health(url, "airflow") == 200)
            [warning] = [line for line in log.read_text().splitlines() if "StatsD is off" in line]
            assert " WARNING " in warning
            assert "StatsD is off: another program has UDP 127.0.0.1:8125." in warning


@contextmanager
def proxy(to: str) -> Iterator[tuple[str, set[str]]]:
    """A plain HTTP proxy that takes every request to `to`; its address, and the hosts it was asked for."""
    asked: set[str] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = httpx.URL(self.path)
            asked.add(wanted.host)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kept = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
            answer = httpx.request(
                self.command, to + wanted.raw_path.decode(), headers=kept, content=body, timeout=60, trust_env=False
            )
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def test_the_environments_proxy_is_asked_for_an_airflow_beyond_it(tmp_path: Path) -> None:
    login = ("--username", "admin", "--password", LOGIN["password"])
    with (
        canned_airflow() as airflow,
        proxy(airflow) as (address, asked),
        serving(tmp_path, "--airflow", "http://airflow.invalid:8080", *login, HTTP_PROXY=address, http_proxy=address) as (url, _),
    ):
        eventually("watched through the proxy", lambda: health(url, "airflow") == 200)
        assert asked == {"airflow.invalid"}


def test_no_proxy_is_asked_for_an_airflow_that_is_excepted(tmp_path: Path) -> None:
    login = ("--username", "admin", "--password", LOGIN["password"])
    nowhere = {"HTTP_PROXY": f"http://127.0.0.1:{free_port()}", "NO_PROXY": "127.0.0.1"}
    with canned_airflow() as airflow, serving(tmp_path, "--airflow", airflow, *login, **nowhere) as (url, _):
        eventually("watched without the proxy", lambda: health(url, "airflow") == 200)


def test_no_secret_is_in_a_log_a_page_or_an_answer(tmp_path: Path) -> None:
    secrets = {
        "airflow": "the-airflow-password",
        "slack": "xoxb-0123456789-slack-secret",
        "smtp": "the-smtp-password",
        "hook": "the-hooks-own-secret",
        "key": "the-other-api-key",
    }
    nobody = free_port()
    receiver = {
        "name": "oncall",
        "slack": {"token": secrets["slack"], "channel": "#a", "api_url": f"http://127.0.0.1:{nobody}/"},
        "email": {
            "to": "a@example.com",
            "from": "b@example.com",
            "smarthost": f"127.0.0.1:{nobody}",
            "username": "mail",
            "password": secrets["smtp"],
        },
        "webhook": {"url": f"http://user:{secrets['hook']}@127.0.0.1:{nobody}/hook?token={secrets['hook']}"},
    }
    keys = [{"name": "tests", "key": API_KEY, "role": "admin"}, {"name": "other", "key": secrets["key"], "role": "viewer"}]
    with canned_airflow("refuses") as airflow:
        console = ConsoleProcess(
            tmp_path,
            auth={"api_keys": keys},
            deployments=[deployment("refused", airflow)],
            heartbeats={"checks": [{"slug": "beat", "name": "Beat", "period": "1h", "grace": "1m"}]},
            alerting={"route": {"receiver": "oncall", "group_wait": "1s"}, "receivers": [receiver]},
        ).start()
        try:
            console.ping("beat", "/fail")
            eventually("deliveries are tried", lambda: "failed" in _deliveries(console))
            paths = ["/", "/incidents", "/incidents/1", "/deployments/refused", "/heartbeats", "/slas", "/rules", "/dashboards"]
            pages = [console.get(path) for path in [*paths, "/metrics", "/readyz?verbose"]]
            assert {page.status_code for page in pages} == {200}
            texts = [page.text for page in [*pages, console.get("/health/refused")]]
        finally:
            assert console.stop() == 0
    shown = {name for name, secret in secrets.items() for text in [*texts, console.output()] if secret in text}
    assert shown == set()


def _deliveries(console: ConsoleProcess) -> str:
    attempts = [line for line in console.get("/metrics").text.splitlines() if line.startswith("opsconsole_notification_attempts")]
    return "failed" if len([line for line in attempts if 'outcome="retry"' in line]) >= 3 else json.dumps(attempts)
