"""Succeeds every two minutes."""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG

with DAG(
    "sample_success",
    start_date=datetime(2024, 1, 1),
    schedule=timedelta(minutes=2),
    catchup=False,
    tags=["sample"],
    default_args={"owner": "data-platform"},
):
    PythonOperator(task_id="load", python_callable=lambda: print("42 rows loaded"))
