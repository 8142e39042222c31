"""Every collector through the runner, against recorded answers, on both databases; and real scheduler ports."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from opsconsole.airflow import Limits, open_http
from opsconsole.collectors.airflow_outcomes import WINDOWS
from opsconsole.collectors.airflow_scheduler_port import AirflowSchedulerPort
from opsconsole.collectors.base import Target
from opsconsole.collectors.registry import COLLECTORS
from opsconsole.collectors.runner import Runner
from opsconsole.collectors.settings import Deployment
from opsconsole.db import Database
from opsconsole.db.runs import dag_runs, last_success_ended
from opsconsole.model import CollectError, Sample
from tests.support.airflow_api import URL, Answer, CannedAirflow, html, ok, recorded, recorded_health
from tests.support.clock import NOON, FakeClock
from tests.support.postgres import free_port
from tests.support.servers import TLS, answering, serving, silent

PATIENCE = Limits(connect=60, read=60, total=60)
NOTHING = ok({"dag_runs": [], "task_instances": [], "total_entries": 0})


def whole(body: dict[str, Any], key: str) -> httpx.Response:
    return ok({**body, "total_entries": len(body[key])})


def server(generation: int, **more: Answer) -> CannedAirflow:
    """An Airflow that answers every collector with what a real one said."""
    answers: dict[str, Answer] = {
        "/health" if generation == 2 else "/monitor/health": ok(recorded_health(generation, "healthy")),
        "/pools": ok(recorded(generation, "pools")),
        "/importErrors": ok(recorded(generation, "importerrors")),
        "/dags": whole(recorded(generation, "dags"), "dags"),
        "/dags/~/dagRuns": whole(recorded(generation, "dagruns-batch"), "dag_runs"),
        "/dags/~/dagRuns/~/taskInstances": whole(recorded(generation, "taskinstances"), "task_instances"),
    }
    if generation == 3:
        answers["/jobs"] = ok(recorded(3, "jobs"))
    return CannedAirflow(generation, answers | more)


def patient(runner: Runner) -> Runner:
    """Its collections have no deadline that a machine could be too slow for."""
    for one in runner.collections:
        one.deadline = timedelta(hours=1)
    return runner


class Watched:
    """A runner over one deployment, and what it recorded."""

    def __init__(self, db: Database, far_end: CannedAirflow, **settings: Any) -> None:
        self.samples: list[Sample] = []
        self.clock = FakeClock()
        deployment = Deployment.model_validate({"name": "prod", "url": URL, "auth": {"token": "t0ken-text"}, **settings})
        target = Target(deployment, db, self.clock, open_client=lambda _: far_end.client())
        self.runner = patient(Runner([target], self.samples.extend, self.clock))

    async def collect(self, name: str) -> dict[str, float]:
        """Run one collector; its samples by name and labels, without `deployment`."""
        self.samples.clear()
        (one,) = [c for c in self.runner.collections if c.name.endswith(f"/{name}")]
        await one.step(self.clock.now())
        assert {sample.labels["deployment"] for sample in self.samples} == {"prod"}
        return {f"{s.name}{s.labels.without('deployment', 'collector')}": s.value for s in self.samples}

    def error(self, name: str) -> str:
        (error,) = [one.error for one in self.runner.standings("prod") if one.collector == name]
        return error


@pytest.mark.parametrize("generation", [2, 3])
async def test_every_collector_succeeds_on_what_airflow_really_answers(db: Database, generation: int) -> None:
    watched = Watched(db, server(generation))
    for one in watched.runner.collections:
        await one.step(NOON)
    assert [(one.collector, one.error) for one in watched.runner.standings()] == [
        (kind.name, "") for kind in COLLECTORS if kind.name != "airflow_scheduler_port"
    ]


async def test_a_collector_that_has_not_run_yet_is_told_beside_those_that_have(db: Database) -> None:
    watched = Watched(db, server(3))
    await watched.collect("airflow_pools")
    told = {one.collector: one.at for one in watched.runner.standings("prod")}
    assert told == {kind.name: NOON if kind.name == "airflow_pools" else None for kind in COLLECTORS if kind.name in told}
    assert len(told) == len(watched.runner.collections)


async def test_health_tells_components_heartbeats_and_expected_replicas(db: Database) -> None:
    watched = Watched(db, server(3), components={"scheduler": {"expected": 2}})
    said = await watched.collect("airflow_health")
    assert said['airflow_component_up{component="scheduler"}'] == 1
    assert said['airflow_component_up{component="metadatabase"}'] == 1
    assert said['airflow_component_replicas_expected{component="scheduler"}'] == 2
    assert said["airflow_api_up{}"] == 1


@pytest.mark.parametrize("generation", [2, 3])
async def test_the_recorded_database_outage_never_reads_green(db: Database, generation: int) -> None:
    path = "/health" if generation == 2 else "/monitor/health"
    far_end = server(generation)
    watched = Watched(db, far_end)
    told = []
    outage = [
        ("healthy", "07:29:13"),
        ("db-down", "07:46:04"),
        ("db-back-false-healthy", "07:46:22"),
        ("db-back-components-dead", "07:46:30"),
    ]
    for name, at in outage:
        watched.clock.tick((datetime.fromisoformat(f"2026-11-20T{at}+00:00") - watched.clock.now()).total_seconds())
        far_end.answers[path] = ok(recorded_health(generation, name))
        said = await watched.collect("airflow_health")
        told.append((said['airflow_component_up{component="metadatabase"}'], said['airflow_component_up{component="scheduler"}']))
        assert ('airflow_component_up{component="dag_processor"}' in said) == (generation == 3)
    assert told == [(1, 1), (0, 0), (1, 0), (1, 0)]


async def test_an_airflow_that_is_down_at_start_is_unknown_until_it_answers(db: Database) -> None:
    far_end = server(3)
    version, far_end.answers["/version"] = far_end.answers["/version"], httpx.Response(502, text="bad gateway")
    watched = Watched(db, far_end)
    said = await watched.collect("airflow_health")
    assert said["airflow_api_up{}"] == 0
    assert said["opsconsole_collector_up{}"] == 0
    assert not any(name.startswith("airflow_component_up") for name in said)
    far_end.answers["/version"] = version
    watched.clock.tick(5)
    assert (await watched.collect("airflow_health"))["airflow_api_up{}"] == 1


async def test_collectors_that_start_together_connect_once(db: Database) -> None:
    far_end = server(3)
    watched = Watched(db, far_end)
    await asyncio.gather(*(one.step(NOON) for one in watched.runner.collections))
    assert far_end.asked.count("GET /prefix/api/v2/version") == 2  # the connection, and the version collector


async def test_a_failing_connection_is_not_tried_by_each_collector_in_turn(db: Database) -> None:
    far_end = server(3, **{"/version": html(), "/api/v1/version": html()})
    watched = Watched(db, far_end)
    for one in watched.runner.collections:
        await one.step(NOON)
    assert len(far_end.asked) == 2
    assert "is no Airflow API" in watched.error("airflow_pools")


async def test_pools_have_a_series_for_each_state(db: Database) -> None:
    said = await Watched(db, server(2)).collect("airflow_pools")
    assert said['airflow_pool_slots{pool="tiny", state="scheduled"}'] == 6
    assert said['airflow_pool_size{pool="default_pool"}'] == 128


async def test_an_import_error_tells_when_it_was_first_seen_and_ends_when_mended(db: Database) -> None:
    far_end = server(3)
    watched = Watched(db, far_end)
    first = (await watched.collect("airflow_import_errors"))[
        'airflow_dag_import_error_first_seen_timestamp_seconds{file="broken.py"}'
    ]
    assert first == NOON.timestamp()
    watched.clock.tick(15)
    again = await watched.collect("airflow_import_errors")
    assert again['airflow_dag_import_error_first_seen_timestamp_seconds{file="broken.py"}'] == first
    far_end.answers["/importErrors"] = ok({"import_errors": [], "total_entries": 0})
    mended = await watched.collect("airflow_import_errors")
    assert mended["airflow_dag_import_errors{}"] == 0
    ended = mended['airflow_dag_import_error_first_seen_timestamp_seconds{file="broken.py"}']
    assert ended != ended  # a staleness marker


async def test_a_dead_replica_is_seen(db: Database) -> None:
    body = recorded(3, "jobs-one-dead-scheduler")
    watched = Watched(db, server(3, **{"/jobs": ok(body)}))
    watched.clock = FakeClock(NOON.replace(2026, 11, 20, 7, 45, 46))
    said = await watched.collect("airflow_jobs")
    assert said['airflow_component_replicas{component="scheduler"}'] == 1
    assert said['airflow_component_replicas_lost{component="scheduler"}'] == 1
    assert said['airflow_job_up{component="scheduler", hostname="vm", job_id="7"}'] == 0


async def test_finished_runs_are_counted_from_zero_and_once(db: Database) -> None:
    far_end = server(3, **{"/dags/~/dagRuns": NOTHING, "/dags/~/dagRuns/~/taskInstances": NOTHING})
    watched = Watched(db, far_end)
    await watched.collect("airflow_dags")
    said = await watched.collect("airflow_runs")
    assert said['airflow_dag_run_finished_total{dag_id="canary", state="success"}'] == 0
    run = {**recorded(3, "dagruns-batch")["dag_runs"][0], "end_date": (NOON + timedelta(seconds=4)).isoformat()}
    far_end.answers["/dags/~/dagRuns"] = ok({"dag_runs": [run], "total_entries": 1})
    for _ in range(3):
        watched.clock.tick(15)
        said = await watched.collect("airflow_runs")
    assert said['airflow_dag_run_finished_total{dag_id="canary", state="success"}'] == 1
    async with db.read() as session:
        assert "canary" in await last_success_ended(session, "prod", ["canary"])


async def test_the_first_run_of_a_dag_that_was_not_listed_yet_is_an_increase_too(db: Database) -> None:
    far_end = server(3, **{"/dags/~/dagRuns": NOTHING, "/dags/~/dagRuns/~/taskInstances": NOTHING})
    watched = Watched(db, far_end)
    await watched.collect("airflow_runs")
    run = {**recorded(3, "dagruns-batch")["dag_runs"][0], "end_date": (NOON + timedelta(seconds=4)).isoformat()}
    far_end.answers["/dags/~/dagRuns"] = ok({"dag_runs": [run], "total_entries": 1})
    counts = []
    for _ in range(2):
        watched.clock.tick(15)
        await watched.collect("airflow_runs")
        counts += [(one.at, one.value) for one in watched.samples if one.name == "airflow_dag_run_finished_total"]
    assert [value for _, value in counts] == [0, 1, 1]
    assert [at for at, _ in counts] == sorted({at for at, _ in counts})


async def test_an_airflow_that_was_upgraded_is_spoken_to_in_its_new_way(db: Database) -> None:
    far_end = server(2)
    watched = Watched(db, far_end)
    assert 'airflow_info{generation="2", version="2.11.2"}' in await watched.collect("airflow_version")
    newer = server(3)
    far_end.generation, far_end.prefix, far_end.answers = 3, newer.prefix, newer.answers
    watched.clock.tick(60)
    await watched.collect("airflow_version")
    watched.clock.tick(60)
    assert (await watched.collect("airflow_version"))['airflow_info{generation="3", version="3.3.2"}'] == 1


EXECUTOR = "/config/section/core/option/executor"


def told_executor(name: str) -> httpx.Response:
    return ok({"sections": [{"name": "core", "options": [{"key": "executor", "value": name}]}]})


async def test_the_executor_of_an_airflow_2_is_asked_anew_but_not_of_one_that_does_not_tell(db: Database) -> None:
    far_end = server(2, **{EXECUTOR: told_executor("SequentialExecutor")})
    watched = Watched(db, far_end)
    assert 'airflow_executor_info{executor="SequentialExecutor"}' in await watched.collect("airflow_version")
    far_end.answers[EXECUTOR] = told_executor("LocalExecutor")
    assert 'airflow_executor_info{executor="LocalExecutor"}' in await watched.collect("airflow_version")
    far_end.answers[EXECUTOR] = httpx.Response(403, json={"detail": "Your Airflow administrator chose not to expose it."})
    for _ in range(3):
        await watched.collect("airflow_version")
    assert len([path for path in far_end.asked if EXECUTOR in path]) == 3
    assert watched.error("airflow_version") == ""


async def late_scheduler(db: Database, running: int, **settings: Any) -> dict[str, float]:
    """What is told of a 2.x whose scheduler has given no heartbeat for 40 s, with as many tasks running."""
    beat = (NOON - timedelta(seconds=40)).isoformat()
    body = {
        "metadatabase": {"status": "healthy"},
        "scheduler": {"status": "unhealthy", "latest_scheduler_heartbeat": beat},
    }
    tasks = ok({"task_instances": [], "total_entries": running})
    watched = Watched(db, server(2, **{"/health": ok(body), "/dags/~/dagRuns/~/taskInstances": tasks}), **settings)
    await watched.collect("airflow_version")
    return await watched.collect("airflow_health")


@pytest.mark.parametrize("running", [1, 0])
async def test_a_late_scheduler_is_busy_where_it_runs_the_tasks_itself_and_one_runs(db: Database, running: int) -> None:
    said = await late_scheduler(db, running, components={"scheduler": {"sequential": True}})
    assert said['airflow_component_up{component="scheduler"}'] == running
    assert said["airflow_scheduler_busy{}"] == running


async def test_a_late_scheduler_of_another_executor_is_down_whatever_runs(db: Database) -> None:
    said = await late_scheduler(db, running=1)
    assert said['airflow_component_up{component="scheduler"}'] == 0
    assert "airflow_scheduler_busy{}" not in said


async def test_an_airflow_an_hour_ahead_is_seen_as_it_is(db: Database) -> None:
    body = {
        "metadatabase": {"status": "healthy"},
        "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": "2026-03-01T12:59:58Z"},
    }
    watched = Watched(db, server(3, **{"/monitor/health": ok(body, Date="Sun, 01 Mar 2026 13:00:00 GMT")}))
    said = await watched.collect("airflow_health")
    assert said['airflow_component_up{component="scheduler"}'] == 1
    assert said["airflow_clock_skew_seconds{}"] == pytest.approx(3600, abs=1)
    beat = said['airflow_component_heartbeat_timestamp_seconds{component="scheduler"}']
    assert NOON.timestamp() - 4 <= beat <= NOON.timestamp()


async def test_one_hanging_deployment_does_not_delay_another(db: Database) -> None:
    samples: list[Sample] = []
    clock = FakeClock()
    hangs = Deployment(name="hangs", url="http://hangs.test")
    works = Deployment(name="works", url=URL)

    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    targets = [
        Target(hangs, db, clock, open_client=lambda _: httpx.AsyncClient(transport=httpx.MockTransport(never))),
        Target(works, db, clock, open_client=lambda _: server(3).client()),
    ]
    runner = patient(Runner(targets, samples.extend, clock))
    asks = [one for one in runner.collections if not one.name.endswith("/airflow_outcomes")]  # that one asks nothing of Airflow
    stuck = [asyncio.create_task(one.step(NOON)) for one in asks if "/hangs/" in one.name]
    await asyncio.wait_for(asyncio.gather(*(one.step(NOON) for one in asks if "/works/" in one.name)), 120)
    assert all(not task.done() for task in stuck)
    assert {one.error for one in runner.standings("works")} == {""}
    for task in stuck:
        task.cancel()
    await asyncio.gather(*stuck, return_exceptions=True)


async def _tls_port_answers(db: Database, port: int, **tls: str) -> list[float]:
    url = f"https://127.0.0.1:{port}/health"
    settings = {"name": "prod", "url": URL, "tls": tls, "components": {"scheduler": {"health_url": url}}}
    target = Target(Deployment.model_validate(settings), db, FakeClock(), open_client=lambda one: open_http(one, PATIENCE))
    try:
        return [one.value for one in await AirflowSchedulerPort(target, url, 60).collect(NOON)]
    finally:
        await target.close()


async def test_a_schedulers_port_with_a_certificate_that_nobody_vouches_for_is_no_evidence(db: Database) -> None:
    async with serving(answering(b""), tls=True) as port:
        with pytest.raises(CollectError, match="CERTIFICATE_VERIFY_FAILED"):
            await _tls_port_answers(db, port)
        assert await _tls_port_answers(db, port, ca_file=str(TLS / "cert.pem")) == [1, 1]


async def _port_answers(db: Database, port: int, deadline: float = 60) -> tuple[float, str]:
    target = Target(Deployment(name="prod", url=URL), db, FakeClock(), open_client=lambda one: open_http(one, PATIENCE))
    try:
        samples = await AirflowSchedulerPort(target, f"http://127.0.0.1:{port}/health", deadline).collect(NOON)
    finally:
        await target.close()
    up, answer = samples
    assert up.labels["instance"] == f"127.0.0.1:{port}"
    return up.value, answer.labels["answer"]


async def test_the_schedulers_port_is_evidence_in_each_of_its_answers(db: Database) -> None:
    async with serving(answering(b"", "200 OK", "text/html")) as port:
        assert await _port_answers(db, port) == (1, "ok")
    assert await _port_answers(db, free_port()) == (0, "refused")
    async with serving(answering(b"<html>", "503 Service Unavailable", "text/html")) as port:
        assert await _port_answers(db, port) == (0, "unhealthy")
    async with serving(silent) as port:
        assert await _port_answers(db, port, deadline=0.2) == (0, "timeout")


async def test_a_port_that_is_something_else_is_no_evidence(db: Database) -> None:
    async with serving(answering(b"", "404 Not Found", "text/html")) as port:
        with pytest.raises(CollectError, match="status 404"):
            await _port_answers(db, port)


async def test_outcomes_are_counted_over_a_day_a_week_and_a_month(db: Database) -> None:
    ended = [("orders", "failed", 2), ("orders", "failed", 30), ("sales", "success", 3), ("sales", "failed", 24 * 20)]
    async with db.begin() as session:
        for number, (dag_id, state, hours) in enumerate(ended):
            row = {"deployment": "prod", "dag_id": dag_id, "run_id": f"r{number}", "state": state, "run_type": "manual"}
            await session.execute(dag_runs.insert().values(**row, end_at=NOON - timedelta(hours=hours), seen_at=NOON))
    said = await Watched(db, server(3)).collect("airflow_outcomes")
    counts = {
        w: tuple(said[f'airflow_dag_runs_ended{{state="{s}", window="{w}"}}'] for s in ("success", "failed")) for w in WINDOWS
    }
    assert counts == {"1d": (1, 1), "7d": (1, 2), "30d": (1, 3)}
    assert said['airflow_dag_failed_runs{dag_id="orders", window="7d"}'] == 2
    assert 'airflow_dag_failed_runs{dag_id="sales", window="7d"}' not in said
