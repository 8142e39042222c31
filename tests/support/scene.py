"""A believable fleet on a bad morning: four Airflows, one scheduler frozen, one API silent. For tests and pictures."""

import math
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from opsconsole.collectors.standing import Standing
from opsconsole.db import Database, alerts, checks, incidents, outbox
from opsconsole.model import Labels, Sample
from opsconsole.slas.settings import Sla
from opsconsole.web.console import Deployment
from tests.support.mirrored import Mirror

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)

DEPLOYMENTS = (
    Deployment(
        "prod-eu", "https://airflow.example.com/prod", {"team": "data-platform", "env": "prod"}, {"scheduler": 2, "triggerer": 1}
    ),
    Deployment("staging", "https://airflow.example.com/staging", {"team": "data-platform", "env": "staging"}),
    Deployment("ml-prod", "https://ml.example.com", {"team": "ml", "env": "prod"}),
    Deployment("finance", "https://finance.example.com/airflow", {"team": "finance", "env": "prod"}),
)
SLAS = (
    Sla(name="orders by seven", deployment="prod-eu", dags=("orders_*",), max_duration="45m"),
    Sla(name="ledger fresh", deployment="finance", dags=("ledger",), freshness="26h"),
)
_VERSIONS = {"prod-eu": "3.3.2", "staging": "2.11.2", "ml-prod": "3.1.8", "finance": "2.10.5"}


def standings(now: datetime, error: str = "GET /api/v2/monitor/health: All connection attempts failed") -> list[Standing]:
    """How the collectors of the Airflow whose API is silent fared last."""
    failing = [Standing("staging", name, now - SECOND, 0.004, error) for name in ("airflow_health", "airflow_jobs")]
    return [Standing("staging", "airflow_scheduler_port", now - 2 * SECOND, 0.02, ""), *failing]


async def play(db: Database, now: datetime) -> None:
    """Everything but the samples."""
    await _incidents(db, now)
    await _failures(db, now)
    await _heartbeats(db, now)
    await _runs(db, now)


def samples(now: datetime, length: timedelta = timedelta(hours=3), step: timedelta = timedelta(seconds=15)) -> Iterator[Sample]:
    """What the collectors would have measured over `length` up to `now`."""
    at, tick = now - length, 0
    while at <= now:
        yield from _at(at, tick, now)
        at, tick = at + step, tick + 1


def _at(at: datetime, tick: int, now: datetime) -> Iterator[Sample]:
    for deployment in DEPLOYMENTS:
        name = deployment.name
        silent = name == "staging" and at > now - 2 * MINUTE
        frozen = name == "prod-eu" and at > now - timedelta(minutes=4, seconds=12)

        def sample(metric: str, value: float, name: str = name, **labels: str) -> Sample:
            return Sample(metric, value, at, Labels(labels, deployment=name))

        yield sample("opsconsole_collector_up", float(not silent), collector="airflow_health")
        yield sample("airflow_api_up", float(not silent))
        if silent:
            continue
        for collector in ("airflow_health", "airflow_jobs", "airflow_pools"):
            success = (at - SECOND).timestamp()
            yield sample("opsconsole_collector_last_success_timestamp_seconds", success, collector=collector)
        yield sample("airflow_info", 1.0, version=_VERSIONS[name], generation=_VERSIONS[name][0])
        yield sample("airflow_api_response_seconds", 0.09 + 0.03 * math.sin(tick / 9) + (0.2 if name == "finance" else 0))
        parts = ["scheduler", "triggerer", "metadatabase"] + ([] if name == "finance" else ["dag_processor"])
        for component in parts:
            down = frozen and component == "scheduler"
            yield sample("airflow_component_up", float(not down), component=component)
            beat = now - timedelta(minutes=4, seconds=12) if down else at - timedelta(seconds=tick % 5)
            if component != "metadatabase":
                yield sample("airflow_component_heartbeat_timestamp_seconds", beat.timestamp(), component=component)
        if name == "prod-eu":
            yield sample("airflow_component_replicas", 1.0 if frozen else 2.0, component="scheduler")
            yield sample("airflow_component_replicas_lost", float(frozen), component="scheduler")
            yield sample("airflow_component_replicas", 1.0, component="triggerer")
        for state, value in (("open", 96 - tick % 30), ("running", 20 + tick % 30), ("queued", 212 if frozen else tick % 9)):
            yield sample("airflow_pool_slots", float(value), pool="default_pool", state=state)


async def _insert(db: Database, table: sa.Table, **values: Any) -> int:
    async with db.begin() as session:
        key = next(iter(table.primary_key.columns))
        return int((await session.execute(table.insert().values(**values).returning(key))).scalar_one())


