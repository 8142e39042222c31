"""Mapping files in statsd_exporter's format."""

from datetime import timedelta
from pathlib import Path

import pytest

from opsconsole.collectors.formats.statsd_mapping import BUCKETS, Rules
from opsconsole.collectors.formats.statsd_mapping_file import load
from opsconsole.collectors.statsd import BUILT_IN
from opsconsole.model import ConfigError
from tests.support.statsd import Stream


def rules(tmp_path: Path, text: str) -> Rules:
    path = tmp_path / "map.yaml"
    path.write_text(text)
    return load([path])


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        rules(tmp_path, text)
    return [problem.removeprefix(f"{tmp_path / 'map.yaml'}:") for problem in caught.value.problems]


def test_a_glob_fills_name_and_labels(tmp_path: Path) -> None:
    found = rules(tmp_path, "mappings: [{match: a.*.c.*, name: 'n_${2}', labels: {x: $1, y: fixed}}]").find("a.b.c.d", "counter")
    assert found is not None
    assert (found.name, found.labels) == ("n_d", {"x": "b", "y": "fixed"})


def test_a_star_stands_for_one_part_only(tmp_path: Path) -> None:
    mapping = rules(tmp_path, "mappings: [{match: a.*, name: n}]")
    assert mapping.find("a.b.c", "counter") is None
    assert mapping.find("a", "counter") is None


def test_globs_go_before_regular_expressions_and_otherwise_the_first_wins(tmp_path: Path) -> None:
    mapping = rules(
        tmp_path,
        "mappings:\n"
        "- {match: '^a\\.(.*)', match_type: regex, name: by_regex}\n"
        "- {match: a.*, name: first}\n"
        "- {match: a.b, name: second}\n",
    )
    assert [found.name for name in ("a.b", "a.b.c") if (found := mapping.find(name, "counter"))] == ["first", "by_regex"]


def test_a_regular_expression_is_not_anchored_and_may_name_its_groups(tmp_path: Path) -> None:
    found = rules(
        tmp_path, "mappings: [{match: 'q\\.(?P<queue>[a-z]+)', match_type: regex, name: n, labels: {queue: '${queue}'}}]"
    ).find("x.q.high.y", "gauge")
    assert found is not None
    assert found.labels == {"queue": "high"}


def test_references_are_expanded_as_go_expands_them(tmp_path: Path) -> None:
    found = rules(
        tmp_path,
        "mappings: [{match: 'q\\.(?P<queue>[a-z]+)', match_type: regex, name: 'n_${1}_x', "
        "labels: {named: $queue, none: $7, dollar: 'a$$', whole: $0}}]",
    ).find("q.high", "gauge")
    assert found is not None
    assert (found.name, found.labels) == ("n_high_x", {"named": "high", "none": "", "dollar": "a$", "whole": "q.high"})


def test_a_rule_for_one_type_leaves_the_others_alone(tmp_path: Path) -> None:
    mapping = rules(tmp_path, "mappings: [{match: a, name: timed, match_metric_type: observer}]")
    assert mapping.find("a", "counter") is None
    assert mapping.find("a", "observer") is not None


def test_defaults_hold_for_every_rule_that_says_nothing_else(tmp_path: Path) -> None:
    mapping = rules(
        tmp_path,
        "defaults: {ttl: 1m, observer_type: histogram, match_type: regex}\nmappings:\n- {match: a.b, name: n}\n"
        "- {match: b, match_type: glob, name: m, ttl: 2m, timer_type: summary}\n",
    )
    first, second = mapping.find("a.b", "observer"), mapping.find("b", "observer")
    assert first is not None
    assert second is not None
    assert (first.rule.ttl, first.rule.observer.kind) == (timedelta(minutes=1), "histogram")
    assert (second.rule.ttl, second.rule.observer.kind) == (timedelta(minutes=2), "summary")


def test_quantiles_and_buckets_may_stand_where_the_exporter_allows_them(tmp_path: Path) -> None:
    mapping = rules(
        tmp_path,
        "mappings:\n"
        "- {match: a, name: a, summary_options: {quantiles: [{quantile: 0.95, error: 0.01}], max_age: 1m}}\n"
        "- {match: b, name: b, observer_type: histogram, histogram_options: {buckets: [1, 0.5]}}\n"
        "- {match: c, name: c, observer_type: histogram}\n",
    )
    observers = [found.rule.observer for name in "abc" if (found := mapping.find(name, "observer"))]
    assert (observers[0].quantiles, observers[0].max_age) == ((0.95,), timedelta(minutes=1))
    assert (observers[1].buckets, observers[2].buckets) == ((0.5, 1.0), BUCKETS)


