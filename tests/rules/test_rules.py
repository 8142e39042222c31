"""Every shipped rule fires and is quiet as its unit tests say, on the console's own engine and on a real promtool."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from opsconsole.rules import unittests

FILES = sorted(Path(__file__).parent.glob("*.test.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_rules_do_what_their_unit_tests_say(path: Path) -> None:
    outcome = asyncio.run(unittests.run(path))
    assert outcome.problems == ()
    assert outcome.held > 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_promtool_says_the_same(path: Path) -> None:
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: `apt-get install prometheus` brings it"
    done = subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
