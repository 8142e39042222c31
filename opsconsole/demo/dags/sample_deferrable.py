"""Waits in the triggerer."""

from datetime import datetime, timedelta

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import DAG

with DAG(
    "sample_deferrable",
    start_date=datetime(2024, 1, 1),
    schedule=timedelta(minutes=3),
    catchup=False,
    tags=["sample"],
    default_args={"owner": "data-platform"},
):
    TimeDeltaSensor(task_id="wait", delta=timedelta(seconds=20), deferrable=True)
