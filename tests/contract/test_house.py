"""What the tests promise of themselves: where CI is set, a skipped one has failed, alone and beside others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import conftest
from tests.support import skipping

ROOT = Path(__file__).parents[2]
ALONE, BESIDE = ["-p", "no:xdist"], ["-n", "2", "--dist", "loadfile"]
FILES = {
    "passing": "def test_passing():\n    pass\n",
    "skipped": "import pytest\n\n\ndef test_skipped():\n    pytest.skip('no such program')\n",
    "absent": "import pytest\n\npytest.skip('no such program', allow_module_level=True)\n",
}


def ran(folder: Path, how: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Exit status and words of a run of these files, with the hooks of all our tests."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, text in FILES.items():
        (folder / f"test_{name}.py").write_text(text)
    inherited = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST_")}
    plugins = ["-p", skipping.__name__, "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, *how],
        cwd=folder,
        env=inherited | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("how", [ALONE, BESIDE], ids=["alone", "beside"])
def test_a_skipped_test_and_a_skipped_file_have_failed_where_ci_is_set(tmp_path: Path, how: list[str]) -> None:
    status, said = ran(tmp_path, how, {"CI": "true"})
    assert status != 0
    assert said.count("skipped although CI is set") >= 2
    assert "skipped in" not in said


def test_elsewhere_they_are_skipped(tmp_path: Path) -> None:
    status, said = ran(tmp_path, BESIDE, {})
    assert (status, "1 passed, 2 skipped" in said) == (0, True), said


def test_all_our_tests_have_these_hooks() -> None:
    assert conftest.pytest_runtest_makereport is skipping.pytest_runtest_makereport
    assert conftest.pytest_make_collect_report is skipping.pytest_make_collect_report
