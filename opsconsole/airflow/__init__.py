"""The Airflow client: one protocol, an adapter per API generation."""

from opsconsole.airflow.connect import connect
from opsconsole.airflow.links import Links
from opsconsole.airflow.nouns import (
    ComponentHealth,
    DagImportError,
    Health,
    Job,
    Page,
    Pool,
)
from opsconsole.airflow.rest import Airflow
from opsconsole.airflow.transport import Limits, open_http

__all__ = [
    "Airflow",
    "ComponentHealth",
    "DagImportError",
    "Health",
    "Job",
    "Limits",
    "Links",
    "Page",
    "Pool",
    "connect",
    "open_http",
]
