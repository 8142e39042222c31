"""Takes 90 seconds where its SLA allows 45."""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    "sample_slow",
    start_date=datetime(2024, 1, 1),
    schedule=timedelta(minutes=10),
    catchup=False,
    tags=["sample"],
    default_args={"owner": "finance"},
):
    BashOperator(task_id="transform", bash_command="sleep 90")
