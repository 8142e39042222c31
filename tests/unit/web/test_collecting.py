from datetime import timedelta

import pytest

from opsconsole.collectors.standing import Standing
from opsconsole.model import Labels, Status
from opsconsole.web.collecting import health_error, lines, reason, reasons
from opsconsole.web.readings import LAST_SUCCESS, Readings
from tests.support.clock import NOON

INTERVAL = timedelta(seconds=15)
NOTHING = Readings.of([])


def standing(collector: str, error: str = "", ago: float = 1) -> Standing:
    return Standing("prod", collector, NOON - timedelta(seconds=ago), 0.1, error)


@pytest.mark.parametrize(
    ("error", "short"),
    [
        ("login refused: check auth.username and auth.password", "login refused"),
        ("http://127.0.0.1:8080 is no Airflow API: it answers neither /api/v2/version nor /api/v1/version", "no Airflow API"),
        ("GET /api/v2/version: All connection attempts failed", "no connection"),
        ("GET /api/v1/health: 401: Unauthorized (not logged in, or a permission is missing)", "401: Unauthorized"),
        ("GET /api/v1/health: 502", "502"),
        ("GET /api/v2/version: its certificate is not trusted: give tls.ca_file (self-signed)", "its certificate is not trusted"),
        ("GET /x: sends us on to http://a.example/login: is that the url", "sends us on to http://a.example/login"),
        ("auth.token_command: exit status 1: gone", "auth.token_command: exit status 1"),
        ("no answer within 10 s", "no answer within 10 s"),
        ("", ""),
    ],
)
def test_an_error_is_said_in_a_few_words(error: str, short: str) -> None:
    assert reason(error) == short


def test_a_reason_fits_a_cell_and_an_error_a_line_whatever_the_far_end_said() -> None:
    assert len(reason("b" * 1000)) == 48
    error = health_error([standing("airflow_health", "one\ntwo " + "c" * 1000)])
    assert error.startswith("one two ")
    assert len(error) == 400


def test_only_the_health_collection_says_that_an_airflow_cannot_be_read() -> None:
    pools = [standing("airflow_health"), standing("airflow_pools", "GET /api/v2/pools: 403")]
    health = [standing("airflow_pools"), standing("airflow_health", "login refused: check auth.username")]
    assert reasons([("fine", pools), ("mute", health), ("new", [])]) == {"mute": "login refused"}


def test_failing_collectors_come_first_and_one_error_is_said_once() -> None:
    refused = "login refused: check auth.username"
    found = lines(
        [standing("a"), standing("b", refused), standing("c", "GET /c: 404"), standing("d", refused)], NOTHING, INTERVAL, NOON
    )
    assert [(line.name, line.word, line.repeated) for line in found] == [
        ("c", "failing", False),
        ("b", "failing", False),
        ("d", "failing", True),
        ("a", "ok", False),
    ]


def test_the_last_success_is_remembered_from_before_this_process() -> None:
    stored = Readings.of([(LAST_SUCCESS, Labels(deployment="prod", collector="b"), (NOON - timedelta(hours=2)).timestamp())])
    found = lines([standing("a", ago=4), standing("b", "no"), standing("c", "no")], stored, INTERVAL, NOON)
    assert {line.name: line.succeeded_at for line in found} == {
        "a": NOON - timedelta(seconds=4),
        "b": NOON - timedelta(hours=2),
        "c": None,
    }


def test_a_collector_that_is_still_at_its_first_collection_is_unknown() -> None:
    [line] = lines([Standing("prod", "a", None, 0.0, "")], NOTHING, INTERVAL, NOON)
    assert (line.status, line.word, line.succeeded_at) == (Status.UNKNOWN, "not run yet", None)


@pytest.mark.parametrize(("ago", "expected"), [(180, Status.OK), (181, Status.UNKNOWN)])
def test_a_collector_that_stopped_running_is_unknown_never_ok(ago: float, expected: Status) -> None:
    [line] = lines([standing("a", ago=ago)], NOTHING, INTERVAL, NOON)
    assert line.status is expected
    [slow] = lines([standing("a", ago=ago)], NOTHING, timedelta(minutes=5), NOON)
    assert slow.status is Status.OK
