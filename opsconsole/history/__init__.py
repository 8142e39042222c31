"""Dag runs and task tries mirrored from Airflow, kept longer than Airflow keeps them."""

from opsconsole.history.dags import record_dags, record_import_errors
from opsconsole.history.mirror import Mirror, Pace, Polled
from opsconsole.history.retention import RunRetention

__all__ = ["Mirror", "Pace", "Polled", "RunRetention", "record_dags", "record_import_errors"]
