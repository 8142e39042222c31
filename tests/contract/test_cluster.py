"""A console with a real Prometheus or VictoriaMetrics underneath."""

import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from opsconsole.cluster.encoding import entries, labels_of, packed
from opsconsole.model import Labels
from tests.support.airflow import eventually
from tests.support.canned_airflow import canned_airflow
from tests.support.commands import opsconsole
from tests.support.console import API_KEY, ConsoleProcess
from tests.support.prometheus import VictoriaMetrics, Written

pytestmark = pytest.mark.timeout(900)

KINDS = {"prometheus": Written, "victoria-metrics": VictoriaMetrics}


@pytest.fixture(params=KINDS)
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Written]:
    """Running, and empty."""
    with KINDS[request.param](tmp_path / "cluster") as running:
        yield running


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Written]:
    with Written(tmp_path / "cluster") as running:
        yield running


@contextmanager
def watching(folder: Path, cluster: Written, *airflows: str, **sections: Any) -> Iterator[ConsoleProcess]:
    auth = {"username": "admin", "password": "the-airflow-password"}
    named = zip(("prod", "other"), airflows, strict=False)
    deployments = [{"name": name, "url": url, "auth": auth, "interval": "1s", "statsd_prefix": name} for name, url in named]
    console = ConsoleProcess(folder / "console", deployments=deployments, **sections)
    console.configuration["storage"]["metrics"] = {"engine": "prometheus", "query_url": cluster.url}
    console.start()
    try:
        yield console
    finally:
        console.stop()


def asked(console: ConsoleProcess, path: str, **form: str) -> Any:
    """What the console's own Prometheus API answers."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    answer = httpx.get(f"{console.url}/prometheus/api/v1/{path}", params=form, headers=headers, timeout=60, trust_env=False)
    return answer.json()


def values(console: ConsoleProcess, expr: str) -> list[float]:
    body = asked(console, "query", query=expr)
    return [float(one["value"][1]) for one in body["data"]["result"]] if body["status"] == "success" else []


def counted(console: ConsoleProcess, metric: str) -> float:
    """A metric without labels, from the console's own page."""
    page = httpx.get(f"{console.url}/metrics", headers={"Authorization": f"Bearer {API_KEY}"}, timeout=60, trust_env=False).text
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(f"{metric} "))


def alerting(console: ConsoleProcess, deployment: str = "") -> dict[str, str]:
    """State by name of the alerts that are open, from the database; of one deployment, or of the console itself."""
    with closing(sqlite3.connect(console.folder / "console.db", timeout=60)) as connection:
        found = connection.execute("select labels, state from alerts where open_fingerprint is not null")
        labelled = [(json.loads(labels), state) for labels, state in found]
    return {labels["alertname"]: state for labels, state in labelled if labels.get("deployment", "") == deployment}


def test_what_is_collected_is_asked_of_the_cluster(tmp_path: Path, cluster: Written) -> None:
    with canned_airflow() as airflow, watching(tmp_path, cluster, airflow) as console:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.sendto(b"prod.ti_failures:3|c", ("127.0.0.1", console.statsd_port))
        up = 'opsconsole_collector_up{collector="airflow_health"}'
        eventually("the cluster has what the collectors said", lambda: values(console, up) == [1.0])
        eventually("and what StatsD said", lambda: values(console, "sum(airflow_ti_failures)") == [3.0])
        eventually("values of a label", lambda: "airflow_health" in asked(console, "label/collector/values")["data"])
        assert "deployment" in asked(console, "labels")["data"]
        series = asked(console, "series", **{"match[]": up})["data"]
        assert series == [{"__name__": "opsconsole_collector_up", "collector": "airflow_health", "deployment": "prod"}]
        mistake = asked(console, "query", query="up +")
        assert mistake["errorType"] in ("bad_data", "execution")
        now = datetime.now(UTC).timestamp()
        span = {"start": str(now - 60), "end": str(now), "step": "1"}
        assert asked(console, "query_range", query=up, **span)["data"]["result"][0]["values"][-1][1] == "1"
        told = opsconsole("query", up, "--json", "--config", str(console.file), cwd=console.folder)
        assert (told.status, json.loads("".join(told.out))["data"]["result"][0]["value"][1]) == (0, "1")
        assert counted(console, "opsconsole_store_dropped_samples_total") == 0


