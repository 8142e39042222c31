from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from opsconsole.model import ComponentStatus, Labels, Status
from opsconsole.web.readings import ASKED_AT, Readings
from opsconsole.web.status import Trouble, Watched, statuses
from tests.support.clock import NOON

PROD = Watched("prod")
SUCCESS = "opsconsole_collector_last_success_timestamp_seconds"


def ago(seconds: float) -> float:
    return (NOON - timedelta(seconds=seconds)).timestamp()


def reading(metric: str, value: float, **labels: str) -> tuple[str, Labels, float]:
    return metric, Labels(labels, deployment="prod"), value


def up(value: float, component: str = "scheduler", asked: float = 2, beat: float | None = 3) -> list[tuple[str, Labels, float]]:
    found = [
        reading("airflow_component_up", value, component=component),
        reading(SUCCESS, ago(asked), collector="airflow_health"),
    ]
    if beat is not None:
        found.append(reading("airflow_component_heartbeat_timestamp_seconds", ago(beat), component=component))
    return found


def judge(
    *found: tuple[str, Labels, float],
    watched: Watched = PROD,
    troubles: tuple[Trouble, ...] = (),
    now: datetime = NOON,
) -> Mapping[str, ComponentStatus]:
    return statuses(watched, Readings.of(found), troubles, now)


def test_a_component_with_fresh_good_news_is_ok_with_its_age() -> None:
    scheduler = judge(*up(1))["scheduler"]
    assert scheduler.status is Status.OK
    assert scheduler.as_of == NOON - timedelta(seconds=2)
    assert scheduler.last_seen == NOON - timedelta(seconds=3)


@pytest.mark.parametrize(("asked", "expected"), [(29, Status.OK), (30, Status.OK), (31, Status.UNKNOWN), (7200, Status.UNKNOWN)])
def test_good_news_older_than_half_a_minute_is_unknown_never_ok(asked: float, expected: Status) -> None:
    scheduler = judge(*up(1, asked=asked))["scheduler"]
    assert scheduler.status is expected
    assert scheduler.as_of == NOON - timedelta(seconds=asked)


def test_bad_news_that_got_old_is_unknown_too_unless_an_alert_still_fires() -> None:
    old = up(0, asked=300)
    assert judge(*old)["scheduler"].status is Status.UNKNOWN
    firing = Trouble("prod", "scheduler", "AirflowSchedulerDown", "critical", NOON)
    assert judge(*old, troubles=(firing,))["scheduler"].status is Status.DOWN


def test_a_component_that_never_existed_has_no_status() -> None:
    assert "triggerer" not in judge(*up(1))


def test_one_that_is_expected_and_never_came_is_down() -> None:
    watched = Watched("prod", expected={"triggerer": 2})
    triggerer = judge(*up(1), watched=watched)["triggerer"]
    assert (triggerer.status, triggerer.replicas, triggerer.expected) == (Status.DOWN, 0, 2)


def test_before_the_first_answer_the_core_is_unknown_and_the_rest_a_dash() -> None:
    found = judge()
    assert {name: status.status for name, status in found.items()} == dict.fromkeys(
        ("scheduler", "metadatabase", "api"), Status.UNKNOWN
    )


def test_a_fresh_statsd_beat_speaks_for_a_component_when_the_api_is_silent() -> None:
    beat = reading("airflow_statsd_heartbeat_timestamp_seconds", ago(4), component="scheduler")
    scheduler = judge(*up(1, asked=500), beat)["scheduler"]
    assert (scheduler.status, scheduler.as_of) == (Status.OK, NOON - timedelta(seconds=4))
    old = reading("airflow_statsd_heartbeat_timestamp_seconds", ago(40), component="scheduler")
    assert judge(*up(1, asked=500), old)["scheduler"].status is Status.UNKNOWN


def test_a_lost_replica_degrades_and_is_counted() -> None:
    replicas = [
        reading("airflow_component_replicas", 1, component="scheduler"),
        reading("airflow_component_replicas_lost", 1, component="scheduler"),
        reading(SUCCESS, ago(10), collector="airflow_jobs"),
    ]
    scheduler = judge(*up(1), *replicas)["scheduler"]
    assert (scheduler.status, scheduler.replicas, scheduler.expected) == (Status.DEGRADED, 1, 2)