async def alert(db: Database, scope: str, labels: dict[str, str], state: str, active_at: datetime, **values: Any) -> int:
    """One alert, with the transitions that brought it there."""
    ident = Labels(labels).fingerprint()
    values = {
        "annotations": {},
        "fired_at": active_at + 13 * SECOND if state != "pending" else None,
        "keep_firing_for": 0.0,
    } | values
    values["resolved_at"] = values.get("resolved_at") or (active_at + 9 * MINUTE if state == "resolved" else None)
    open_as = None if state == "resolved" else ident
    row = await _insert(
        db,
        alerts.alerts,
        fingerprint=ident,
        open_fingerprint=open_as,
        scope=scope,
        labels=labels,
        state=state,
        active_at=active_at,
        **values,
    )
    steps = [(active_at, None, "pending", "seen for the first time")]
    if values["fired_at"]:
        steps.append((values["fired_at"], "pending", "firing", "it lasted for 10s"))
    if state == "resolved":
        steps.append((values["resolved_at"], "firing", "resolved", "no longer found"))
    for at, before, after, reason in steps:
        await _insert(db, alerts.transitions, alert_id=row, at=at, before=before, after=after, reason=reason)
    return row


async def incident(db: Database, title: str, severity: str, opened_at: datetime, alert_ids: list[int], **values: Any) -> int:
    labels = {"deployment": values.get("deployment", ""), "alertname": title}
    values.setdefault("open_key", None if values.get("closed_at") else uuid.uuid4().hex)
    row = await _insert(
        db, incidents.incidents, title=title, severity=severity, opened_at=opened_at, group_labels=labels, **values
    )
    async with db.begin() as session:
        for alert_id in alert_ids:
            await session.execute(incidents.incident_alerts.insert().values(incident_id=row, alert_id=alert_id))
    return row


async def message(
    db: Database, incident_id: int, integration: str, state: str, at: datetime, *tries: tuple[str, str], occasion: str = "opened"
) -> None:
    """A message and its attempts, as (outcome, answer)."""
    row = await _insert(
        db,
        outbox.outbox,
        key=uuid.uuid4().hex,
        incident_id=incident_id,
        receiver="oncall",
        integration=integration,
        occasion=occasion,
        payload={},
        state=state,
        attempts=len(tries),
        created_at=at,
        due_at=at + 30 * SECOND,
        finished_at=None if state == "owed" else at + SECOND,
    )
    for index, (outcome, answer) in enumerate(tries):
        when = at + SECOND * (index * 5 + 1)
        await _insert(db, outbox.attempts, outbox_id=row, at=when, seconds=0.212, outcome=outcome, answer=answer)


async def _incidents(db: Database, now: datetime) -> None:
    frozen = now - timedelta(minutes=4, seconds=12)
    labels = {"alertname": "AirflowSchedulerDown", "component": "scheduler", "deployment": "prod-eu", "severity": "critical"}
    told = {
        "summary": "prod-eu: the scheduler is silent",
        "description": "No sign of life for longer than it may take: nothing is scheduled until it is back.",
        "runbook_url": "docs/runbooks/scheduler-down.md",
        "owner": "data-platform",
    }
    first = await alert(
        db, "rules/scheduler;scheduler;AirflowSchedulerDown", labels, "firing", frozen, annotations=told, value=31.4
    )
    row = await incident(db, "prod-eu · scheduler silent", "critical", frozen + 13 * SECOND, [first], deployment="prod-eu")
    await message(
        db, row, "slack", "sent", frozen + 18 * SECOND, ("retry", "HTTP 429, Retry-After 5"), ("delivered", "ok ts=1795.0001")
    )
    await message(db, row, "email", "sent", frozen + 18 * SECOND, ("delivered", "250 2.0.0 Ok: queued as 4F2A"))
    await message(db, row, "webhook", "owed", frozen + 18 * SECOND, ("retry", "ConnectError: connection refused"))
    silent = now - 2 * MINUTE
    labels = {"alertname": "AirflowApiDown", "component": "api", "deployment": "staging", "severity": "warning"}
    second = await alert(
        db,
        "rules/health;api;AirflowApiDown",
        labels,
        "firing",
        silent,
        annotations={"summary": "staging: the API does not answer"},
    )
    row = await incident(
        db,
        "staging · API does not answer",
        "warning",
        silent + 30 * SECOND,
        [second],
        deployment="staging",
        acknowledged_at=now - MINUTE,
        acknowledged_by="maria",
    )
    await message(db, row, "slack", "sent", silent + 35 * SECOND, ("delivered", "ok"))
    for days in range(1, 6):
        begun = now - timedelta(days=days, hours=days)
        labels = {
            "alertname": "AirflowDagImportErrors",
            "deployment": "ml-prod",
            "severity": "warning",
            "file": f"dags/team_{days}.py",
        }
        old = await alert(db, "rules/dag_processing;imports;AirflowDagImportErrors", labels, "resolved", begun)
        closed = {"closed_at": begun + 9 * MINUTE, "deployment": "ml-prod"}
        row = await incident(db, f"ml-prod · dags/team_{days}.py cannot be imported", "warning", begun, [old], **closed)
        await message(db, row, "slack", "sent", begun, ("delivered", "ok"))
        await message(db, row, "slack", "sent", begun + 9 * MINUTE, ("delivered", "ok"), occasion="resolved")


