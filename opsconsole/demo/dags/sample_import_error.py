"""Cannot be imported: its module is missing."""

import a_module_that_nobody_installed  # noqa: F401
from airflow.sdk import DAG  # noqa: F401
