"""Addresses of Airflow's own pages.

2.x: the grid view with its query parameters (airflow, `www/static/js/dag`). 3.x: `TaskInstance.log_url`
(`models/taskinstance.py`) and the routes of its web interface.
"""

from dataclasses import dataclass
from urllib.parse import quote, urlencode


@dataclass(frozen=True, slots=True)
class Links:
    """Pages of the Airflow at `url`, right for its generation (2 or 3)."""

    url: str
    generation: int

    def dag(self, dag_id: str) -> str:
        return f"{self.url}/dags/{_step(dag_id)}" + ("/grid" if self.generation == 2 else "")

    def run(self, dag_id: str, run_id: str) -> str:
        if self.generation == 2:
            return f"{self.dag(dag_id)}?{_query(dag_run_id=run_id)}"
        return f"{self.dag(dag_id)}/runs/{_step(run_id)}"

    def task(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
        if self.generation == 2:
            mapped = {"map_index": str(map_index)} if map_index >= 0 else {}
            return f"{self.dag(dag_id)}?{_query(dag_run_id=run_id, task_id=task_id, **mapped)}"
        mapped_step = f"/mapped/{map_index}" if map_index >= 0 else ""
        return f"{self.run(dag_id, run_id)}/tasks/{_step(task_id)}{mapped_step}"

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int, map_index: int = -1) -> str:
        """The page that shows a try's log; 2.x opens the newest try and offers the others."""
        task = self.task(dag_id, run_id, task_id, map_index)
        return f"{task}&tab=logs" if self.generation == 2 else f"{task}?{_query(try_number=str(try_number))}"

    def import_errors(self) -> str:
        """The start page, which lists them."""
        return f"{self.url}/home" if self.generation == 2 else f"{self.url}/"


def _step(text: str) -> str:
    return quote(text, safe="")


def _query(**parameters: str) -> str:
    return urlencode(parameters, quote_via=quote)
