"""Runs when triggered, for as long as nobody puts a file named `e2e_slow.end` beside it."""

import time
from datetime import datetime
from pathlib import Path

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

END = Path(__file__).with_suffix(".end")


@dag(start_date=datetime(2024, 1, 1), schedule=None, catchup=False, default_args={"owner": "finance"})
def e2e_slow():
    @task
    def transform():
        for _ in range(900):
            if END.exists():
                return
            time.sleep(1)
        raise TimeoutError(f"nobody wrote {END}")

    transform()


e2e_slow()
