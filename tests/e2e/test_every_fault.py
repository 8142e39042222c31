"""Every daemon of every version killed, told, started again and taken back. Long: `make soak`."""

import signal

import pytest

from tests.e2e.conftest import Watching
from tests.e2e.stories import about, message, settled, taken_back
from tests.support.airflow import AirflowLab
from tests.support.far_ends import Recording

pytestmark = [pytest.mark.airflow, pytest.mark.soak, pytest.mark.timeout(1200)]

FAULTS = [
    ("airflow3", "scheduler", "scheduler down"),
    ("airflow3", "triggerer", "triggerer down"),
    ("airflow3", "dag-processor", "Dag processor down"),
    ("airflow3", "api-server", "unknown"),
    ("airflow2", "scheduler", "scheduler down"),
    ("airflow2", "triggerer", "triggerer down"),
    ("airflow2", "webserver", "unknown"),
]


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
@pytest.mark.parametrize(("version", "daemon", "words"), FAULTS)
def test_it_is_told_once_and_taken_back(
    request: pytest.FixtureRequest,
    version: str,
    daemon: str,
    words: str,
    sign: signal.Signals,
    watching: Watching,
    far_ends: Recording,
) -> None:
    airflow: AirflowLab = request.getfixturevalue(version)
    console = watching(airflow)
    settled(console, far_ends)
    try:
        if sign is signal.SIGSTOP:
            airflow.freeze(daemon)
        else:
            airflow.stop_daemon(daemon, sign)
        told = message(far_ends, words, within=150)
        assert console.get("/health/prod").status_code == 503
        assert about(far_ends, words) == [told]
    finally:
        airflow.ensure_running()
    taken_back(far_ends, told, words, within=180)
