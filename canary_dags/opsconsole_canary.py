"""
# opsconsole canary

One task that says "I am fine" to the console, every minute. It runs only while scheduler, Dag processor, executor, worker
and database all do their work, so its silence is heard when any of them stops.

Runs unchanged on Airflow 2.7 to 3.x, and needs nothing but Airflow and Python's standard library.

**Where to ping** is looked up when the task runs, in this order:

1. environment variable `OPSCONSOLE_PING_URL`, such as `https://console.example.com/ping/<ping key>/prod-canary`
2. Airflow Variable `opsconsole_ping_url`, the same
3. Airflow Connection `opsconsole`: the same as its host; or in parts, as in
   `AIRFLOW_CONN_OPSCONSOLE=http://prod-canary:<ping key>@console.example.com:8600` (login is the slug, password the key;
   schema `https` for TLS)

**How often** is the environment variable `OPSCONSOLE_CANARY_SCHEDULE` (cron, default `* * * * *`) of the scheduler or Dag
processor. It is no Airflow Variable, because that would cost a database query at every parse.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone

try:
    from airflow.sdk import DAG, BaseOperator, Connection, Variable

    find_connection = Connection.get
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.models import BaseOperator, Connection, Variable

    find_connection = Connection.get_connection_from_secrets

SECONDS_TO_ANSWER = 10


def address(env_url, find_variable, find_connection) -> str:
    """The ping address from the first place that has one; raises RuntimeError with what to do where none has."""
    if env_url:
        return checked(env_url)
    if variable := find_variable("opsconsole_ping_url"):
        return checked(variable)
    try:
        connection = find_connection("opsconsole")
    except Exception as error:  # each Airflow version has its own error for a Connection that is not there
        raise RuntimeError(
            "nowhere to ping: set OPSCONSOLE_PING_URL in the environment of the workers, the Airflow Variable "
            "opsconsole_ping_url, or the Airflow Connection opsconsole"
        ) from error
    return checked(from_connection(connection))


def from_connection(connection) -> str:
    """The address that a Connection spells out, whole (its host is a URL) or in parts (login: slug, password: ping key)."""
    host = connection.host or ""
    if "://" in host:
        return host
    if not (host and connection.login and connection.password):
        raise RuntimeError("the Airflow Connection opsconsole needs a host, a login (the slug) and a password (the ping key)")
    scheme = "https" if "https" in (connection.schema, connection.conn_type) else "http"
    port = f":{connection.port}" if connection.port else ""
    key, slug = (urllib.parse.quote(part, safe="") for part in (connection.password, connection.login))
    return f"{scheme}://{host}{port}/ping/{key}/{slug}"


def checked(url: str) -> str:
    parts = urllib.parse.urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RuntimeError("the ping address is no http:// or https:// URL")
    return url.strip()


def hops(context, started: datetime) -> dict:
    """What the ping tells: when the run was due and when its task started, and who it was."""
    run, instance = context.get("dag_run"), context.get("ti")
    due = getattr(run, "run_after", None) or context.get("data_interval_end")
    return {
        "dag_id": getattr(run, "dag_id", None),
        "run_id": getattr(run, "run_id", None),
        "try_number": getattr(instance, "try_number", None),
        "due": due.isoformat() if due else None,
        "started": started.isoformat(),
        "hostname": socket.gethostname(),
    }


def ping(url: str, body: dict) -> None:
    """Ping; raises RuntimeError unless a ping endpoint said OK. The address is a secret and stays out of the message."""
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "opsconsole-canary"},
        method="POST",
    )
    host = urllib.parse.urlsplit(url).hostname
    try:
        with urllib.request.urlopen(request, timeout=SECONDS_TO_ANSWER) as response:
            answer = response.read(100)
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{host} refused the ping: HTTP {error.code} {error.reason}") from None
    except OSError as error:
        raise RuntimeError(f"{host} cannot be pinged: {getattr(error, 'reason', error)}") from None
    except (http.client.HTTPException, ValueError) as error:  # its text may hold the address
        raise RuntimeError(f"{host} cannot be pinged: {type(error).__name__}; is the address a URL without spaces?") from None
    if answer not in (b"OK", b"Created"):
        raise RuntimeError(f"{host} answered the ping with something else than OK; is the address a ping address?")


class PingOperator(BaseOperator):
    """Pings the console once."""

    def execute(self, context):
        started = datetime.now(timezone.utc)
        url = address(os.environ.get("OPSCONSOLE_PING_URL"), lambda name: Variable.get(name, None), find_connection)
        ping(url, hops(context, started))


with DAG(
    dag_id="opsconsole_canary",
    description="Says to the console that this Airflow runs tasks",
    doc_md=__doc__,
    schedule=os.environ.get("OPSCONSOLE_CANARY_SCHEDULE", "* * * * *"),
    start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=5),
    is_paused_upon_creation=False,
    default_args={"owner": "opsconsole"},
    tags=["opsconsole", "canary"],
):
    PingOperator(
        task_id="ping",
        retries=2,
        retry_delay=timedelta(seconds=5),
        execution_timeout=timedelta(seconds=60),
        priority_weight=10_000,
        weight_rule="absolute",
    )
