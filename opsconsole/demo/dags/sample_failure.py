"""Fails every five minutes, after one retry.

The retry waits for a minute: on a slow machine a task fails before the console can first look, and such failures are not told.
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG


def load() -> None:
    row = {"country": "NL", "amount": 12}
    print("rows read:", 1)
    print(row["region"])


with DAG(
    "sample_failure",
    start_date=datetime(2024, 1, 1),
    schedule=timedelta(minutes=5),
    catchup=False,
    tags=["sample"],
    default_args={"owner": "sales-data", "retries": 1, "retry_delay": timedelta(minutes=1)},
):
    PythonOperator(task_id="load", python_callable=load)
