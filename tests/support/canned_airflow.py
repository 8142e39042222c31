"""A canned Airflow 3 behind a real socket, well or ill-behaved, for what a real one cannot be made to do on demand."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Manner = Literal["well", "html", "huge", "hangs", "drips", "refuses", "hour_off"]
TOKEN = "a-token-for-tests"
_MANY = 50 * 1024 * 1024


class _Airflow(BaseHTTPRequestHandler):
    manner: Manner = "well"
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.manner == "refuses":
            self._json({"detail": "Invalid credentials"}, 401)
        else:
            self._json({"access_token": TOKEN}, 201)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if self.manner == "html":
            self._send(b"<!doctype html><title>A shop</title>", "text/html")
        elif self.manner == "hangs":
            time.sleep(60)
        elif self.manner == "drips":
            self._drip()
        elif self.manner == "huge" and path == "/api/v2/monitor/health":
            self._huge()
        elif path in ("/api/v2/version", "/api/v2/monitor/health"):
            self._json({"version": "3.3.2", "git_version": None} if path.endswith("version") else self._health())
        elif self.manner == "refuses" or self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._json({"detail": "Not authenticated"}, 401)
        else:
            key = {"pools": "pools", "importErrors": "import_errors", "dags": "dags", "jobs": "jobs"}.get(path.split("/")[-1])
            key = key or ("task_instances" if "taskInstances" in path else "dag_runs")
            self._json({key: [], "total_entries": 0})

    def _now(self) -> datetime:
        return datetime.now(UTC) + (timedelta(hours=1) if self.manner == "hour_off" else timedelta(0))

    def _health(self) -> dict[str, object]:
        beat = self._now().isoformat()
        parts = {
            name: {"status": "healthy", f"latest_{name}_heartbeat": beat} for name in ("scheduler", "triggerer", "dag_processor")
        }
        return {"metadatabase": {"status": "healthy"}, **parts}

    def _json(self, value: object, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), "application/json", status)

    def _send(self, body: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _huge(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(_MANY))
        self.end_headers()
        for _ in range(_MANY // 65536):
            self.wfile.write(b" " * 65536)

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(60):
            self.wfile.write(b" ")
            time.sleep(1)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return format_datetime(self._now(), usegmt=True)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):  # the console hung up, as it should
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # the usual five are fewer than a console asks at once: what comes after them would wait for seconds


@contextmanager
def canned_airflow(manner: Manner = "well") -> Iterator[str]:
    """Its address, for as long as the block lasts."""
    handler = type("Handler", (_Airflow,), {"manner": manner})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