def test_replica_counts_that_got_old_are_not_shown() -> None:
    replicas = [
        reading("airflow_component_replicas", 2, component="scheduler"),
        reading(SUCCESS, ago(300), collector="airflow_jobs"),
    ]
    scheduler = judge(*up(1), *replicas)["scheduler"]
    assert scheduler.replicas is None


@pytest.mark.parametrize(("alive", "expected"), [(2, Status.OK), (1, Status.DEGRADED), (0, Status.DOWN)])
def test_fewer_replicas_than_configured_is_not_ok(alive: float, expected: Status) -> None:
    found = [
        reading("airflow_component_replicas", alive, component="scheduler"),
        reading(SUCCESS, ago(10), collector="airflow_jobs"),
    ]
    assert judge(*up(1), *found, watched=Watched("prod", expected={"scheduler": 2}))["scheduler"].status is expected


def test_the_schedulers_own_port_counts() -> None:
    assert judge(*up(1), reading("airflow_scheduler_port_up", 0, instance="a:8974"))["scheduler"].status is Status.DOWN


def test_a_scheduler_that_runs_a_task_itself_is_busy_whatever_its_port_says() -> None:
    found = judge(*up(1), reading("airflow_scheduler_port_up", 0, instance="a:8974"), reading("airflow_scheduler_busy", 1))
    assert (found["scheduler"].status, found["scheduler"].detail) == (Status.OK, "busy with a task")


def test_an_api_that_does_not_answer_is_down_while_the_rest_is_unknown() -> None:
    found = judge(*up(1, asked=60), reading("airflow_api_up", 0), reading(ASKED_AT, ago(3)))
    assert found["api"].status is Status.DOWN
    assert found["scheduler"].status is Status.UNKNOWN


def test_an_api_that_nobody_asks_any_more_is_unknown() -> None:
    found = judge(*up(1), reading("airflow_api_up", 1), reading(ASKED_AT, ago(45)))
    assert found["api"].status is Status.UNKNOWN


def test_why_an_airflow_cannot_be_read_stands_wherever_something_is_unknown_for_it() -> None:
    refused = [reading("airflow_api_up", 0), reading(ASKED_AT, ago(3))]
    found = Readings.of([*up(1, asked=60), *refused])
    stand = statuses(PROD, replace(found, why={"prod": "login refused", "elsewhere": "no Airflow API"}), (), NOON)
    assert {name: status.detail for name, status in stand.items()} == dict.fromkeys(stand, "login refused")
    never = statuses(PROD, replace(Readings.of(refused), why={"prod": "login refused"}), (), NOON)
    assert {status.detail for status in never.values()} == {"login refused"}


def test_the_reason_tells_more_than_the_name_of_the_alert_about_it() -> None:
    alert = Trouble("prod", "api", "AirflowApiDown", "critical", NOON)
    old = [reading("airflow_api_up", 1), reading(ASKED_AT, ago(60))]
    assert judge(*old, troubles=(alert,))["api"].detail == "AirflowApiDown"
    api = statuses(PROD, replace(Readings.of(old), why={"prod": "no answer within 10 s"}), (alert,), NOON)["api"]
    assert (api.status, api.detail) == (Status.DOWN, "no answer within 10 s")


def test_what_is_still_known_is_not_explained_away_by_a_collection_that_began_to_fail() -> None:
    down = statuses(PROD, replace(Readings.of(up(0, asked=20)), why={"prod": "login refused"}), (), NOON)["scheduler"]
    assert (down.status, down.detail) == (Status.DOWN, "")


def test_a_store_that_does_not_answer_makes_everything_unknown() -> None:
    found = statuses(PROD, Readings.of(up(1), problem="it is on fire"), (), NOON)
    assert {status.status for status in found.values()} == {Status.UNKNOWN}


def test_an_alert_about_ignorance_makes_nothing_down() -> None:
    unknown = Trouble("prod", "scheduler", "AirflowHealthUnknown", "critical", NOON)
    other = Trouble("elsewhere", "scheduler", "AirflowSchedulerDown", "critical", NOON)
    assert judge(*up(1), troubles=(unknown, other))["scheduler"].status is Status.OK
