"""Six tasks queue for a pool with a single slot."""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    "sample_pool_starved",
    start_date=datetime(2024, 1, 1),
    schedule=timedelta(minutes=5),
    catchup=False,
    max_active_runs=1,
    tags=["sample"],
    default_args={"owner": "ml", "pool": "one_slot"},
):
    for number in range(6):
        BashOperator(task_id=f"step_{number}", bash_command="sleep 12")
