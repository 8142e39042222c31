"""Fixtures that every kind of test may ask for; and where `CI` is set, a skipped test is a failed one."""

import os
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.databases import database_url, db, postgres_server, postgres_url

__all__ = ["database_url", "db", "postgres_server", "postgres_url"]

# A run that decides whether something may pass tries the same examples each time and looks at no clock; `pytest
# --hypothesis-profile=search` looks for new ones.
settings.register_profile("search", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome, report.longrepr = "failed", f"skipped although CI is set: {report.longrepr}"
    return report