async def _failures(db: Database, now: datetime) -> None:
    oom = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
    lock = "psycopg.errors.LockNotAvailable: canceling statement due to lock timeout"
    told = [
        ("prod-eu", "daily_sales", "load", "KeyError: 'region'", "3 of 3", "sales-data", 6, "firing"),
        ("ml-prod", "ml_features", "train", oom, "1 of 1", "ml", 34, "firing"),
        ("finance", "ledger", "reconcile", lock, "2 of 2", "finance", 190, "resolved"),
    ]
    for deployment, dag, task, error, tries, owner, minutes, state in told:
        labels = {
            "alertname": "AirflowTaskFailed",
            "severity": "high",
            "deployment": deployment,
            "dag_id": dag,
            "task_id": task,
            "run_id": "scheduled__2026-11-19T00:00:00+00:00",
        }
        annotations = {
            "summary": f"{deployment}: {dag}.{task} failed",
            "error": error,
            "try": tries,
            "owner": owner,
            "run_type": "scheduled",
            "duration": "3m12s",
            "log_url": f"https://airflow.example.com/dags/{dag}/runs/x/tasks/{task}?try_number=3",
            "run_url": f"https://airflow.example.com/dags/{dag}/runs/x",
            "runbook_url": "docs/runbooks/task-failed.md",
        }
        begun = now - minutes * MINUTE
        row = await alert(db, f"failures/{deployment}", labels, state, begun, annotations=annotations)
        closed = {"closed_at": begun + 9 * MINUTE} if state == "resolved" else {}
        await incident(db, f"{deployment} · {dag}.{task} failed", "high", begun, [row], deployment=deployment, **closed)


async def _heartbeats(db: Database, now: datetime) -> None:
    def plain(slug: str, **values: Any) -> dict[str, Any]:
        kept = {"uuid": str(uuid.uuid4()), "slug": slug, "tags": [], "origin": "config", "created_at": now - timedelta(days=9)}
        return kept | {"timezone": "UTC", "grace": 30.0, "deployment": "prod-eu"} | values

    await _beating(db, plain("prod-eu-canary", name="prod-eu canary", period=60.0, tags=["canary"]), now - 5 * MINUTE, 60, 28)
    late = plain("ml-canary", name="ml-prod canary", period=60.0, grace=120.0, deployment="ml-prod", tags=["canary"])
    await _beating(db, late, now - 20 * SECOND, 60, 30)
    export = plain(
        "nightly-export", name="nightly-export", schedule="0 5 * * *", timezone="Europe/Paris", grace=1800.0, deployment=""
    )
    await _beating(db, export, now - timedelta(hours=3), 86_400, 30)
    await _insert(
        db, checks.checks, **plain("prod-db-backup", name="prod-db-backup", period=86_400.0, created_at=now - timedelta(hours=2))
    )


async def _beating(db: Database, check: dict[str, Any], last: datetime, every: int, count: int) -> None:
    seen = {"pings": count, "last_ping_at": last, "last_success_at": last, "last_kind": "success", "last_remote": "10.1.4.7"}
    row = await _insert(db, checks.checks, **check, **seen)
    async with db.begin() as session:
        for number in range(1, count + 1):
            at = last - timedelta(seconds=every * (count - number) + (20 if number == 7 else 0))
            await session.execute(
                checks.pings.insert().values(check_id=row, number=number, at=at, kind="success", method="GET", remote="10.1.4.7")
            )


async def _runs(db: Database, now: datetime) -> None:
    prod, finance = Mirror(db, "prod-eu"), Mirror(db, "finance")
    for mirror in (prod, finance):
        await mirror.polled(now - 5 * SECOND)
        await mirror.watching(now - timedelta(days=5))
    await prod.dag("orders_eu", owners=["sales-data"], seen_at=now)
    await prod.run("orders_eu", "scheduled__late", "running", now - timedelta(minutes=52))
    await prod.dag("orders_us", owners=["sales-data"], seen_at=now)
    await prod.run("orders_us", "scheduled__fine", "success", now - timedelta(hours=1), end_at=now - timedelta(minutes=30))
    await finance.dag("ledger", owners=["finance"], seen_at=now)
    await finance.run(
        "ledger", "scheduled__ok", "success", now - timedelta(hours=25), end_at=now - timedelta(hours=24, minutes=40)
    )
