"""Capture what real Airflows answer: `python -m tests.support.record [VERSION…]`, or `make record`.

Starts each version with the Dags of the end-to-end tests, lets one succeed and one fail, and writes the answers into
`tests/data/airflow` under the names that the contract tests read. Look at the difference before you commit it: the tests
assert what these files say.
"""

import json
import sys
import tempfile
from pathlib import Path

import httpx
import psycopg

from tests.support.airflow import TESTS, AirflowLab, eventually
from tests.support.postgres import PostgresServer, free_port

VERSIONS = ("2.11.2", "3.3.2")
TARGET = TESTS / "data" / "airflow"
COMMON = {
    "dags": "/dags",
    "dagruns": "/dags/~/dagRuns",
    "taskinstances": "/dags/~/dagRuns/~/taskInstances",
    "importerrors": "/importErrors",
    "pools": "/pools",
    "version": "/version",
}
OWN = {"2": {}, "3": {"jobs": "/jobs"}}


def capture(lab: AirflowLab) -> None:
    for name, path in (COMMON | OWN[lab.generation]).items():
        base = "/api/v1" if lab.generation == "2" else "/api/v2"
        request = {"method": "GET", "path": base + path, "body": None}
        _write(f"rest-{lab.version}-{name}.json", {"request": request, "status": 200, "response": lab.api("GET", path)})
    path = "/health" if lab.generation == "2" else "/api/v2/monitor/health"
    health = httpx.get(lab.url + path, timeout=10, trust_env=False)
    told = {"airflow": lab.version, "state": "healthy", "request": f"GET {path}", "http_status": health.status_code}
    _write(f"health-{lab.version}-healthy.json", {**told, "body": health.json()})


def _write(name: str, value: object) -> None:
    (TARGET / name).write_text(json.dumps(value, indent=1) + "\n")
    print(TARGET.name, name)


def _run(lab: AirflowLab, dag_id: str, state: str) -> None:
    eventually(f"{dag_id} is known", lambda: lab.knows(dag_id))
    run_id = lab.trigger(dag_id)
    eventually(f"{dag_id} ended", lambda: lab.run_state(dag_id, run_id) == state)


def record(version: str, postgres: PostgresServer, folder: Path) -> None:
    database = f"airflow_{version[0]}"
    with psycopg.connect(f"{postgres.url}/postgres", autocommit=True) as admin:
        admin.execute(f"create database {database}")
    url = f"{postgres.url.replace('postgresql:', 'postgresql+psycopg2:')}/{database}"
    lab = AirflowLab(version, folder / version, url, free_port())
    (lab.dags / "broken.py").write_text("import a_module_that_nobody_installed\nfrom airflow import DAG\n")
    try:
        lab.start((TESTS / "e2e" / "dags").glob("*.py"))
        _run(lab, "e2e_ok", "success")
        _run(lab, "e2e_fail", "failed")
        capture(lab)
    finally:
        lab.stop()


def main(versions: list[str]) -> None:
    postgres = PostgresServer()
    postgres.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            for version in versions or VERSIONS:
                record(version, postgres, Path(folder))
    finally:
        postgres.remove()


if __name__ == "__main__":
    main(sys.argv[1:])
