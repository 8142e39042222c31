"""How long from a frozen scheduler to the Slack message, beside Airflow's own health endpoint.

    python benchmarks/detection.py [--version 2.11.2] [--rounds 5] [--strict]

A real Airflow with its own default thresholds, and a console with its shipped rules, intervals and waits. Each round
stops the scheduler (SIGSTOP) at a random moment and takes both times from it: until the Slack stand-in has the message,
and until the health endpoint, asked five times a second, no longer says healthy. Then the scheduler goes on, and the next
round begins when everything is well and the incident is resolved.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from _stage import airflow, console, eventually, folder, machine, run, well

from opsconsole.demo.slack_standin import SlackMessage
from tests.support.airflow import AirflowLab
from tests.support.console import ConsoleProcess
from tests.support.far_ends import Recording

TARGET = 15.0
"""Seconds."""
WORDS = "scheduler down"
ASK_EVERY = 0.2
GIVE_UP = 120.0
QUIET = (20.0, 35.0)
"""Seconds that pass between rounds: heartbeats, polls and evaluations then stand elsewhere to one another."""


@dataclass(frozen=True, slots=True)
class Round:
    slack: float
    airflow: float


def main() -> int:
    given = options()
    with folder() as place, Recording(place) as ends, airflow(given.version, place) as lab:
        receiver = {name: value for name, value in ends.receiver().items() if name != "email"}
        alerting = {"route": {"receiver": "oncall"}, "receivers": [receiver]}
        with console(lab, place, alerting=alerting) as watched:
            print(f"Airflow {given.version}, {machine()}", flush=True)
            rounds = [one_round(number, lab, watched, ends) for number in range(1, given.rounds + 1)]
    return 0 if tell(rounds) or not given.strict else 1


def options() -> argparse.Namespace:
    known = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known.add_argument("--version", default="3.3.2", help="of Airflow")
    known.add_argument("--rounds", type=int, default=5)
    known.add_argument("--strict", action="store_true", help="exit 1 where the target is missed")
    return known.parse_args()


def one_round(number: int, lab: AirflowLab, watched: ConsoleProcess, ends: Recording) -> Round:
    well(watched)
    time.sleep(random.uniform(*QUIET))
    known = len(ends.messages)
    lab.freeze("scheduler")
    try:
        measured = both(lambda: told(ends, known), lambda: not says_healthy(lab))
    finally:
        lab.thaw("scheduler")
    print(f"round {number}: Slack {measured.slack:5.1f} s, Airflow's health endpoint {measured.airflow:5.1f} s", flush=True)
    resolved = lambda: (message := told(ends, known)) is not None and "resolved" in message.text.lower()  # noqa: E731
    eventually("the message says resolved", resolved, within=180)
    return measured


def both(slack: Callable[[], object], health: Callable[[], object]) -> Round:
    """Seconds from now until each is true."""
    began, found = time.monotonic(), [0.0, 0.0]
    turn = 0
    while not all(found):
        turn += 1
        time.sleep(max(0.0, began + turn * ASK_EVERY - time.monotonic()))
        for place, ask in enumerate((slack, health)):
            if not found[place] and ask():
                found[place] = time.monotonic() - began
        if time.monotonic() - began > GIVE_UP:
            raise SystemExit(f"not within {GIVE_UP:.0f} s: " + ("the Slack message" if not found[0] else "Airflow's admission"))
    return Round(*found)


def told(ends: Recording, known: int) -> SlackMessage | None:
    """The message that came after the first `known`."""
    return next((one for one in ends.messages[known:] if WORDS in f"{one.text} {one.versions}"), None)


def says_healthy(lab: AirflowLab) -> bool:
    path = "/health" if lab.generation == "2" else "/api/v2/monitor/health"
    answer = httpx.get(lab.url + path, timeout=5, trust_env=False).json()
    return bool(answer["scheduler"]["status"] == "healthy")


def tell(rounds: list[Round]) -> bool:
    slack, admitted = (statistics.median(getattr(one, name) for one in rounds) for name in ("slack", "airflow"))
    held = slack <= TARGET
    print(
        f"median of {len(rounds)}: Slack {slack:.1f} s, Airflow's health endpoint {admitted:.1f} s ({admitted / slack:.1f} times)"
    )
    print(f"fault → Slack {slack:.1f} s ≤ {TARGET:g} s: {'target met' if held else 'target missed'}")
    return held


if __name__ == "__main__":
    sys.exit(run(main))
