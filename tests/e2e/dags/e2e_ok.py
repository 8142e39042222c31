"""Succeeds when triggered."""

from datetime import datetime

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(start_date=datetime(2024, 1, 1), schedule=None, catchup=False, default_args={"owner": "data-platform"})
def e2e_ok():
    @task
    def work():
        print("done")

    work()


e2e_ok()
