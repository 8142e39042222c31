"""The metrics reference says what there is: the console's own registry, and what every collector gives on recorded answers."""

import re
from pathlib import Path

import httpx
import pytest

from opsconsole.clock import Clock
from opsconsole.collectors.airflow_scheduler_port import AirflowSchedulerPort
from opsconsole.collectors.base import Target
from opsconsole.collectors.runner import Runner
from opsconsole.collectors.settings import Deployment
from opsconsole.db import Database
from opsconsole.db.runs import dag_runs
from opsconsole.model import Sample
from opsconsole.telemetry import Telemetry
from tests.support.airflow_api import URL, CannedAirflow, ok, recorded, recorded_health
from tests.support.clock import FakeClock
from tests.support.databases import opened
from tests.support.tables import rows

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reference" / "metrics.md").read_text()
SECTIONS = {part.split("\n")[0]: part for part in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]}
SAID = re.compile(r'"((?:airflow|opsconsole)_[a-z_]+)"')


def _documented(section: str) -> dict[str, tuple[str, set[str], str]]:
    """Type, labels and meaning of each metric of a section."""
    table = rows(SECTIONS[section], "metric", "type", "labels", "what")
    return {row[0].strip("`"): (row[1], set(re.findall(r"`([^`]+)`", row[2])), row[3]) for row in table}


def _canned(generation: int) -> CannedAirflow:
    def listed(name: str, key: str) -> httpx.Response:
        body = recorded(generation, name)
        return ok({**body, "total_entries": len(body[key])})

    answers = {
        "/health" if generation == 2 else "/monitor/health": ok(
            recorded_health(generation, "healthy"), Date="Sun, 01 Mar 2026 12:00:00 GMT"
        ),
        "/config/section/core/option/executor": ok({"sections": [{"options": [{"value": "SequentialExecutor"}]}]}),
        "/pools": ok(recorded(generation, "pools")),
        "/importErrors": ok(recorded(generation, "importerrors")),
        "/dags": listed("dags", "dags"),
        "/dags/~/dagRuns": listed("dagruns-batch", "dag_runs"),
        "/dags/~/dagRuns/~/taskInstances": listed("taskinstances", "task_instances"),
    }
    return CannedAirflow(generation, answers | ({"/jobs": ok(recorded(3, "jobs"))} if generation == 3 else {}))


async def _collected(db: Database, generation: int, clock: Clock) -> list[Sample]:
    """What every collector says of one deployment; first Dags, since runs are counted for each, and the executor."""
    far_end, said = _canned(generation), list[Sample]()
    settings = {"name": "prod", "url": URL, "auth": {"token": "t0ken-text"}, "components": {"scheduler": {"expected": 2}}}
    target = Target(Deployment.model_validate(settings), db, clock, open_client=lambda _: far_end.client())
    async with db.begin() as session:  # the recorded answers have no run that failed
        failed = {"deployment": "prod", "dag_id": "d", "run_id": "r", "state": "failed", "run_type": "manual"}
        await session.execute(dag_runs.insert().values(**failed, end_at=clock.now(), seen_at=clock.now()))
    runner = Runner([target], said.extend, clock)
    for one in sorted(runner.collections, key=lambda one: not one.name.endswith(("/airflow_dags", "/airflow_version"))):
        await one.step(clock.now())
    assert {one.error for one in runner.standings()} == {""}
    port = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200)))
    aside = Target(target.deployment, db, clock, open_client=lambda _: port)
    return said + await AirflowSchedulerPort(aside, "http://10.0.0.5:8974/health").collect(clock.now())


def _shape(samples: list[Sample]) -> dict[str, set[str]]:
    labels: dict[str, set[str]] = {}
    for sample in samples:
        labels.setdefault(sample.name, set()).update(set(dict(sample.labels)) - {"deployment"})
    return labels


@pytest.fixture
async def collected(tmp_path: Path) -> dict[str, set[str]]:
    """The labels of each metric that the collectors gave on the recorded answers of both generations."""
    said: list[Sample] = []
    for generation in (2, 3):
        async with opened(f"sqlite:///{tmp_path / f'{generation}.db'}") as db:
            said += await _collected(db, generation, FakeClock())
    return _shape(said)


def test_every_metric_of_the_console_is_documented_as_it_declares_itself() -> None:
    declared = {}
    for metric in (value for value in vars(Telemetry()).values() if hasattr(value, "_labelnames")):
        [family] = metric.describe()
        name = family.name + ("_total" if family.type == "counter" else "")
        declared[name] = (family.type, set(metric._labelnames), family.documentation)
    declared["opsconsole_build_info"] = ("gauge", {"version"}, "Version of the console.")
    assert _documented("The console itself") == declared


async def test_every_metric_from_airflows_api_is_documented(collected: dict[str, set[str]]) -> None:
    assert {name: labels for name, (_, labels, _) in _documented("From Airflow's API").items()} == collected


def test_every_metric_of_the_statsd_listener_itself_is_documented() -> None:
    listener = (ROOT / "opsconsole" / "collectors").glob("statsd*.py")
    named = {name for path in listener for name in SAID.findall(path.read_text()) if name.startswith("airflow_statsd_")}
    assert set(_documented("From Airflow's StatsD")) == named


def test_every_metric_of_heartbeats_is_documented() -> None:
    source = (ROOT / "opsconsole" / "heartbeats" / "watch.py").read_text()
    assert set(_documented("Heartbeats")) == set(SAID.findall(source))


def test_counters_end_in_total_and_nothing_else_does() -> None:
    for section in SECTIONS:
        for name, (kind, _, _) in _documented(section).items():
            assert name.endswith("_total") == (kind == "counter"), name