def test_rules_find_a_fault_and_its_end(tmp_path: Path, cluster: Written) -> None:
    with canned_airflow() as airflow, watching(tmp_path, cluster, airflow) as console:
        eventually("the health of the Airflow is there", lambda: values(console, "airflow_component_up") != [])
        console.configuration["deployments"][0]["url"] = "http://127.0.0.1:9"  # where nobody answers
        console.stop()
        console.start()
        eventually("the alert fires", lambda: alerting(console, "prod").get("AirflowHealthUnknown") == "firing")
        fires = 'ALERTS{alertname="AirflowHealthUnknown",alertstate="firing"}'
        eventually("and says so as a series", lambda: values(console, fires) == [1.0])
        console.configuration["deployments"][0]["url"] = airflow
        console.stop()
        console.start()
        eventually("it ends", lambda: "AirflowHealthUnknown" not in alerting(console, "prod"))
        eventually("and its series with it", lambda: values(console, fires) == [])


class Sender:
    """Somebody who remote-writes to the console and knows what was acknowledged."""

    def __init__(self, console: ConsoleProcess) -> None:
        self._console, self._labels = console, [labels_of("written", Labels(i=str(i), deployment="prod")) for i in range(50)]
        self.acknowledged = 0

    def write(self) -> None:
        """A sample of each of fifty series, now."""
        at = np.full(len(self._labels), datetime.now(UTC).timestamp() * 1000, np.int64)
        body = packed(entries(self._labels, at, np.full(len(at), float(self.acknowledged))))
        headers = {"Authorization": f"Bearer {API_KEY}", "Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
        url = f"{self._console.url}/prometheus/api/v1/write"
        answer = httpx.post(url, content=body, headers=headers, timeout=60, trust_env=False)
        assert answer.status_code == 204, answer.text
        self.acknowledged += 1


def test_a_cluster_that_was_away_and_a_console_that_was_killed_lose_nothing(tmp_path: Path, cluster: Written) -> None:
    with watching(tmp_path, cluster) as console:
        sender = Sender(console)
        sender.write()
        eventually("it arrives", lambda: len(cluster.instant("written")) == 50)
        cluster.stop()
        for _ in range(3):
            for _ in range(5):
                sender.write()
            console.kill()
            console.start(wait=False)
            eventually("it is back", lambda: httpx.get(f"{console.url}/livez", trust_env=False).status_code == 200)
        eventually("it says that the cluster is away", lambda: "the cluster takes no samples" in ready(console))
        cluster.start()
        sender.write()
        there = "count_over_time(written[1h])"
        expected = [sender.acknowledged] * 50
        eventually("all is there", lambda: [int(one["value"][1]) for one in cluster.instant(there)] == expected)
        eventually("and it is ready again", console.ready)


def ready(console: ConsoleProcess) -> str:
    return httpx.get(f"{console.url}/readyz?verbose", timeout=60, trust_env=False).text


def test_while_the_cluster_is_away_nothing_fires_and_nothing_resolves(tmp_path: Path, prometheus: Written) -> None:
    with canned_airflow() as airflow, watching(tmp_path, prometheus, airflow, "http://127.0.0.1:9") as console:
        eventually("the silent one is told", lambda: alerting(console, "other").get("AirflowHealthUnknown") == "firing")
        prometheus.stop()
        eventually("rules have no answer", lambda: "rules see no metrics" in console.output())
        away = datetime.now(UTC).timestamp()
        eventually("it lasts longer than a heartbeat may", lambda: datetime.now(UTC).timestamp() - away > 30)
        eventually("people are told", lambda: alerting(console).get("MetricsClusterAway") == "firing")
        assert alerting(console, "other").get("AirflowHealthUnknown") == "firing"
        assert alerting(console, "prod") == {}
        prometheus.start()
        eventually("it is ready", console.ready)
        seen = console.steps("rules/health;health")
        eventually("rules go on", lambda: console.steps("rules/health;health") > seen + 2)
        eventually("that is over", lambda: "MetricsClusterAway" not in alerting(console))
        assert alerting(console, "other").get("AirflowHealthUnknown") == "firing"
        assert alerting(console, "prod") == {}


def test_check_asks_both_addresses(tmp_path: Path, cluster: Written) -> None:
    file = tmp_path / "opsconsole.yaml"
    file.write_text(f"storage:\n  metrics:\n    engine: prometheus\n    query_url: {cluster.url}\n")
    told = opsconsole("check", "--online", "--config", str(file), cwd=tmp_path)
    assert told.status == 0, told.err
    assert f"metrics: {cluster.url} answers queries and takes samples" in told.out
    file.write_text(file.read_text() + f"    write_url: {cluster.url}/nowhere\n")
    told = opsconsole("check", "--online", "--config", str(file), cwd=tmp_path)
    assert told.status == 1
    assert told.err[0].startswith(f"{file}:5: {cluster.url}/nowhere takes no samples: ")
