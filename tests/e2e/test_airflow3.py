"""The main job on a real Airflow 3: break it, and watch the page and the messages."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.e2e import stories
from tests.e2e.conftest import Watching
from tests.e2e.stories import about, is_resolved, letters, message, settled, taken_back
from tests.support.airflow import AirflowLab, eventually
from tests.support.far_ends import Recording

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]


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
    settled(console, far_ends)
    airflow3.stop_daemon("api-server")
    told = message(far_ends, "unknown", within=150)
    answer = console.get("/health/prod")
    assert answer.status_code == 503
    assert "scheduler: unknown" in answer.text
    assert "scheduler: down" not in answer.text
    airflow3.ensure_running()
    taken_back(far_ends, told, "unknown")


def test_a_broken_dag_file_is_one_message_until_it_is_mended(
    airflow3: AirflowLab, watching: Watching, far_ends: Recording
) -> None:
    console = watching(airflow3)
    settled(console, far_ends)
    broken = airflow3.dags / "broken.py"
    broken.write_text("import a_module_that_nobody_installed\nfrom airflow import DAG\n")
    try:
        told = message(far_ends, "broken.py", "ModuleNotFoundError", within=150)
        looks = console.steps("collect/prod/airflow_import_errors")
        eventually("more looks at the same error", lambda: console.steps("collect/prod/airflow_import_errors") >= looks + 4)
        assert about(far_ends, "broken.py") == [told], "they make no more messages"
        assert not is_resolved(told)
        broken.write_text("from airflow import DAG\n")
        taken_back(far_ends, told, "broken.py", within=150)
    finally:
        broken.unlink()


def test_an_overrun_is_told_while_the_run_still_runs(airflow3: AirflowLab, watching: Watching, far_ends: Recording) -> None:
    sla = {"name": "transform in 8 s", "deployment": "prod", "dags": ["e2e_slow"], "max_duration": "8s"}
    console = watching(airflow3, slas=[sla])
    settled(console, far_ends)
    end = airflow3.dags / "e2e_slow.end"
    run_id = airflow3.trigger("e2e_slow")
    try:
        told = message(far_ends, "e2e_slow", "transform in 8 s")
        assert airflow3.run_state("e2e_slow", run_id) == "running"
        assert not is_resolved(told)
        end.touch()
        eventually("the run ended", lambda: airflow3.run_state("e2e_slow", run_id) == "success", within=150)
        taken_back(far_ends, told, "e2e_slow", "transform in 8 s")
    finally:
        end.touch()


def test_a_database_blip_resolves_nothing_falsely(airflow3: AirflowLab, watching: Watching, far_ends: Recording) -> None:
    """While PostgreSQL is away for 17 s the Dag processor and the triggerer end; nothing restarts them here.

    Their last heartbeats are younger than Airflow's threshold when it is back, so its report calls both healthy for a while.
    """
    console = watching(airflow3)
    settled(console, far_ends)
    airflow3.postgres.stop()
    time.sleep(17)  # the fault itself
    airflow3.postgres.start()
    told = {words: message(far_ends, words, within=180) for words in ("triggerer down", "Dag processor down")}

    def admitted() -> bool:
        states = airflow3.states()
        return states["metadatabase"] == "healthy" and states["triggerer"] == states["dag_processor"] == "unhealthy"

    eventually("Airflow's own report is no longer falsely green", admitted)
    looks = console.steps("collect/prod/airflow_health")
    eventually("some more looks at it", lambda: console.steps("collect/prod/airflow_health") >= looks + 5)
    for words, one in told.items():
        assert about(far_ends, words) == [one]
        assert not any("resolved" in version.lower() for version in [*one.versions, one.text]), one.versions
    episodes = "select json_extract(labels, '$.alertname'), resolved_at from alerts order by 1"
    ended = {name: at for name, at in console.rows(episodes) if name in ("AirflowTriggererDown", "AirflowDagProcessorDown")}
    assert ended == {"AirflowTriggererDown": None, "AirflowDagProcessorDown": None}
    airflow3.ensure_running()
    for words, one in told.items():
        taken_back(far_ends, one, words, within=150)


def test_a_console_killed_in_mid_incident_neither_repeats_nor_forgets(
    airflow3: AirflowLab, watching: Watching, far_ends: Recording
) -> None:
    console = watching(airflow3)
    settled(console, far_ends)
    airflow3.freeze("scheduler")
    told = message(far_ends, "scheduler down")
    eventually("the e-mail", lambda: letters(far_ends, "scheduler down"))
    eventually("both are noted as delivered", lambda: not console.rows("select 1 from outbox where state = 'owed'"))
    console.kill()
    assert about(far_ends, "scheduler down") == [told]
    airflow3.thaw("scheduler")
    eventually("Airflow is healthy", airflow3.healthy)
    console.start()
    taken_back(far_ends, told, "scheduler down")
    assert about(far_ends, "scheduler down") == [told]
    eventually("the second e-mail", lambda: len(letters(far_ends, "scheduler down")) == 2)
