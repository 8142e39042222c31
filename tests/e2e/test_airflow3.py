"""The main job on a real Airflow 3: break it, and watch the page and the messages."""

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.e2e import stories
from tests.e2e.conftest import Watching
from tests.e2e.stories import mail_subjects, message, settled
from tests.support.airflow import AirflowLab, eventually
from tests.support.far_ends import Recording

pytestmark = pytest.mark.airflow


@pytest.fixture(autouse=True)
def _leave_airflow_whole(airflow3: AirflowLab) -> Iterator[None]:
    yield
    airflow3.ensure_running()


def test_a_frozen_scheduler_is_told_shown_and_taken_back_in_the_same_message(
    airflow3: AirflowLab, watching: Watching, far_ends: Recording, browser: Browser
) -> None:
    stories.a_frozen_scheduler(airflow3, watching, far_ends, browser)


def test_a_paused_canary_is_missed(airflow3: AirflowLab, watching: Watching, far_ends: Recording) -> None:
    stories.a_paused_canary(airflow3, watching, far_ends)


def test_a_failed_task_is_told_with_its_error_and_a_log_link_that_opens(
    airflow3: AirflowLab, watching: Watching, far_ends: Recording, browser: Browser
) -> None:
    stories.a_failed_task(airflow3, watching, far_ends, browser)


def test_a_stopped_api_server_is_unknown_and_alerted(airflow3: AirflowLab, watching: Watching, far_ends: Recording) -> None:
    console = watching(airflow3, health_only=True)
    settled(console)
    airflow3.stop_daemon("api-server")
    message(far_ends, "unknown", within=120)
    answer = console.get("/health/prod")
    assert answer.status_code == 503
    assert "scheduler: unknown" in answer.text
    assert "scheduler: down" not in answer.text
    airflow3.ensure_running()
    eventually("resolved", lambda: "resolved" in message(far_ends, "unknown").text.lower(), within=90)


def test_a_broken_dag_file_is_one_message_until_it_is_mended(
    airflow3: AirflowLab, watching: Watching, far_ends: Recording
) -> None:
    console = watching(airflow3)
    settled(console)
    broken = airflow3.dags / "broken.py"
    broken.write_text("import a_module_that_nobody_installed\nfrom airflow import DAG\n")
    try:
        message(far_ends, "broken.py", "ModuleNotFoundError", within=120)
        time.sleep(8)  # several more looks at the same error make no more messages
        assert len([one for one in far_ends.messages if "broken.py" in one.text]) == 1
        broken.write_text("from airflow import DAG\n")
        eventually("resolved", lambda: "resolved" in message(far_ends, "broken.py").text.lower(), within=120)
    finally:
        broken.unlink()


def test_an_overrun_is_told_while_the_run_still_runs(airflow3: AirflowLab, watching: Watching, far_ends: Recording) -> None:
    sla = {"name": "transform in 8 s", "deployment": "prod", "dags": ["e2e_slow"], "max_duration": "8s"}
    console = watching(airflow3, slas=[sla])
    settled(console)
    run_id = airflow3.trigger("e2e_slow")
    message(far_ends, "e2e_slow", "transform in 8 s", within=60)
    assert airflow3.run_state("e2e_slow", run_id) == "running"
    eventually("the run ended", lambda: airflow3.run_state("e2e_slow", run_id) == "success", within=90)
    eventually("resolved", lambda: "resolved" in message(far_ends, "e2e_slow").text.lower(), within=60)


def test_a_database_blip_resolves_nothing_falsely(airflow3: AirflowLab, watching: Watching, far_ends: Recording) -> None:
    """While PostgreSQL is away for 17 s the Dag processor and the triggerer end; nothing restarts them here."""
    console = watching(airflow3)
    settled(console)
    airflow3.postgres.stop()
    time.sleep(17)
    airflow3.postgres.start()
    message(far_ends, "triggerer down", within=90)
    message(far_ends, "Dag processor down", within=90)
    time.sleep(30)  # the seconds in which Airflow's own report is falsely green, and some more
    for words in ("triggerer down", "Dag processor down"):
        told = message(far_ends, words)
        assert not any("resolved" in version.lower() for version in [*told.versions, told.text]), told.versions
    airflow3.ensure_running()
    for words in ("triggerer down", "Dag processor down"):
        eventually("resolved", lambda words=words: "resolved" in message(far_ends, words).text.lower(), within=120)


def test_a_console_killed_in_mid_incident_neither_repeats_nor_forgets(
    airflow3: AirflowLab, watching: Watching, far_ends: Recording
) -> None:
    console = watching(airflow3)
    settled(console)
    airflow3.freeze("scheduler")
    told = message(far_ends, "scheduler down")
    eventually("the e-mail", lambda: mail_subjects(far_ends))
    delivered = re.compile(r'opsconsole_notification_attempts_total{[^}]*outcome="delivered"[^}]*} [1-9]')
    eventually("both are noted as delivered", lambda: len(delivered.findall(console.get("/metrics").text)) == 2)
    console.kill()
    airflow3.thaw("scheduler")
    eventually("Airflow is healthy", airflow3.healthy)
    console.start()
    eventually("resolved", lambda: "resolved" in message(far_ends, "scheduler down").text.lower(), within=60)
    assert message(far_ends, "scheduler down").ts == told.ts
    eventually("the second e-mail", lambda: len(mail_subjects(far_ends)) >= 2)
    assert len([subject for subject in mail_subjects(far_ends) if "scheduler down" in subject]) == 2
