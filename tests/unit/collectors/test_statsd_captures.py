"""What real Airflows sent, from datagram to series, against a plain recount."""

from collections import Counter, defaultdict
from functools import cache

import pytest

from opsconsole.collectors.statsd_settings import StatsdSender
from tests.support.statsd import Stream, datagrams, plain

BEAT = "airflow_statsd_heartbeat_timestamp_seconds"
FROZEN, THAWED, KILLED = 1795159900.9, 1795159991.1, 1795160034.0


_EVENTS_OF_THE_TAGGED_CAPTURES = {
    "airflow_console_http_requests",
    "airflow_console_http_duration",
    "airflow_console_http_duration_sum",
    "airflow_console_http_duration_count",
    "airflow_job_end",
    "airflow_previously_succeeded",
    "airflow_scheduler_orphaned_tasks_cleared",
    "airflow_scheduler_tasks_killed_externally",
    "airflow_schedulerjobrunner_end",
}


@cache
def replayed(capture: str, *, generation: int | None = None, consistent: bool = False) -> Stream:
    sender = StatsdSender("prod", timer_unit_consistency=consistent)
    return Stream(sender, generation=lambda _: generation).replay(capture)


@pytest.mark.parametrize("capture", ["2.x", "3.x", "2.x-celery"])
def test_final_counters_are_what_a_plain_recount_gives(capture: str) -> None:
    stream, counted = replayed(capture), Counter[tuple[str, ...]]()
    for name, value, kind in plain(capture):
        if kind == "c":
            counted[tuple(name.split("."))] += int(value)
    for (family, what, *rest), total in ((name, total) for name, total in counted.items() if len(name) > 3 and total):
        if (family, what) == ("ti", "finish"):
            dag, task, state = rest
            assert stream.last("airflow_ti_finish", dag_id=dag, task_id=task, state=state) == total
        if (family, what) == ("ti", "start"):
            assert stream.last("airflow_ti_start", dag_id=rest[0], task_id=rest[1]) == total
    for (name,), total in ((name, total) for name, total in counted.items() if len(name) == 1 and total):
        for prefix in ("operator_failures", "operator_successes", "task_instance_created"):
            if name.startswith(f"{prefix}_"):
                assert stream.last(f"airflow_{prefix}", operator=name.removeprefix(f"{prefix}_")) == total
    for name in ("triggerer_heartbeat", "ti_successes", "job_start"):
        assert stream.last(f"airflow_{name}") == counted[name,]
    assert stream.last("airflow_scheduler_heartbeat", type="counter") == counted["scheduler_heartbeat",]


@pytest.mark.parametrize("capture", ["2.x", "3.x"])
def test_timers_are_what_a_plain_recount_gives(capture: str) -> None:
    sums, counts = defaultdict[str, float](float), Counter[str]()
    for name, value, kind in plain(capture):
        if kind == "ms":
            sums[name] += value
            counts[name] += 1
    stream = replayed(capture)
    for name, total in sums.items():
        match name.split("."):
            case ["dag", dag, task, "duration"]:
                assert stream.last("airflow_task_duration_sum", dag_id=dag, task_id=task) == pytest.approx(total / 1000)
                assert stream.last("airflow_task_duration_count", dag_id=dag, task_id=task) == counts[name]
            case ["dagrun", "duration", "success", dag]:
                assert stream.last("airflow_dagrun_duration_sum", dag_id=dag) == pytest.approx(total / 1000)
            case ["dagrun", "dependency-check", dag]:
                assert stream.last("airflow_dagrun_dependency_check_count", dag_id=dag) == counts[name]
            case ["scheduler", "scheduler_loop_duration"]:
                assert stream.last("airflow_scheduler_scheduler_loop_duration_sum") == pytest.approx(total / 1000)


@pytest.mark.parametrize("capture", ["2.x", "3.x"])
def test_gauges_hold_the_last_value_sent(capture: str) -> None:
    last = {name: value for name, value, kind in plain(capture) if kind == "g"}
    stream = replayed(capture)
    for slots in ("open", "queued", "running", "scheduled"):
        for pool in ("tiny", "default_pool"):
            sent = last[f"pool.{slots}_slots.{pool}"]
            assert stream.last(f"airflow_pool_{slots}_slots", pool=pool) == sent
    assert stream.last("airflow_scheduler_tasks_starving") == last["scheduler.tasks.starving"]
    assert stream.last("airflow_triggers_running", hostname="vm") == last["triggers.running.vm"]


def test_the_slow_file_takes_eight_seconds_on_both_generations() -> None:
    two = [
        replayed("2.x").last(f"airflow_dag_processing_last_duration_{part}", dag_file="slow_parse") for part in ("sum", "count")
    ]
    labels = {"dag_file": "slow_parse", "bundle_name": "dags-folder"}
    three = [replayed("3.x").last(f"airflow_dag_processing_last_duration_{part}", **labels) for part in ("sum", "count")]
    assert [(total or 0) / (count or 1) for total, count in (two, three)] == pytest.approx([8.2, 8.1], abs=0.3)


