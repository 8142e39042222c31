"""Fails when triggered, after one retry."""

from datetime import datetime, timedelta

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(start_date=datetime(2024, 1, 1), schedule=None, catchup=False, default_args={"owner": "sales-data"})
def e2e_fail():
    @task(retries=1, retry_delay=timedelta(seconds=1))
    def load():
        row = {"country": "NL"}
        print(row["region"])

    load()


e2e_fail()
