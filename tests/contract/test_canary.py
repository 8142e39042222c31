"""The canary's own functions, without Airflow, against a real ping endpoint's answers over a real socket.

That the whole file runs on real Airflow 2 and 3 is shown in `tests/e2e/`.
"""

import ast
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opsconsole import content
from tests.support.postgres import free_port

FILE = Path(content.folder("canary_dags")) / "opsconsole_canary.py"


@pytest.fixture(scope="module")
def canary() -> SimpleNamespace:
    """The file's imports of the standard library, constants and functions; what needs Airflow is left out."""
    tree = ast.parse(FILE.read_text())
    kept = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.Assign)]
    names: dict[str, Any] = {}
    exec(compile(ast.Module(kept, []), str(FILE), "exec"), names)
    return SimpleNamespace(**names)


class Far(HTTPServer):
    """Answers every request as it was told to, and remembers it."""

    answer: tuple[int, bytes] = (200, b"OK")

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/ping/secret-key/prod-canary"


class _Handler(BaseHTTPRequestHandler):
    server: Far

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.command, self.path, body))
        self.send_response(self.server.answer[0])
        self.end_headers()
        self.wfile.write(self.server.answer[1])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def far() -> Iterator[Far]:
    with Far() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def found(value: Any) -> Callable[[str], Any]:
    return lambda _: value


def missing(name: str) -> Any:
    raise LookupError(name)


def connection(**parts: Any) -> SimpleNamespace:
    return SimpleNamespace(
        **{"host": None, "login": None, "password": None, "port": None, "schema": None, "conn_type": "http"} | parts
    )


def test_the_environment_comes_before_the_variable_and_that_before_the_connection(canary: SimpleNamespace) -> None:
    whole = found(connection(host="http://by-connection/ping"))
    assert canary.address("http://by-env/ping", found("http://by-variable/ping"), whole) == "http://by-env/ping"
    assert canary.address(None, found("http://by-variable/ping\n"), whole) == "http://by-variable/ping"
    assert canary.address("", found(None), whole) == "http://by-connection/ping"


def test_a_connection_in_parts_spells_an_address(canary: SimpleNamespace) -> None:
    parts = {"host": "console", "login": "prod-canary", "password": "the key/", "port": 8600}
    assert canary.from_connection(connection(**parts)) == "http://console:8600/ping/the%20key%2F/prod-canary"
    assert canary.from_connection(connection(**parts, schema="https")).startswith("https://console:8600/")


def test_no_address_at_all_says_what_to_do(canary: SimpleNamespace) -> None:
    with pytest.raises(RuntimeError, match="set OPSCONSOLE_PING_URL"):
        canary.address(None, found(None), missing)
    with pytest.raises(RuntimeError, match="needs a host"):
        canary.address(None, found(None), found(connection(host="console")))


def test_an_address_that_is_none_is_refused_without_showing_it(canary: SimpleNamespace) -> None:
    with pytest.raises(RuntimeError, match=r"^the ping address is no http:// or https:// URL$"):
        canary.address("file:///etc/passwd?secret", found(None), missing)


def test_a_ping_carries_when_the_run_was_due_and_when_it_started(canary: SimpleNamespace, far: Far) -> None:
    due, started = datetime(2026, 3, 1, 12, 0, tzinfo=UTC), datetime(2026, 3, 1, 12, 0, 3, tzinfo=UTC)
    run = SimpleNamespace(dag_id="opsconsole_canary", run_id="r1")
    canary.ping(far.url, canary.hops({"dag_run": run, "data_interval_end": due, "ti": SimpleNamespace(try_number=2)}, started))
    [(method, path, body)] = far.requests
    told = json.loads(body)
    assert (method, path) == ("POST", "/ping/secret-key/prod-canary")
    assert (told["due"], told["started"]) == ("2026-03-01T12:00:00+00:00", "2026-03-01T12:00:03+00:00")
    assert (told["run_id"], told["try_number"], bool(told["hostname"])) == ("r1", 2, True)


def test_airflow_3_s_own_due_time_comes_first(canary: SimpleNamespace) -> None:
    run = SimpleNamespace(dag_id="d", run_id="r", run_after=datetime(2026, 3, 1, 12, 1, tzinfo=UTC))
    told = canary.hops({"dag_run": run, "data_interval_end": datetime(2026, 3, 1, tzinfo=UTC)}, datetime(2026, 3, 1, tzinfo=UTC))
    assert told["due"] == "2026-03-01T12:01:00+00:00"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((404, b"not found secret-key"), "refused the ping: HTTP 404 Not Found$"),
        ((503, b"not stored"), "refused the ping: HTTP 503"),
        ((200, b"<html>Sign in</html>"), "something else than OK"),
    ],
)
def test_what_is_no_ok_fails_without_showing_the_key(
    canary: SimpleNamespace, far: Far, answer: tuple[int, bytes], message: str
) -> None:
    far.answer = answer
    with pytest.raises(RuntimeError, match=message) as caught:
        canary.ping(far.url, {})
    assert "secret-key" not in str(caught.value)


def test_a_console_that_is_not_there_fails_in_one_line(canary: SimpleNamespace) -> None:
    with pytest.raises(RuntimeError, match=r"^127.0.0.1 cannot be pinged: .*refused"):
        canary.ping(f"http://127.0.0.1:{free_port()}/ping/secret-key/prod-canary", {})


@pytest.mark.parametrize(
    "address", ["http://console/ping/secret key/prod-canary", "http://user:secret key@console/ping", "http://console:secret/"]
)
def test_a_malformed_address_fails_without_showing_it(canary: SimpleNamespace, address: str) -> None:
    with pytest.raises(RuntimeError, match=r"^console cannot be pinged: ") as caught:
        canary.ping(address, {})
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__
