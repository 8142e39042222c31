"""`kill -9` at random moments while pings come and alerts are told: nothing acknowledged is lost, nothing is told twice."""

import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.airflow import eventually
from tests.support.console import ConsoleProcess
from tests.support.far_ends import Recording


class Pinger:
    """A cron job that fails for a while and succeeds for a while, over and over, whether anybody answers or not."""

    def __init__(self, console: ConsoleProcess) -> None:
        self._console, self._stop = console, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.acknowledged = 0

    def _run(self) -> None:
        for number in range(10**9):
            if self._stop.is_set():
                return
            try:
                answer = self._console.ping("job", "/fail" if number % 30 < 15 else "")
            except httpx.HTTPError:
                time.sleep(0.02)
                continue
            self.acknowledged += answer.status_code == 200
            time.sleep(0.1)  # a pace, not a wait for anything

    def __enter__(self) -> "Pinger":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(120)


@contextmanager
def watched(folder: Path, far_ends: Recording) -> Iterator[ConsoleProcess]:
    console = ConsoleProcess(
        folder,
        heartbeats={"checks": [{"slug": "job", "period": "1h", "grace": "1h"}]},
        alerting={
            "route": {"receiver": "oncall", "group_wait": "0s", "group_interval": "1s"},
            "receivers": [far_ends.receiver()],
        },
    ).start()
    try:
        yield console
    finally:
        console.stop()


def asked(console: ConsoleProcess, *queries: str) -> list[int]:
    """What the console's database answers, all at one moment."""
    with closing(sqlite3.connect(console.folder / "console.db", timeout=60, isolation_level=None)) as connection:
        connection.execute("begin")
        return [number for query in queries for (number,) in connection.execute(query)]


def standing(console: ConsoleProcess) -> list[int]:
    """Alerts that fire, incidents that are open, and messages still owed."""
    return asked(
        console,
        "select count(*) from alerts where open_fingerprint is not null",
        "select count(*) from incidents where closed_at is null",
        "select count(*) from outbox where state = 'owed'",
    )


def looked_at(console: ConsoleProcess) -> None:
    """What is on disk now has been evaluated: of the next two looks at the heartbeats, the second began after this."""
    seen = console.steps("heartbeats")
    eventually("the heartbeats are looked at", lambda: console.steps("heartbeats") >= seen + 2)


def story(folder: Path, crashes: int, seed: int) -> None:
    dice = random.Random(seed)
    with Recording(folder) as far_ends, watched(folder / "console", far_ends) as console:
        with Pinger(console) as pinger:
            for _ in range(crashes):
                before = pinger.acknowledged
                eventually("a ping is acknowledged", lambda before=before: pinger.acknowledged > before)
                time.sleep(dice.uniform(0.5, 3))  # the moment of the crash is the point
                console.kill()
                console.start()
        assert console.ping("job", "/fail").status_code == 200
        looked_at(console)
        eventually("the last failure is told", lambda: standing(console) == [1, 1, 0])
        assert console.ping("job").status_code == 200
        looked_at(console)
        eventually("all is over and told", lambda: standing(console) == [0, 0, 0])
        assert [one.text for one in far_ends.messages if "RESOLVED" not in one.text] == []
        [opened] = asked(console, "select count(*) from incidents")
        assert len(far_ends.messages) == opened, "one Slack message an incident"
        recorded = asked(console, "select number from pings order by number")
        assert recorded == list(range(recorded[0], recorded[0] + len(recorded))), "ping numbers without gaps"
        assert recorded[-1] >= pinger.acknowledged + 2, "every acknowledged ping is there"


@pytest.mark.timeout(1800)
def test_five_crashes_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    story(tmp_path, 5, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(5400)
@pytest.mark.parametrize("seed", range(2, 6))
def test_a_hundred_crashes_lose_nothing_and_repeat_nothing(tmp_path: Path, seed: int) -> None:
    story(tmp_path, 25, seed)
