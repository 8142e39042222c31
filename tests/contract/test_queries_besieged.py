"""Queries that ask for more than there is, in a process whose memory is limited: each is refused, and rules go on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.besieged import INSTANTS, RANGES

ANSWERED = ("quantile_over_time(0.5, vector(1)[10m:1s])", 'count_values("v", {__name__=~".+"} * 1.5)')


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    folder: Path = tmp_path_factory.mktemp("besieged")
    command = [sys.executable, "-m", "tests.support.besieged", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("expr", RANGES + INSTANTS, ids=lambda expr: expr[:40])
def test_what_would_exhaust_memory_is_refused_and_says_why(outcome: dict[str, dict[str, str]], expr: str) -> None:
    said = outcome["said"][expr[:60]]
    if expr in ANSWERED:
        assert said.startswith("answered: ")
    else:
        assert said.startswith("execution: ")
        assert any(words in said for words in ("too many samples", "MiB of memory", "many-to-many")), said


def test_rules_look_beside_every_such_query(outcome: dict[str, dict[str, str]]) -> None:
    assert all(int(looks) >= 1 for looks in outcome["looked"].values())
    assert len(outcome["looked"]) == len(RANGES + INSTANTS)


def test_what_was_refused_gives_its_memory_back(outcome: dict[str, dict[str, str]]) -> None:
    assert outcome["afterwards"] == 1
