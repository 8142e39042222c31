"""SLAs from the mirror to findings, on both databases."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from opsconsole.airflow.links import Links
from opsconsole.db import Database
from opsconsole.model import Finding, Verdict
from opsconsole.slas.settings import Sla
from opsconsole.slas.state import SlaState
from opsconsole.slas.watch import SlaWatch
from tests.support.clock import NOON
from tests.support.mirrored import Mirror

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def sla(**promise: Any) -> Sla:
    return Sla.model_validate({"name": "orders", "deployment": "prod", "dags": ["orders_*"]} | promise)


class Watched:
    def __init__(self, db: Database, *slas: Sla, deployments: tuple[str, ...] = ("prod",)) -> None:
        self.verdicts: list[Verdict] = []
        self.watch = SlaWatch(db, slas, deployments, self._take, lambda _: Links("http://airflow", 3))

    async def _take(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)

    async def at(self, now: datetime) -> list[Finding]:
        self.verdicts.clear()
        await self.watch.step(now)
        return list(self.verdicts[-1].findings)


@pytest.fixture
async def mirror(db: Database) -> Mirror:
    mirror = Mirror(db)
    await mirror.dag("orders_daily", owners=["data", "ops"])
    await mirror.dag("other")
    return mirror


async def test_an_overrun_is_told_while_the_run_runs_and_ends_with_it(db: Database, mirror: Mirror) -> None:
    far = Watched(db, sla(max_duration="45m"))
    await mirror.run("orders_daily", "r1", "running", NOON)
    await mirror.run("other", "r1", "running", NOON)
    await mirror.polled(NOON + 46 * MINUTE)
    [finding] = await far.at(NOON + 46 * MINUTE)
    assert far.verdicts[0].scope == "slas/prod"
    assert dict(finding.labels) == {
        "alertname": "SLAMissed",
        "severity": "high",
        "deployment": "prod",
        "sla": "orders",
        "dag_id": "orders_daily",
        "kind": "max_duration",
        "run_id": "r1",
    }
    assert finding.since == NOON + 45 * MINUTE
    assert dict(finding.annotations) == {
        "summary": "prod: orders_daily runs longer than 45m",
        "description": "SLA 'orders': a run takes at most 45m.",
        "owner": "data, ops",
        "duration": "more than 45m",
        "run_url": "http://airflow/dags/orders_daily/runs/r1",
        "runbook_url": "docs/runbooks/sla-missed.md",
    }
    await mirror.run("orders_daily", "r1", "success", NOON, end_at=NOON + 50 * MINUTE)
    assert await far.at(NOON + 47 * MINUTE) == []
    [one] = await far.watch.standing(NOON + 47 * MINUTE)
    assert (one.dag_id, one.state, one.reason) == ("orders_daily", SlaState.MISSED, "the last run took 50m, 45m is allowed")


async def test_a_missed_deadline_is_told_at_once_and_ends_with_success(db: Database, mirror: Mirror) -> None:
    far = Watched(db, sla(deadline="12:00 UTC"))
    await mirror.run("orders_daily", "r0", "success", NOON - DAY - HOUR, end_at=NOON - DAY)
    await mirror.run("orders_daily", "r1", "running", NOON - HOUR)
    await mirror.polled(NOON)
    assert [finding.since for finding in await far.at(NOON)] == []
    await mirror.watching(NOON - 2 * DAY)
    assert [finding.since for finding in await far.at(NOON)] == [NOON]
    await mirror.run("orders_daily", "r1", "success", NOON - HOUR, end_at=NOON + MINUTE)
    assert await far.at(NOON + MINUTE) == []


async def test_a_stale_mirror_gives_no_verdict_and_its_states_are_unknown(db: Database, mirror: Mirror) -> None:
    promised = sla(max_duration="45m")
    far = Watched(db, promised)
    await far.watch.step(NOON)
    assert far.verdicts == []
    await mirror.run("orders_daily", "r1", "running", NOON - HOUR)
    await mirror.polled(NOON)
    assert len(await far.at(NOON + 2 * MINUTE)) == 1
    far.verdicts.clear()
    await far.watch.step(NOON + 3 * MINUTE)
    assert far.verdicts == []
    assert [one.state for one in await far.watch.standing(NOON + 3 * MINUTE)] == [SlaState.UNKNOWN]


async def test_a_look_of_long_ago_says_nothing_of_now(db: Database, mirror: Mirror) -> None:
    far = Watched(db, sla(max_duration="45m"))
    assert [one.state for one in await far.watch.standing(NOON)] == [SlaState.UNKNOWN]
    await mirror.run("orders_daily", "r1", "running", NOON - HOUR)
    await mirror.polled(NOON)
    await far.at(NOON)
    assert [one.state for one in await far.watch.standing(NOON + MINUTE)] == [SlaState.MISSED]
    assert [one.state for one in await far.watch.standing(NOON + 3 * MINUTE)] == [SlaState.UNKNOWN]


async def test_an_old_success_of_long_ago_counts_for_freshness(db: Database, mirror: Mirror) -> None:
    await mirror.polled(NOON)
    await mirror.run("orders_daily", "r0", "success", NOON - 9 * DAY, end_at=NOON - 8 * DAY)
    assert await Watched(db, sla(freshness="9d")).at(NOON) == []
    [finding] = await Watched(db, sla(freshness="7d")).at(NOON)
    assert finding.since == NOON - DAY
    assert finding.annotations["run_url"] == "http://airflow/dags/orders_daily"


async def test_a_paused_dag_and_globs_that_fit_nothing_are_unknown(db: Database, mirror: Mirror) -> None:
    await mirror.polled(NOON)
    await mirror.dag("orders_daily", paused=True)
    await mirror.run("orders_daily", "r1", "running", NOON - DAY)
    slas = [sla(max_duration="45m"), sla(name="none", dags=["nowhere"], freshness="1h")]
    far = Watched(db, *slas)
    assert await far.at(NOON) == []
    assert [(one.dag_id, one.state, one.reason) for one in await far.watch.standing(NOON)] == [
        ("orders_daily", SlaState.UNKNOWN, "the Dag is paused"),
        ("", SlaState.UNKNOWN, "no Dag fits nowhere"),
    ]


async def test_a_dag_that_vanished_is_still_held_to_its_runs(db: Database, mirror: Mirror) -> None:
    await mirror.polled(NOON)
    await mirror.run("orders_gone", "r1", "running", NOON - HOUR)
    assert [finding.labels["dag_id"] for finding in await Watched(db, sla(max_duration="45m")).at(NOON)] == ["orders_gone"]


async def test_a_deployment_that_lost_its_last_sla_has_nothing_wrong(db: Database) -> None:
    assert await Watched(db).at(NOON) == []
