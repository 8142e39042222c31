"""What Airflow's StatsD stream means, where the wire does not say it: units, double emissions, kinds of names.

Measured on 2.11.2 and 3.3.2 (see `docs/reference/statsd.md`) and read from `metrics_template.yaml`, the catalogue that
Airflow 3 ships. Names here are Airflow's, without its prefix.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from opsconsole.collectors.formats.statsd import Style

MILLISECONDS, SECONDS = 0.001, 1.0

_WAITS = re.compile(r"(?:dag\..+\.|task\.)(?:queued|scheduled)_duration")
_FILES = re.compile(r"dag_processing\.last_duration(?:\..+)?")
_STOPWATCHES = re.compile(
    r"scheduler\.(?:scheduler_loop|critical_section|critical_section_query|executor_heartbeat)_duration"
    r"|dagrun\.dependency-check(?:\..+)?|connection_test\.(?:dispatch|hook)_duration"
    r"|serde\.load_serializers|(?:airflow\.)?io\.load_filesystems|collect_db_dags"
    r"|(?:kubernetes|batch|ecs|lambda|edge)_executor\..+"
)
_FOREIGN = re.compile(r"(?:.+\.)?gunicorn\..+")
_ANY = re.compile(r".*")
_IN_SECONDS: Mapping[tuple[int, bool, bool], tuple[re.Pattern[str], ...]] = {
    # (generation, DogStatsD, [metrics] timer_unit_consistency): timers whose values are seconds though marked `ms`
    (2, False, False): (_WAITS,),
    (2, False, True): (),
    (2, True, False): (_ANY,),
    (2, True, True): (),
    (3, False, False): (_FILES,),
    (3, True, False): (_FILES, _STOPWATCHES),
}


def unit(name: str, generation: int | None, style: Style, *, consistent: bool = False) -> float | None:
    """What one unit of the timer `name` is in seconds; None where that depends on a generation not known yet."""
    if _FOREIGN.fullmatch(name):
        return MILLISECONDS
    if generation is None:
        units = {unit(name, known, style, consistent=consistent) for known in (2, 3)}
        return units.pop() if len(units) == 1 else None
    known = _IN_SECONDS[min(max(generation, 2), 3), style is Style.DATADOG, consistent and generation < 3]
    return SECONDS if any(pattern.fullmatch(name) for pattern in known) else MILLISECONDS


_ONLY_2 = re.compile(
    r"dataset\..+|sla_missed|sla_email_notification_failure|zombies_killed|dag_processing\.sla_callback_count"
    r"|dag_processing\.last_num_of_db_queries\..+|local_task_job\.task_exit.*|task\.(?:cpu|mem)_usage\..+|ti\.finish\..+\.None"
)
_ONLY_3 = re.compile(
    r"dag_processor_heartbeat|asset\..+|connection_test\..+|deadline_alerts\..+|(?:scheduler|api_server)\.dag_bag\..+"
    r"|scheduler\.(?:dagruns\.running|executor_heartbeat_duration)|triggerer\.capacity_left.*"
    r"|dag_processing\.callback_only_count|dagrun\.first_task_start_delay|executor\.\w+\.LocalExecutor"
    r"|task_instances_without_heartbeats_killed|ti\.(?:scheduled|queued|running|deferred)(?:\..+)?"
)


def guess_generation(name: str) -> int | None:
    """The generation that alone sends `name`, if one does."""
    if _ONLY_3.fullmatch(name):
        return 3
    return 2 if _ONLY_2.fullmatch(name) else None


@dataclass(frozen=True, slots=True)
class Family:
    """One measurement, which Airflow sends under a bare name with tags, and under names with the tags' values in them.

    `needs` are labels without which a sample is worthless: one task's gauge overwrites another's. `takes` are labels
    that a sample may have besides. Both map a label to the tag keys that carry it, by version. What other tags of
    Airflow's a sample has is folded away, so that a series has the same labels whatever the backend.
    """

    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    takes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    alone: bool = False
    """Whether the bare name without tags is worth something: Airflow 2 with one executor sends only that."""


_DAG: Mapping[str, tuple[str, ...]] = {"dag_id": ("dag_id",)}
_TASK: Mapping[str, tuple[str, ...]] = {**_DAG, "task_id": ("task_id",)}
_QUEUE: Mapping[str, tuple[str, ...]] = {"queue": ("queue",), **_TASK}
_STATE: Mapping[str, tuple[str, ...]] = {"state": ("state",)}
_POOL = Family({"pool": ("pool_name",)})
_EXECUTOR = Family({"executor": ("executor_class_name", "name")}, alone=True)
_OPERATOR = Family({"operator": ("operator_name", "operator", "task_type")})
_WORKER = Family({"worker": ("worker_name",)})
_HOST = Family({"hostname": ("hostname",)})
_TOTAL = Family()

_TOTALS = (
    "ti_failures",
    "ti_successes",
    "previously_succeeded",
    "zombies_killed",
    "task_instances_without_heartbeats_killed",
    "scheduler.tasks.killed_externally",
    "scheduler.executor_heartbeat_duration",
    "dagrun.first_task_start_delay",
    "dag_processing.processes",
    "dag_processing.processor_timeouts",
    "dag.callback_exceptions",
    "dag_file_refresh_error",
    "sla_missed",
    "sla_email_notification_failure",
    "deadline_alerts.deadline_created",
    "deadline_alerts.deadline_missed",
    "deadline_alerts.deadline_not_missed",
    "deadline_alerts.callback_success",
    "deadline_alerts.callback_failure",
    "asset.updates",
    "asset.triggered_dagruns",
    "dataset.updates",
    "dataset.triggered_dagruns",
    "celery.task_timeout_error",
    "celery.execute_command.failure",
)

FAMILIES: Mapping[str, Family] = {
    **{
        f"pool.{what}": _POOL
        for what in (
            "open_slots",
            "used_slots",
            "queued_slots",
            "running_slots",
            "deferred_slots",
            "scheduled_slots",
            "starving_tasks",
        )
    },
    **{f"executor.{what}": _EXECUTOR for what in ("open_slots", "queued_tasks", "running_tasks")},
    **dict.fromkeys(("operator_failures", "operator_successes", "task_instance_created"), _OPERATOR),
    **dict.fromkeys(("triggers.running", "triggerer.capacity_left"), _HOST),
    **{
        f"dagrun.{what}": Family(_DAG)
        for what in (
            "dependency-check",
            "schedule_delay",
            "duration.success",
            "duration.failed",
            "first_task_scheduling_delay",
        )
    },
    **{f"task.{what}": Family(_TASK) for what in ("duration", "queued_duration", "scheduled_duration")},
    **dict.fromkeys(("task_removed_from_dag", "task_restored_to_dag"), Family(_DAG)),
    **{f"ti.{what}": Family(_QUEUE) for what in ("scheduled", "queued", "running", "deferred")},
    "ti.start": Family(_TASK),
    "ti.finish": Family({**_TASK, **_STATE}),
    "dag_processing.last_duration": Family({"dag_file": ("file_name",)}, {"bundle_name": ("bundle_name",)}),
    "dag_processing.last_run.seconds_ago": Family({"dag_file": ("file_name",)}),
    "ol.event.size": Family({"event_type": ("event_type",), "operator": ("operator_name",)}),
    "ol.extract": Family({"event_type": ("event_type",), "operator": ("operator_name",)}),
    "ol.emit.attempts": Family({"event_type": ("event_type",), "transport_type": ("transport_type",)}),
    **{
        f"edge_worker.{what}": _WORKER
        for what in (
            "status",
            "connected",
            "maintenance",
            "jobs_active",
            "concurrency",
            "free_concurrency",
            "num_queues",
            "heartbeat_count",
        )
    },
    "edge_worker.ti.start": Family(_QUEUE),
    "edge_worker.ti.finish": Family({**_QUEUE, **_STATE}),
    **{
        f"kubernetes_executor.pod_{what}_status": Family(takes={"status": ("status",)})
        for what in ("creation", "deletion", "patching")
    },
    **dict.fromkeys(_TOTALS, _TOTAL),
}
"""Every measurement of Airflow's that can carry tags, by its bare name."""

