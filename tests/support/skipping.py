"""Where `CI` is set, a skipped test is a failed one: hooks that the top `conftest.py` takes in."""

import os
from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    return _required((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    return _required((yield))


def _required(report: Any) -> Any:
    """The report of a test or of a file of them, failed if it says skipped."""
    if report.skipped and os.environ.get("CI"):
        report.outcome, report.longrepr = "failed", f"skipped although CI is set: {report.longrepr}"
    return report
