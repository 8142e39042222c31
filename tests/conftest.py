"""Fixtures that every kind of test may ask for; and where `CI` is set, a skipped test is a failed one."""

import os
from collections.abc import Generator
from typing import Any

import pytest

from tests.support.databases import database_url, db, postgres_server, postgres_url

__all__ = ["database_url", "db", "postgres_server", "postgres_url"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome, report.longrepr = "failed", f"skipped although CI is set: {report.longrepr}"
    return report
