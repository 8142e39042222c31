"""Whoever sends too much, too slowly or without end is cut off, costs a bounded amount of memory, and harms no other."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support import remote_write as made
from tests.support.airflow import eventually
from tests.support.console import API_KEY, ConsoleProcess
from tests.support.postgres import free_port
from tests.support.remote_write import HEADERS, Sent

MIB = 2**20
HEAD = (
    f"POST /prometheus/api/v1/write HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\n"
    "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n"
)


class Endless:
    """A page that never ends, on a socket; `port`."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.sent = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        lines = b"".join(b"endless_%d 1\n" % n for n in range(60_000))
        while True:
            try:
                peer, _ = self._listener.accept()
                with peer:
                    peer.recv(65536)
                    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
                    while self.sent < 4 * 2**30:
                        peer.sendall(lines)
                        self.sent += len(lines)
            except OSError:
                if self._listener.fileno() < 0:
                    return

    def close(self) -> None:
        self._listener.close()


@contextmanager
def console(folder: Path, *scrapes: dict[str, str]) -> Iterator[ConsoleProcess]:
    watched = {"name": "prod", "url": f"http://127.0.0.1:{free_port()}", "scrape": list(scrapes)}
    process = ConsoleProcess(folder, rules={"files": []}, deployments=[watched])
    try:
        yield process.start()
    finally:
        process.stop()


def write(to: ConsoleProcess, body: bytes, within: float = 120) -> httpx.Response:
    headers = {"Authorization": f"Bearer {API_KEY}", **HEADERS}
    return httpx.post(f"{to.url}/prometheus/api/v1/write", content=body, headers=headers, timeout=within, trust_env=False)


def now_ms(to: ConsoleProcess) -> int:
    answer = to.get("/prometheus/api/v1/query", query="time()").json()
    return int(float(answer["data"]["result"][1]) * 1000)


def peak(process: ConsoleProcess) -> int:
    """The most memory that it ever had, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_uploads_that_stall_leave_room_for_one_that_does_not(tmp_path: Path) -> None:
    with console(tmp_path) as own, ExitStack() as stalled:
        body = made.of({"m": 1.0}, now_ms(own))
        before = psutil.Process(own.pid).memory_info().rss
        for _ in range(100):
            sender = stalled.enter_context(socket.create_connection(("127.0.0.1", own.port)))
            sender.sendall((HEAD + "Transfer-Encoding: chunked\r\n\r\n").encode() + b"10000\r\n" + b"x" * 65_536 + b"\r\n")
        for _ in range(20):
            sender = stalled.enter_context(socket.create_connection(("127.0.0.1", own.port)))
            sender.sendall((HEAD + "Content-Length: 30000000\r\n\r\n").encode() + b"x" * 1000)
        assert write(own, body).status_code == 204
        assert own.get("/readyz").status_code == 200
        assert psutil.Process(own.pid).memory_info().rss - before < 100 * MIB


def test_an_upload_without_end_is_cut_off(tmp_path: Path) -> None:
    with console(tmp_path) as own:
        with socket.create_connection(("127.0.0.1", own.port)) as sender:
            sender.sendall((HEAD + "Transfer-Encoding: chunked\r\n\r\n").encode())
            sender.settimeout(60)
            piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
            sent = 0
            try:
                while sent < 2**30:
                    sender.sendall(piece)
                    sent += 65_536
            except OSError:
                pass
        assert sent < 256 * MIB
        assert write(own, made.of({"m": 1.0}, now_ms(own))).status_code == 204
        assert peak(own) < 700 * MIB


def test_a_page_without_end_is_given_up_and_another_is_read(tmp_path: Path) -> None:
    far_end = Endless()
    try:
        endless = {"job": "endless", "url": f"http://127.0.0.1:{far_end.port}", "interval": "1s"}
        with console(tmp_path, endless) as own:

            def error() -> str:
                answer = own.get("/prometheus/api/v1/query", query='up{job="endless"}').json()
                return str([one["value"][1] for one in answer["data"]["result"]])

            eventually("the page is given up", lambda: error() == "['0']")
            assert "larger than body_size_limit" in own.output()
            assert write(own, made.of({"m": 1.0}, now_ms(own))).status_code == 204
            assert own.get("/readyz").status_code == 200
            assert peak(own) < 700 * MIB
    finally:
        far_end.close()


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_million_new_series_in_one_request_keep_nobody_waiting(tmp_path: Path) -> None:
    with console(tmp_path) as own:
        at = now_ms(own)
        huge = made.compressed(made.request(Sent([("__name__", "m"), ("n", str(n))], [(1.0, at)]) for n in range(1_000_000)))
        with ThreadPoolExecutor() as sender:
            answer = sender.submit(write, own, huge, within=800)
            while not answer.done():
                assert own.get("/livez").status_code == 200, "a page is answered while the request is read"
        assert answer.result().status_code == 400
        assert "750000 samples refused, of new series" in answer.result().text
        assert write(own, made.of({"o": 1.0}, at)).status_code == 400, "unassigned has as many series as it may"
        assert peak(own) < 3000 * MIB
