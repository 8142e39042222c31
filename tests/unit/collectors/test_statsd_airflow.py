"""Airflow's quirks on the wire."""

import pytest

from opsconsole.collectors.formats.statsd import Style
from opsconsole.collectors.formats.statsd_airflow import FAMILIES, TAGS, UNBOUNDED_TAGS, guess_generation, unit
from opsconsole.collectors.statsd_settings import StatsdSender
from tests.support.statsd import Stream

MS, S = 0.001, 1.0


@pytest.mark.parametrize(
    ("name", "generation", "style", "seconds"),
    [
        ("dag.d.t.queued_duration", 2, Style.PLAIN, S),
        ("dag.d.t.scheduled_duration", 2, Style.PLAIN, S),
        ("task.queued_duration", 2, Style.INFLUXDB, S),
        ("dag.d.t.duration", 2, Style.PLAIN, MS),
        ("dag_processing.last_duration.f", 2, Style.PLAIN, MS),
        ("dag.d.t.duration", 2, Style.DATADOG, S),
        ("scheduler.scheduler_loop_duration", 2, Style.DATADOG, S),
        ("dag.d.t.scheduled_duration", 3, Style.PLAIN, MS),
        ("dag_processing.last_duration.b.f", 3, Style.PLAIN, S),
        ("dag_processing.last_duration", 3, Style.DATADOG, S),
        ("scheduler.scheduler_loop_duration", 3, Style.PLAIN, MS),
        ("scheduler.scheduler_loop_duration", 3, Style.DATADOG, S),
        ("dagrun.dependency-check.d", 3, Style.DATADOG, S),
        ("task.duration", 3, Style.DATADOG, MS),
        ("dagrun.schedule_delay", 3, Style.DATADOG, MS),
        ("gunicorn.request.duration", 2, Style.DATADOG, MS),
    ],
)
def test_units_are_by_generation_backend_and_name(name: str, generation: int, style: Style, seconds: float) -> None:
    assert unit(name, generation, style) == seconds


def test_consistent_units_make_every_timer_of_airflow_2_milliseconds() -> None:
    assert unit("dag.d.t.queued_duration", 2, Style.PLAIN, consistent=True) == MS
    assert unit("task.duration", 2, Style.DATADOG, consistent=True) == MS


def test_a_unit_is_told_without_a_generation_only_where_all_agree() -> None:
    assert unit("dag.d.t.duration", None, Style.PLAIN) == MS
    assert unit("dag.d.t.queued_duration", None, Style.PLAIN) is None


def test_a_timer_in_a_unit_not_known_yet_is_dropped_and_kept_once_it_is() -> None:
    stream = Stream().send("airflow.dag.d.t.queued_duration:2|ms").step()
    assert stream.dropped == {"unit_unknown": 1}
    stream.send("airflow.task.cpu_usage.d.t:1|g", "airflow.dag.d.t.queued_duration:2|ms").step()
    assert stream.last("airflow_task_queued_duration_sum", dag_id="d", task_id="t") == 2


def test_the_collected_generation_wins_over_a_guess() -> None:
    known: dict[str, int] = {}
    stream = Stream(generation=known.get).send("airflow.task.cpu_usage.d.t:1|g", "airflow.dag.d.t.queued_duration:2|ms").step()
    known["prod"] = 3
    stream.step().send("airflow.dataset.orphaned:1|g", "airflow.dag.d.t.queued_duration:2000|ms").step()
    assert stream.last("airflow_task_queued_duration_sum", dag_id="d", task_id="t") == 4


def test_an_upgrade_is_noticed_by_the_names() -> None:
    stream = Stream().send("airflow.task.cpu_usage.d.t:1|g", "airflow.dag.d.t.queued_duration:2|ms").step()
    stream.send("airflow.dag_processor_heartbeat:1|c", "airflow.dag.d.t.queued_duration:2000|ms").step()
    assert stream.last("airflow_task_queued_duration_sum", dag_id="d", task_id="t") == 4


@pytest.mark.parametrize(
    ("name", "generation"),
    [("dag_processor_heartbeat", 3), ("scheduler.dag_bag.cache_hit", 3), ("sla_missed", 2), ("scheduler_heartbeat", None)],
)
def test_a_generation_is_guessed_from_names_that_only_it_sends(name: str, generation: int | None) -> None:
    assert guess_generation(name) == generation


def test_the_bare_name_of_plain_statsd_is_dropped_as_the_suffixed_says_more() -> None:
    stream = Stream().send("airflow.pool.open_slots.tiny:1|g", "airflow.pool.open_slots:9|g", "airflow.ti.start:1|c").step()
    assert stream.last("airflow_pool_open_slots", pool="tiny") == 1
    assert stream.shapes()["airflow_pool_open_slots"] == {frozenset(("deployment", "pool"))}
    assert "airflow_ti_start" not in stream.names()
    assert stream.dropped == {"unlabelled": 2}


