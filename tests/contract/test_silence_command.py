"""`opsconsole silence` against a console that serves its API."""

import asyncio
from pathlib import Path

from opsconsole.clock import SystemClock
from opsconsole.db import Database
from opsconsole.model import Labels
from tests.support.alertmanager import KEYS, standing
from tests.support.commands import Done, opsconsole
from tests.support.postgres import free_port


async def silence(folder: Path, url: str, *arguments: str, key: str = KEYS["operator"]) -> Done:
    environment = {"OPSCONSOLE_URL": url, "OPSCONSOLE_API_KEY": key}
    return await asyncio.to_thread(opsconsole, "silence", *arguments, cwd=folder, environment=environment)


async def test_a_silence_is_made_listed_and_ended_from_the_command_line(db: Database, tmp_path: Path) -> None:
    clock = SystemClock()
    async with standing(db, clock, []) as console:
        url = console.url.removesuffix("/alertmanager")
        asked = (
            "deployment=prod",
            'dag_id=~"orders_.*",severity!=critical',
            "--for",
            "15m",
            "--comment",
            "release 42",
            "--author",
            "ci",
        )
        made = await silence(tmp_path, url, *asked)
        assert (made.status, made.err) == (0, [])
        (silence_id,) = made.out

        loud = Labels({"deployment": "prod", "dag_id": "orders_a", "severity": "critical"})
        assert console.silences.by_labels(loud.without("severity"), clock.now()) == (silence_id,)
        assert console.silences.by_labels(loud, clock.now()) == ()

        listed = await silence(tmp_path, url, "--list", "deployment=prod")
        (line,) = listed.out
        cells = line.split("\t")
        assert (cells[0], cells[1]) == (silence_id, "active")
        assert cells[3:] == ['deployment="prod",dag_id=~"orders_.*",severity!="critical"', "ci", "release 42"]
        assert (await silence(tmp_path, url, "--list", "deployment=test")).out == []

        assert (await silence(tmp_path, url, "--expire", silence_id)).status == 0
        assert console.silences.by_labels(loud.without("severity"), clock.now()) == ()
        assert (await silence(tmp_path, url, "--list")).out == []


async def test_what_the_console_refuses_is_a_line_and_exit_status_1(db: Database, tmp_path: Path) -> None:
    async with standing(db, SystemClock(), []) as console:
        url = console.url.removesuffix("/alertmanager")
        asked = ("a=b", "--comment", "x")
        for done, said in (
            (await silence(tmp_path, url, *asked, key=KEYS["viewer"]), "HTTP 403: give --api-key"),
            (await silence(tmp_path, url, *asked, key="not-a-key-at-all"), "HTTP 401: give --api-key"),
            (await silence(tmp_path, url, 'a=~".*"', "--comment", "x"), "HTTP 400: "),
            (await silence(tmp_path, url, "--expire", "6f8f4a5e-3f6d-4a6a-8d36-0c9f1d7f0a11"), "silence not found"),
            (await silence(tmp_path, f"http://127.0.0.1:{free_port()}", *asked), "no answer: "),
            (await silence(tmp_path, "x", *asked), "is not the address of a console"),
        ):
            (line,) = done.err
            assert (done.status, said in line) == (1, True), line


async def test_what_was_not_understood_is_exit_status_2(tmp_path: Path) -> None:
    asked: tuple[tuple[str, ...], ...] = (
        (),
        ("a",),
        ("a=b",),
        ("a=b", "--comment", "x", "--for", "soon"),
        ("a=b", "--comment", "x", "--until", "2001-01-01T00:00:00Z"),
        ("a=b", "--expire", "x"),
    )
    for arguments in asked:
        assert (await silence(tmp_path, "http://127.0.0.1:1", *arguments)).status == 2, arguments