def test_what_a_rule_says_of_an_option_leaves_the_defaults_other_options(tmp_path: Path) -> None:
    mapping = rules(
        tmp_path,
        "defaults:\n"
        "  observer_type: histogram\n"
        "  histogram_options: {buckets: [5]}\n"
        "  summary_options: {quantiles: [{quantile: 0.95}], max_age: 5m}\n"
        "mappings:\n"
        "- {match: a, name: a, observer_type: summary, summary_options: {max_age: 1m}}\n"
        "- {match: b, name: b, timer_type: summary, quantiles: [{quantile: 0.5, error: 0.1}]}\n"
        "- {match: c, name: c, buckets: [9], histogram_options: {native_histogram_bucket_factor: 1.1}}\n",
    )
    first, second, third = (found.rule.observer for name in "abc" if (found := mapping.find(name, "observer")))
    assert (first.quantiles, first.max_age) == ((0.95,), timedelta(minutes=1))
    assert (second.quantiles, second.max_age) == ((0.5,), timedelta(minutes=5))
    assert (third.kind, third.buckets) == ("histogram", (9.0,))


def test_every_problem_of_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    assert problems(
        tmp_path,
        "defaults:\n"
        "  ttl: soon\n"
        "mappings:\n"
        "- match: a\n"
        "  name: 9n\n"
        "- name: n\n"
        "- match: a\n"
        "  name: n\n"
        "  colour: red\n"
        "  labels:\n"
        "    fine: x\n"
        "    bad-label: x\n"
        "  action: keep\n"
        "  histogram_options:\n"
        "    buckets:\n"
        "    - 1\n"
        "    - many\n",
    ) == [
        "2: defaults.ttl: 'soon' is not a duration: write it like 15s, 5m, 1h30m or 30d",
        "5: mappings.0.name: '9n' is not a metric name: letters, digits, _ and references such as $1",
        "6: mappings.1.match is missing",
        "17: mappings.2.histogram_options.buckets.1: must be a number",
        "12: mappings.2.labels.bad-label.[key]: 'bad-label' is not a label name",
        "13: mappings.2.action: must be 'map' or 'drop'",
        "9: unknown key mappings.2.colour",
    ]


def test_every_rule_that_could_match_nothing_or_means_two_things_is_told_with_its_line(tmp_path: Path) -> None:
    assert problems(
        tmp_path,
        "mappings:\n"
        "- match: a..b\n"
        "  name: n\n"
        "- name: n\n"
        "  match: '(a'\n"
        "  match_type: regex\n"
        "- match: a\n"
        "- match: b\n"
        "  name: b\n"
        "  observer_type: histogram\n"
        "  summary_options: {max_age: 1m}\n"
        "- match: c\n"
        "  name: c\n"
        "  observer_type: summary\n"
        "  histogram_options: {buckets: [1]}\n",
    ) == [
        "2: 'a..b' is not a glob: write names and * between dots",
        "5: '(a' is not a regular expression: missing ): (a",
        "7: a mapping needs name: letters, digits, _ and references such as $1",
        "11: a histogram has no summary_options",
        "15: a summary has no histogram_options",
    ]


