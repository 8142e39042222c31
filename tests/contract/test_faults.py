"""The storage of a running console locked, cut off and gone, while it is sent to and scrapes.

What it acknowledges it keeps, what it cannot keep it refuses and says so, recent samples are answered all the while, and it
recovers by itself.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.support.commands import opsconsole
from tests.support.console import ConsoleProcess
from tests.support.faults import (
    Sender,
    Wire,
    besieged,
    eventually,
    metric,
    nothing_is_lost,
    recent_is_seen,
    said,
)
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.timeout(2400)
Fault = Callable[[], AbstractContextManager[None]]
FILE = {"url": "sqlite:///console.db"}


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another process' transaction, as long as the block lasts."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None, timeout=60)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """One of this test's own, to be broken."""
    made = PostgresServer()
    made.start()
    try:
        yield made
    finally:
        made.remove()


@contextmanager
def stopped(server: PostgresServer) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def cut(wire: Wire) -> Iterator[None]:
    wire.cut()
    try:
        yield
    finally:
        wire.mend()


def on(server: PostgresServer, port: int | None = None) -> dict[str, str]:
    return {"url": f"postgresql+psycopg://postgres@127.0.0.1:{port or server.port}/postgres"}


def refused_and_told(console: ConsoleProcess, sender: Sender, fault: Fault) -> None:
    """The fault comes, stays until everything that is to be seen of it was seen, and ends."""
    before = metric(console, "opsconsole_store_write_failures_total")
    with fault():
        sender.seen(503, 2)
        told = eventually("it is told", lambda: (text := said(console)) and "[-] metrics store" in text and text)
        assert told.endswith("not ok\n")
        eventually("it is counted", lambda: metric(console, "opsconsole_store_write_failures_total") > before)
        eventually("what waits is counted", lambda: metric(console, "opsconsole_store_pending_samples") > 0)
        assert recent_is_seen(console)
    sender.seen(204, 3)
    eventually("it is well again", console.ready)


def test_a_locked_file_is_waited_for(tmp_path: Path) -> None:
    with besieged(tmp_path, FILE) as (console, sender):
        refused_and_told(console, sender, lambda: locked(tmp_path / "console.db"))
        nothing_is_lost(console, sender)


def test_a_postgresql_that_was_stopped_and_cut_off_is_used_again(tmp_path: Path, server: PostgresServer) -> None:
    wire = Wire(server.port)
    try:
        with besieged(tmp_path, on(server, wire.port)) as (console, sender):
            refused_and_told(console, sender, lambda: stopped(server))
            refused_and_told(console, sender, lambda: cut(wire))
            nothing_is_lost(console, sender)
    finally:
        wire.close()


def test_a_file_that_is_locked_at_the_start_is_told_in_a_line(tmp_path: Path) -> None:
    console = ConsoleProcess(tmp_path, rules={"files": []})
    try:
        console.start()
        console.stop()
        with locked(tmp_path / "console.db"):
            done = opsconsole("serve", "--config", str(console.file), cwd=tmp_path)
        assert done.status == 1
        [line] = done.err
        assert "the database cannot be used: database is locked; storage.url is sqlite:///" in line
        console.start()
    finally:
        console.kill()
