"""Fixtures that every kind of test may ask for; and where `CI` is set, a skipped test is a failed one."""

from hypothesis import HealthCheck, settings

from tests.support.databases import database_url, db, postgres_server, postgres_url
from tests.support.skipping import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["database_url", "db", "postgres_server", "postgres_url", "pytest_make_collect_report", "pytest_runtest_makereport"]

# A run that decides whether something may pass tries the same examples each time and looks at no clock; `pytest
# --hypothesis-profile=search` looks for new ones.
settings.register_profile("search", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")
