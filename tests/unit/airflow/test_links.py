"""Links into Airflow, right for each generation."""

from opsconsole.airflow import Links

V2, V3 = Links("https://airflow.test/x", 2), Links("https://airflow.test/x", 3)
RUN = "scheduled__2026-11-20T07:22:00+00:00"
QUOTED = "scheduled__2026-11-20T07%3A22%3A00%2B00%3A00"


def test_links_of_2x() -> None:
    assert V2.dag("a/b") == "https://airflow.test/x/dags/a%2Fb/grid"
    assert V2.run("d", RUN) == f"https://airflow.test/x/dags/d/grid?dag_run_id={QUOTED}"
    assert V2.log("d", RUN, "t", 2) == f"https://airflow.test/x/dags/d/grid?dag_run_id={QUOTED}&task_id=t&tab=logs"
    assert V2.log("d", RUN, "t", 2, 0).endswith("&task_id=t&map_index=0&tab=logs")
    assert V2.import_errors() == "https://airflow.test/x/home"


def test_links_of_3x() -> None:
    assert V3.dag("a b") == "https://airflow.test/x/dags/a%20b"
    assert V3.run("d", RUN) == f"https://airflow.test/x/dags/d/runs/{QUOTED}"
    assert V3.log("d", RUN, "g.t", 2) == f"https://airflow.test/x/dags/d/runs/{QUOTED}/tasks/g.t?try_number=2"
    assert V3.log("d", RUN, "t", 1, 7) == f"https://airflow.test/x/dags/d/runs/{QUOTED}/tasks/t/mapped/7?try_number=1"
    assert V3.import_errors() == "https://airflow.test/x/"
