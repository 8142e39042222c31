"""Takes forty seconds when triggered."""

import time
from datetime import datetime

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(start_date=datetime(2024, 1, 1), schedule=None, catchup=False, default_args={"owner": "finance"})
def e2e_slow():
    @task
    def transform():
        time.sleep(40)

    transform()


e2e_slow()
