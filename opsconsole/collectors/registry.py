"""Every pull collector."""

from opsconsole.collectors.airflow_dags import AirflowDags
from opsconsole.collectors.airflow_health import AirflowHealth
from opsconsole.collectors.airflow_import_errors import AirflowImportErrors
from opsconsole.collectors.airflow_jobs import AirflowJobs
from opsconsole.collectors.airflow_outcomes import AirflowOutcomes
from opsconsole.collectors.airflow_pools import AirflowPools
from opsconsole.collectors.airflow_runs import AirflowRuns
from opsconsole.collectors.airflow_scheduler_port import AirflowSchedulerPort
from opsconsole.collectors.airflow_version import AirflowVersion
from opsconsole.collectors.base import Collector, Target

COLLECTORS: tuple[type[Collector], ...] = (
    AirflowHealth,
    AirflowSchedulerPort,
    AirflowJobs,
    AirflowPools,
    AirflowImportErrors,
    AirflowRuns,
    AirflowVersion,
    AirflowDags,
    AirflowOutcomes,
)


def collectors_for(target: Target) -> list[Collector]:
    """The collectors that a deployment's settings ask for."""
    return [collector for kind in COLLECTORS if (collector := kind.of(target)) is not None]