def test_airflow_2_with_one_executor_sends_only_the_bare_name_and_it_is_kept() -> None:
    stream = Stream(generation=lambda _: 2).send("airflow.executor.open_slots:5|g").step()
    assert stream.last("airflow_executor_open_slots") == 5


def test_a_tagged_event_and_its_suffixed_twin_count_once() -> None:
    stream = Stream()
    for _ in range(3):
        stream.send("airflow.ti.start.d.t:1|c|#env:x", "airflow.ti.start:1|c|#dag_id:d,task_id:t,env:x")
    assert stream.step().last("airflow_ti_start", dag_id="d", task_id="t", env="x") == 3
    assert stream.dropped == {"duplicate": 2}


def test_a_tagged_event_and_the_twin_that_follows_it_count_once() -> None:
    stream = Stream()
    for _ in range(3):
        stream.send("airflow.ti.start,dag_id=d,task_id=t:1|c", "airflow.ti.start.d.t:1|c")
    assert stream.step().last("airflow_ti_start", dag_id="d", task_id="t") == 3


def test_a_deployment_that_gives_up_tags_is_counted_on() -> None:
    stream = Stream().send("airflow.ti.start,dag_id=d,task_id=t:1|c")
    for _ in range(3):
        stream.send("airflow.ti.start.d.t:1|c", "airflow.ti.start:1|c")
    assert stream.step().last("airflow_ti_start", dag_id="d", task_id="t") == 3  # the first after the change is lost


def test_the_delay_that_airflow_3_sends_twice_counts_once() -> None:
    name = "airflow.dagrun.d.first_task_scheduling_delay"
    stream = Stream().send(f"{name}:10|ms", f"{name}:10|ms", "airflow.dagrun.first_task_scheduling_delay:10|ms").step()
    stream.send(f"{name}:30|ms", f"{name}:30|ms", f"{name}:10|ms", f"{name}:10|ms").step()
    assert stream.last("airflow_dagrun_first_task_scheduling_delay_count", dag_id="d") == 3
    assert stream.last("airflow_dagrun_first_task_scheduling_delay_sum", dag_id="d") == pytest.approx(0.05)


def test_a_counter_that_airflow_also_lowers_may_fall() -> None:
    lines = ["airflow.dag_processing.processes,file_path=a,action=start:1|c"] * 2
    stream = Stream().send(*lines, "airflow.dag_processing.processes,file_path=a,action=finish:-1|c").step()
    assert stream.last("airflow_dag_processing_processes") == 1


def test_names_with_a_job_in_them_are_dropped() -> None:
    stream = Stream().send(*(f"airflow.local_task_job.task_exit.{job}.d.t.0:1|c" for job in range(50))).step()
    assert stream.names() <= {"airflow_statsd_last_received_timestamp_seconds"}
    assert stream.dropped == {"unbounded": 50}


def test_a_task_in_a_task_group_keeps_its_dots() -> None:
    stream = Stream().send("airflow.ti.finish.d.group.t.success:1|c", "airflow.dag.d.group.t.duration:5|ms").step()
    assert stream.last("airflow_ti_finish", dag_id="d", task_id="group.t", state="success") == 1
    assert stream.last("airflow_task_duration_count", dag_id="d", task_id="group.t") == 1


def test_tags_that_differ_with_every_run_are_no_labels_and_the_senders_own_are() -> None:
    stream = Stream().send("airflow.my.metric:1|c|#run_id:r1,dag_id:d,cluster:eu", "airflow.ti_failures:1|c|#dag_id:d,cluster:eu")
    assert stream.step().last("airflow_my_metric", dag_id="d", cluster="eu") == 1
    assert stream.last("airflow_ti_failures", cluster="eu") == 1


def test_a_tag_cannot_name_another_deployment() -> None:
    stream = Stream(own=StatsdSender("prod")).send("airflow.job_start:1|c|#deployment:other").step()
    assert stream.last("airflow_job_start") == 1


def test_dogstatsds_own_metrics_are_dropped_and_nobodys_fault() -> None:
    stream = Stream().send("datadog.dogstatsd.client.metrics:62|c|#client:py").step()
    assert stream.dropped == {"client_telemetry": 1}
    assert (stream.intake.unassigned, stream.names()) == (0, set())


def test_gunicorn_has_names_of_its_own() -> None:
    stream = Stream(own=StatsdSender("prod")).replay("2.x-gunicorn-webserver")
    assert stream.last("airflow_gunicorn_requests") == 20
    assert stream.last("airflow_gunicorn_request_status", status="200") == 19
    assert 0 < (stream.last("airflow_gunicorn_request_duration", quantile="0.5") or 0) < 1


def test_every_tag_that_a_family_reads_is_known_as_airflows() -> None:
    read = {key for family in FAMILIES.values() for keys in [*family.needs.values(), *family.takes.values()] for key in keys}
    assert read <= TAGS
    assert not read & UNBOUNDED_TAGS