TAGS = frozenset(
    (
        "dag_id",
        "task_id",
        "run_id",
        "run_type",
        "state",
        "queue",
        "status",
        "name",
        "executor",
        "executor_class_name",
        "operator",
        "operator_name",
        "task_type",
        "pool_name",
        "hostname",
        "file_name",
        "file_path",
        "bundle_name",
        "action",
        "return_code",
        "job_id",
        "dagrun_id",
        "trigger_id",
        "worker_name",
        "team_name",
        "map_index",
        "try_number",
        "event_type",
        "transport_type",
        "path",
        "kwargs",
        "reason",
        "error",
        "exception_class",
    )
)
"""The tag keys that Airflow itself uses; other keys are the sender's own, and stay."""

UNBOUNDED_TAGS = frozenset(
    (
        "run_id",
        "job_id",
        "dagrun_id",
        "trigger_id",
        "kwargs",
        "path",
        "map_index",
        "try_number",
        "deployment",
    )
)
"""Never labels: a new value with every run, or (`kwargs`) a secret, or (`deployment`) not for a sender to say."""

SIGNED = frozenset(("dag_processing.processes",))
"""Counters that Airflow lowers as well as raises, and that are gauges in truth."""

TWICE = re.compile(r"dagrun\..+\.first_task_scheduling_delay")
"""Sent two times over with the same value, by Airflow 3 with `legacy_names_on`."""

HEARTBEATS: Mapping[str, str] = {
    "scheduler_heartbeat": "scheduler",
    "triggerer_heartbeat": "triggerer",
    "dag_processor_heartbeat": "dag_processor",
}
LOOP = "scheduler.scheduler_loop_duration"
