"""The console's own checks on a real database."""

from datetime import timedelta

import pytest

from opsconsole.db import Database
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings
from opsconsole.tsdb.store import Store
from opsconsole.web.selfchecks import EVALUATION, HEARTBEATS, LATE, self_checks
from tests.support.clock import NOON, FakeClock

SOON = timedelta(seconds=1)


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


async def problems(db: Database, telemetry: Telemetry, after: timedelta) -> dict[str, str]:
    """What is wrong with a console that was started at noon, so long after."""
    store = Store(db, FakeClock(), telemetry, Settings())
    return {check.name: await check.problem(NOON + after) for check in self_checks(db, store, telemetry, NOON, patience=60)}


async def test_a_console_that_just_started_is_well(db: Database, telemetry: Telemetry) -> None:
    assert set((await problems(db, telemetry, SOON)).values()) == {""}


async def test_an_evaluation_that_never_ticked_is_late_in_the_end(db: Database, telemetry: Telemetry) -> None:
    assert "last evaluated 61 s ago" in (await problems(db, telemetry, LATE + SOON))["evaluation"]


async def test_an_evaluation_that_ticks_is_well_and_one_that_stopped_is_not(db: Database, telemetry: Telemetry) -> None:
    telemetry.loop_last_success.labels(EVALUATION).set((NOON + timedelta(hours=1)).timestamp())
    assert not (await problems(db, telemetry, timedelta(hours=1) + LATE))["evaluation"]
    assert (await problems(db, telemetry, timedelta(hours=1) + LATE + SOON))["evaluation"]


async def test_a_clock_that_was_set_back_hides_no_evaluation_that_stopped(db: Database, telemetry: Telemetry) -> None:
    telemetry.loop_last_success.labels(EVALUATION).set((NOON + timedelta(hours=1)).timestamp())
    assert (await problems(db, telemetry, SOON))["evaluation"]
    telemetry.loop_last_success.labels(EVALUATION).set((NOON - timedelta(hours=1)).timestamp())
    assert not (await problems(db, telemetry, -timedelta(hours=1)))["evaluation"]


async def test_heartbeats_that_cannot_be_judged_are_told_and_no_reason_to_restart(db: Database, telemetry: Telemetry) -> None:
    telemetry.loop_last_success.labels(EVALUATION).set((NOON + LATE).timestamp())
    telemetry.loop_last_success.labels(HEARTBEATS).set(NOON.timestamp())
    assert (await problems(db, telemetry, LATE + SOON))["heartbeats"] == "heartbeats were last judged 61 s ago"
    assert not (await problems(db, telemetry, LATE + SOON))["evaluation"]


async def test_a_database_that_is_gone_is_told(telemetry: Telemetry) -> None:
    gone = Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    assert (await problems(gone, telemetry, SOON))["database"].startswith("does not answer")


def test_only_the_evaluation_decides_whether_the_process_is_alive(telemetry: Telemetry) -> None:
    database = Database("sqlite://")
    checks = self_checks(database, Store(database, FakeClock(), telemetry, Settings()), telemetry, NOON)
    assert [check.name for check in checks if check.vital] == ["evaluation"]
