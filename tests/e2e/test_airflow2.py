"""The core of the main job on a real Airflow 2."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.e2e import stories
from tests.e2e.conftest import Watching
from tests.support.airflow import AirflowLab
from tests.support.far_ends import Recording

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def _leave_airflow_whole(airflow2: AirflowLab) -> Iterator[None]:
    yield
    airflow2.ensure_running()


def test_a_frozen_scheduler_is_told_shown_and_taken_back_in_the_same_message(
    airflow2: AirflowLab, watching: Watching, far_ends: Recording, browser: Browser
) -> None:
    stories.a_frozen_scheduler(airflow2, watching, far_ends, browser)


def test_a_paused_canary_is_missed(airflow2: AirflowLab, watching: Watching, far_ends: Recording) -> None:
    stories.a_paused_canary(airflow2, watching, far_ends)


def test_a_failed_task_is_told_with_its_error_and_a_log_link_that_opens(
    airflow2: AirflowLab, watching: Watching, far_ends: Recording, browser: Browser
) -> None:
    stories.a_failed_task(airflow2, watching, far_ends, browser)
