"""Logging, and the console's own metrics (`opsconsole_*`), declared in one place so that they can be documented in one."""

import json
import logging
import sys
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from opsconsole import __version__
from opsconsole.secrets import redacted

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Telemetry:
    """Every metric of the console, on a registry of its own. Metrics are made here, and counted where things happen."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        info = Info("opsconsole_build", "Version of the console.", registry=self.registry)
        info.info({"version": __version__})
        self.loop_last_success = self._gauge(
            "opsconsole_loop_last_success_timestamp_seconds", "When a background loop's step last succeeded.", "loop"
        )
        self.loop_failures = self._counter("opsconsole_loop_failures_total", "Steps of a background loop that failed.", "loop")
        self.loop_missed = self._counter(
            "opsconsole_loop_missed_ticks_total", "Ticks skipped because the step before took too long.", "loop"
        )
        self.loop_duration = self._histogram("opsconsole_loop_step_duration_seconds", "How long a step took.", "loop")
        self.store_samples = self._counter("opsconsole_store_samples_total", "Samples that the metrics store took in.")
        self.store_dropped = self._counter(
            "opsconsole_store_dropped_samples_total", "Samples that the metrics store refused, by reason.", "reason"
        )
        self.store_refused_series = self._counter(
            "opsconsole_store_refused_series_total",
            "New series refused because their deployment has as many as it may.",
            "deployment",
            "metric",
        )
        self.store_largest_metric = self._gauge(
            "opsconsole_store_largest_metric_series",
            "Series of the metric that has most, when series of its deployment were last refused; label: its most varied one.",
            "deployment",
            "metric",
            "label",
        )
        self.store_bytes = self._gauge("opsconsole_store_sealed_bytes", "Bytes of sealed samples in the database.")
        self.store_series = self._gauge("opsconsole_store_series", "Series that the metrics store holds in memory.")
        self.store_pending = self._gauge("opsconsole_store_pending_samples", "Samples not yet in the database.")
        self.store_write_failures = self._counter(
            "opsconsole_store_write_failures_total", "Writes of the metrics store that the database refused."
        )
        self.store_damaged = self._counter(
            "opsconsole_store_damaged_rows_total", "Blocks, chunks and flushes of the metrics store whose bytes cannot be read."
        )
        self.cluster_sent = self._counter("opsconsole_cluster_sent_samples_total", "Samples that the cluster took.")
        self.cluster_dropped = self._counter(
            "opsconsole_cluster_dropped_samples_total",
            "Samples given up; refused: by the cluster; repeated: refused, and it may have them; queue_full: to make room.",
            "reason",
        )
        self.cluster_failures = self._counter(
            "opsconsole_cluster_send_failures_total", "Requests to write to the cluster that failed and are tried again."
        )
        self.cluster_queue_samples = self._gauge(
            "opsconsole_cluster_queue_samples", "Samples on disk that the cluster has not taken yet."
        )
        self.cluster_queue_bytes = self._gauge(
            "opsconsole_cluster_queue_bytes", "Bytes on disk of samples that the cluster has not taken yet."
        )
        self.cluster_queue_oldest = self._gauge(
            "opsconsole_cluster_queue_oldest_timestamp_seconds",
            "When the oldest samples that the cluster has not taken were written down; 0 where none wait.",
        )
        self.statsd_datagrams = self._counter("opsconsole_statsd_datagrams_total", "StatsD datagrams received.", "listen")
        self.statsd_lines = self._counter("opsconsole_statsd_lines_total", "StatsD lines received.", "listen")
        self.statsd_malformed = self._counter(
            "opsconsole_statsd_malformed_lines_total", "Lines that are not StatsD, by reason.", "listen", "reason"
        )
        self.statsd_dropped = self._counter(
            "opsconsole_statsd_dropped_lines_total", "StatsD lines kept nowhere, by reason.", "listen", "reason"
        )
        self.statsd_unassigned = self._counter(
            "opsconsole_statsd_unassigned_lines_total", "StatsD lines that are no deployment's.", "listen"
        )
        self.statsd_kernel_dropped = self._counter(
            "opsconsole_statsd_kernel_dropped_total", "Datagrams that the kernel dropped for want of buffer.", "listen"
        )
        self.statsd_receive_buffer = self._gauge(
            "opsconsole_statsd_receive_buffer_bytes", "The kernel's buffer for datagrams not yet read.", "listen"
        )
        self.statsd_series = self._gauge("opsconsole_statsd_series", "Series that StatsD lines have made.")
        self.remote_write_requests = self._counter(
            "opsconsole_remote_write_requests_total", "Remote write requests, by the status they were answered with.", "code"
        )
        self.remote_write_samples = self._counter(
            "opsconsole_remote_write_samples_total", "Samples that remote write requests held."
        )
        self.remote_write_refused = self._counter(
            "opsconsole_remote_write_refused_samples_total",
            "Samples of remote write requests refused before the store saw them, by reason.",
            "reason",
        )
        self.remote_write_left_out = self._counter(
            "opsconsole_remote_write_left_out_total", "Exemplars and native histograms, which are not kept.", "kind"
        )
        self.rule_group_duration = self._histogram(
            "opsconsole_rule_group_duration_seconds", "How long an evaluation of a rule group took.", "group"
        )
        self.rule_group_last_evaluation = self._gauge(
            "opsconsole_rule_group_last_evaluation_timestamp_seconds", "When a rule group was last evaluated to its end.", "group"
        )
        self.rule_group_interval = self._gauge(
            "opsconsole_rule_group_interval_seconds", "How often a rule group is to be evaluated.", "group"
        )
        self.rule_failures = self._counter(
            "opsconsole_rule_evaluation_failures_total", "Evaluations of a rule that failed.", "group", "rule"
        )
        self.alerts = self._gauge("opsconsole_alerts", "Alerts that are open now.", "state")
        self.incidents_open = self._gauge("opsconsole_incidents_open", "Incidents that are open now.")
        self.notification_attempts = self._counter(
            "opsconsole_notification_attempts_total",
            "Attempts to deliver a notification; the outcome is delivered, retry or permanent.",
            "receiver",
            "integration",
            "outcome",
        )
        self.receiver_failing = self._gauge(
            "opsconsole_receiver_failing",
            "1 from a receiver's third failed attempt in a row, or its first refusal for good, until it delivers again.",
            "receiver",
            "integration",
        )
        self.notification_seconds = self._histogram(
            "opsconsole_notification_attempt_duration_seconds", "How long an attempt to deliver took.", "receiver", "integration"
        )
        self.notification_last_success = self._gauge(
            "opsconsole_notification_last_success_timestamp_seconds",
            "When a notification was last delivered.",
            "receiver",
            "integration",
        )
        self.outbox_owed = self._gauge("opsconsole_outbox_owed", "Notifications that are owed and not delivered yet.")
        self.outbox_oldest = self._gauge(
            "opsconsole_outbox_oldest_owed_timestamp_seconds",
            "When the oldest notification that is still owed was written; the time of the last look where none is owed.",
        )

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=_SECONDS)


_CONTROLS = {code: repr(chr(code))[1:-1] for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}
"""What a stranger's text may hold, a path or a Dag's name: an event stays one line, and no terminal obeys it."""


class _Formatter(logging.Formatter):
    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        if self._as_json:
            line = {
                "at": at,
                "level": record.levelname,
                "logger": record.name,
                "message": record.getMessage(),
                **fields,
            }
            return redacted(json.dumps(line | ({"trace": trace} if trace else {}), default=str))
        text = " ".join(
            [
                f"{at} {record.levelname:<7} {record.name}: {record.getMessage()}",
                *(f"{k}={v}" for k, v in fields.items()),
            ]
        ).translate(_CONTROLS)
        return redacted(f"{text}\n{trace}" if trace else text)


def setup_logging(level: str = "INFO", *, as_json: bool = False) -> None:
    """Log to standard error, one line an event, secrets masked."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(as_json=as_json))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("alembic", "httpx", "httpcore", "aiosqlite", "apprise", "mail.log", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