def test_waiting_times_are_seconds_with_and_without_consistent_units() -> None:
    default = replayed("2.x").last("airflow_task_queued_duration", dag_id="canary", task_id="ping", quantile="0.5")
    consistent = replayed("2.x-celery", consistent=True).last(
        "airflow_task_queued_duration", dag_id="ok_dag", task_id="a", quantile="0.5"
    )
    assert 0.1 < (default or 0) < 10
    assert 0.1 < (consistent or 0) < 60


@pytest.mark.parametrize("capture", ["2.x-datadog", "3.x-datadog", "2.x-influxdb-tags", "3.x-influxdb-tags", "2.x", "3.x"])
def test_the_scheduler_loop_takes_milliseconds_to_seconds_never_hours_or_microseconds(capture: str) -> None:
    total = replayed(capture).last("airflow_scheduler_scheduler_loop_duration_sum") or 0
    count = replayed(capture).last("airflow_scheduler_scheduler_loop_duration_count") or 1
    slowest = 60 if capture.startswith("2.x-") else 3  # SequentialExecutor ran those tasks in its loop
    assert 0.01 < total / count < slowest


def test_datadogs_pool_tasks_take_their_six_seconds() -> None:
    labels = {"dag_id": "pool_dag", "task_id": "p9"}
    assert replayed("2.x-datadog").last("airflow_task_duration_sum", **labels) == pytest.approx(6.1, abs=0.2)


@pytest.mark.parametrize("version", ["2.x", "3.x"])
@pytest.mark.parametrize("backend", ["datadog", "influxdb-tags"])
def test_backends_end_in_the_same_names_and_label_sets(version: str, backend: str) -> None:
    plain_shapes, tagged = replayed(version).shapes(), replayed(f"{version}-{backend}").shapes()
    differ = {name for name in plain_shapes.keys() & tagged.keys() if plain_shapes[name] != tagged[name]}
    # Airflow 2 names its one executor in a tag only
    assert differ <= ({name for name in plain_shapes if name.startswith("airflow_executor_")} if version == "2.x" else set())
    assert tagged.keys() - plain_shapes.keys() <= _EVENTS_OF_THE_TAGGED_CAPTURES


@pytest.mark.parametrize("capture", ["2.x-datadog", "3.x-datadog", "2.x-influxdb-tags", "3.x-influxdb-tags"])
def test_an_event_sent_in_two_forms_counts_once(capture: str) -> None:
    sent = Counter[str]()
    for _, datagram in datagrams(capture):
        for line in datagram.decode().splitlines():
            if line.startswith(("airflow.ti.start:", "airflow.ti.start,")):
                sent["ti_start"] += 1
            if line.startswith(("airflow.dagrun.dependency-check:", "airflow.dagrun.dependency-check,")):
                sent["dagrun_dependency_check_count"] += 1
            if line.startswith(("airflow.dagrun.first_task_scheduling_delay:", "airflow.dagrun.first_task_scheduling_delay,")):
                sent["dagrun_first_task_scheduling_delay_count"] += 1
    stream = replayed(capture)
    for metric, count in sent.items():
        stored = sum(
            samples[-1][1] for (name, _), samples in stream.memory.all().items() if name == f"airflow_{metric}" and samples
        )
        assert stored == count, metric


def test_airflow_3s_doubled_delay_counts_once_a_run() -> None:
    runs = Counter(name for name, _, _ in plain("3.x") if name == "dagrun.first_task_scheduling_delay")
    stored = sum(
        samples[-1][1]
        for (name, _), samples in replayed("3.x").memory.all().items()
        if name == "airflow_dagrun_first_task_scheduling_delay_count"
    )
    assert stored == runs["dagrun.first_task_scheduling_delay"]


@pytest.mark.parametrize("capture", ["2.x", "3.x"])
def test_a_frozen_scheduler_and_a_killed_triggerer_show_in_their_stamps(capture: str) -> None:
    stream = replayed(capture)
    scheduler = dict(stream.history(BEAT, component="scheduler"))
    triggerer = dict(stream.history(BEAT, component="triggerer"))
    frozen = max(value for at, value in scheduler.items() if at <= (THAWED - 1) * 1000)
    assert FROZEN - 7 < frozen < FROZEN + 1
    assert max(scheduler.values()) > THAWED
    assert max(value for at, value in triggerer.items() if at <= (KILLED + 50) * 1000) < KILLED + 1
    loops = [value for at, value in stream.history("airflow_statsd_scheduler_loop_timestamp_seconds") if at < THAWED * 1000]
    assert max(loops) < FROZEN + 1


def test_the_stamp_of_a_heartbeat_is_the_captures_own_time_of_it() -> None:
    last = max(at for at, datagram in datagrams("3.x") if datagram == b"airflow.dag_processor_heartbeat:1|c")
    assert replayed("3.x").last(BEAT, component="dag_processor") == last


@pytest.mark.parametrize("capture", ["2.x", "3.x", "2.x-celery", "2.x-datadog", "3.x-datadog", "2.x-influxdb-tags"])
def test_no_line_is_malformed_and_no_name_is_unbounded(capture: str) -> None:
    stream = replayed(capture)
    assert stream.intake.malformed == {}
    assert not [name for name in stream.names() if "task_exit" in name]
    assert "None" not in {value for _, labels in stream.memory.all() for value in labels.values()}
    assert len(stream.memory.all()) < 900


def test_no_empty_series_is_made() -> None:
    assert not [key for key, samples in replayed("2.x").memory.all().items() if not samples]