@pytest.mark.parametrize(
    "text", ["[]", "mappings: 3", "mappings: [3]", "defaults: []\nmappings: {a: b}", "mappings: [{match: {}}]"]
)
def test_a_file_of_another_shape_is_a_problem_not_a_crash(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        rules(tmp_path, text)


def test_a_missing_file_is_told_with_the_other_files_problems(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("x: 1")
    with pytest.raises(ConfigError) as caught:
        load([tmp_path / "none.yaml", tmp_path / "bad.yaml"])
    assert len(caught.value.problems) == 2


def test_without_order_the_closest_glob_wins(tmp_path: Path) -> None:
    mapping = rules(
        tmp_path,
        "defaults: {glob_disable_ordering: true}\n"
        "mappings:\n"
        "- {match: a.*.*, name: far}\n"
        "- {match: '*.b.c', name: wrong}\n"
        "- {match: a.*.c, name: near}\n"
        "- {match: a.b.*, name: nearest}\n",
    )
    sent = ("a.b.c", "a.x.c", "a.x.x", "x.b.c")
    assert [found.name for name in sent if (found := mapping.find(name, "counter"))] == ["nearest", "near", "far", "wrong"]


def test_an_empty_file_maps_nothing(tmp_path: Path) -> None:
    assert rules(tmp_path, "").find("a", "counter") is None


@pytest.mark.parametrize(
    ("sent", "name", "labels"),
    [
        ("airflow.dagrun.dependency-check.etl", "airflow_dagrun_dependency_check", {"dag_id": "etl"}),
        ("airflow.operator_successes_BashOperator", "airflow_operator_successes", {"operator": "BashOperator"}),
        ("airflow.operator_failures_BashOperator", "airflow_operator_failures", {"operator": "BashOperator"}),
        ("airflow.scheduler_heartbeat", "airflow_scheduler_heartbeat", {"type": "counter"}),
        ("airflow.dag.etl.load.duration", "airflow_task_duration", {"dag_id": "etl", "task_id": "load"}),
        ("airflow.dagrun.duration.success.etl", "airflow_dagrun_duration", {"dag_id": "etl"}),
        ("airflow.dagrun.duration.failed.etl", "airflow_dagrun_failed", {"dag_id": "etl"}),
        ("airflow.dagrun.schedule_delay.etl", "airflow_dagrun_schedule_delay", {"dag_id": "etl"}),
        ("airflow.dag_processing.last_runtime.f", "airflow_dag_processing_last_runtime", {"dag_file": "f"}),
        ("airflow.dag_processing.last_run.seconds_ago.f", "airflow_dag_processing_last_run_seconds_ago", {"dag_file": "f"}),
        ("airflow.pool.open_slots.p", "airflow_pool_open_slots", {"pool": "p"}),
        ("airflow.pool.used_slots.p", "airflow_pool_used_slots", {"pool": "p"}),
        ("airflow.pool.starving_tasks.p", "airflow_pool_starving_tasks", {"pool": "p"}),
        ("airflow.executor.open_slots.E", "airflow_executor_open_slots", {"executor": "E"}),
        ("airflow.executor.queued_tasks.E", "airflow_executor_queued_tasks", {"executor": "E"}),
        ("airflow.executor.running_tasks.E", "airflow_executor_running_tasks", {"executor": "E"}),
    ],
)
def test_our_mapping_gives_the_helm_charts_names_and_labels(sent: str, name: str, labels: dict[str, str]) -> None:
    found = load([BUILT_IN]).find(sent, "counter")
    assert found is not None
    assert (found.name, found.labels) == (name, labels)


def test_a_users_mapping_goes_before_ours_and_sees_the_name_as_it_was_sent(tmp_path: Path) -> None:
    user = rules(
        tmp_path,
        "mappings: [{match: airflow.pool.open_slots.*, name: free, labels: {where: $1}}, {match: airflow.noise, action: drop}]",
    )
    stream = Stream(user=user).send("airflow.pool.open_slots.tiny:3|g", "airflow.noise:1|c").step()
    assert stream.last("free", where="tiny") == 3
    assert stream.dropped == {"mapping": 1}
    assert "airflow_pool_open_slots" not in stream.names()


def test_a_mapping_that_makes_no_name_drops(tmp_path: Path) -> None:
    user = rules(tmp_path, "mappings: [{match: '^airflow\\.(x?)', match_type: regex, name: $1}]")
    stream = Stream(user=user).send("airflow.noise:1|c").step()
    assert stream.dropped == {"mapping": 1}
    assert "" not in stream.names()


def test_a_users_label_wins_over_a_tag_unless_told_to_honor_it(tmp_path: Path) -> None:
    user = rules(
        tmp_path,
        "mappings: [{match: a, name: a, labels: {env: rule}}, {match: b, name: b, labels: {env: rule}, honor_labels: true}]",
    )
    stream = Stream(user=user).send("a:1|c|#env:tag,deployment:forged", "b:1|c|#env:tag").step()
    assert {dict(labels).get("env") for name, labels in stream.memory.all() if name == "a"} == {"rule"}
    assert {dict(labels).get("env") for name, labels in stream.memory.all() if name == "b"} == {"tag"}
    assert "forged" not in {labels["deployment"] for _, labels in stream.memory.all()}


def test_a_histogram_has_cumulative_buckets(tmp_path: Path) -> None:
    user = rules(tmp_path, "mappings: [{match: airflow.t, name: t, observer_type: histogram, buckets: [0.1, 1]}]")
    stream = Stream(user=user, generation=lambda _: 3).send("airflow.t:50|ms", "airflow.t:500|ms", "airflow.t:5000|ms").step()
    assert [stream.last("t_bucket", le=le) for le in ("0.1", "1", "+Inf")] == [1, 2, 3]
    assert stream.last("t_sum") == pytest.approx(5.55)
    assert stream.last("t_count") == 3
