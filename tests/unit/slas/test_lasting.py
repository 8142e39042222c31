"""A judgement lasts for as long as it says, whatever the Dag's runs are."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from opsconsole.model import OPEN_RUN_STATES, Dag, DagRun
from opsconsole.slas.judge import Seen, judge
from opsconsole.slas.lasting import EVER, until
from opsconsole.slas.settings import Sla
from tests.support.clock import NOON

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WINDOW = 3 * DAY
PROMISES: list[dict[str, Any]] = [
    {"deadline": "07:00 Europe/Paris"},
    {"deadline": "12:00"},
    {"max_duration": "45m"},
    {"max_start_delay": "10m"},
    {"freshness": "26h"},
]


def sla(**promise: Any) -> Sla:
    return Sla.model_validate({"name": "orders", "deployment": "prod", "dags": ["orders"]} | promise)


def seen(runs: Sequence[DagRun], dag: Dag, at: datetime, *, listed: bool = True) -> Seen:
    """What a reading at `at` finds of a Dag that ever had these runs."""
    begin = at - WINDOW
    kept = [
        run
        for run in runs
        if run.state in OPEN_RUN_STATES or (run.end_at and run.end_at >= begin) or (run.due_at and run.due_at >= begin)
    ]
    return Seen(
        dag,
        kept,
        NOON - 9 * DAY,
        max((run.end_at for run in runs if run.state == "success" and run.end_at), default=None),
        listed,
        any(run.due_at is not None and run.due_at < begin for run in runs),
    )


minutes = st.integers(0, 120).map(lambda number: number * 5 * MINUTE)


@st.composite
def some_runs(draw: st.DrawFn) -> list[DagRun]:
    runs = []
    for number in range(draw(st.integers(0, 6))):
        due = NOON - draw(st.integers(0, 5)) * DAY + draw(minutes)
        state = draw(st.sampled_from(("queued", "running", "success", "success", "failed")))
        kind = draw(st.sampled_from(("scheduled", "manual", "backfill")))
        plain = DagRun("orders", f"r{number}", state, kind, due, due, due, None, None)
        if state != "queued" and draw(st.integers(0, 9)):
            plain = replace(plain, start_at=due + draw(minutes))
        if state not in OPEN_RUN_STATES:
            plain = replace(plain, end_at=(plain.start_at or due) + draw(minutes))
        runs.append(plain)
    return sorted(runs, key=lambda run: (run.due_at or NOON, run.run_id))


@settings(max_examples=400)
@given(
    some_runs(),
    st.sampled_from(PROMISES),
    st.none() | minutes,
    st.booleans(),
    st.integers(0, 90),
    st.lists(st.integers(0, 1_000_000), min_size=3, max_size=3),
)
def test_a_judgement_stays_as_it_is_until_the_moment_it_names(
    runs: list[DagRun], promise: dict[str, Any], due: timedelta | None, listed: bool, hours: int, parts: list[int]
) -> None:
    now, promised = NOON + hours * HOUR, sla(**promise)
    dag = Dag("orders", next_run_due_at=None if due is None else NOON + due)
    first = seen(runs, dag, now, listed=listed)
    end = until([promised], first, WINDOW, now)
    assert end > now
    last = min(end, now + 30 * DAY) - timedelta(microseconds=1)
    for moment in (last, *(now + (last - now) * part / 1_000_000 for part in parts)):
        assert judge(promised, seen(runs, dag, moment, listed=listed), moment) == judge(promised, first, now)


def test_a_limit_ends_just_before_it_is_overstepped() -> None:
    runs = [DagRun("orders", "r", "running", "scheduled", NOON, NOON, NOON, NOON, None)]
    promised = sla(max_duration="50m")
    looked = replace(seen(runs, Dag("orders"), NOON), is_old=True, newest_success=NOON)
    just = timedelta(microseconds=1)
    assert until([promised], looked, WINDOW, NOON) == NOON + 40 * MINUTE + just
    assert until([promised], looked, WINDOW, NOON + 40 * MINUTE + just) == NOON + 50 * MINUTE + just


def test_what_time_cannot_change_lasts_for_ever() -> None:
    assert until([sla(max_duration="50m")], seen([], Dag("orders"), NOON), WINDOW, NOON) == EVER


def test_the_run_that_says_how_long_one_usually_takes_is_needed_though_an_older_one_ended_later() -> None:
    older = DagRun("orders", "r1", "success", "scheduled", NOON, NOON, NOON, NOON, NOON + 5 * HOUR)
    newer = replace(older, run_id="r2", due_at=NOON + HOUR, start_at=NOON + HOUR, end_at=NOON + 3 * HOUR)
    repeated = replace(older, run_id="r3", run_type="backfill", due_at=NOON + 6 * HOUR, start_at=None, end_at=NOON + 6 * HOUR)
    now = NOON + WINDOW + 2 * HOUR
    looked = seen([older, newer, repeated], Dag("orders"), now)
    assert looked.is_old
    assert until([sla(max_duration="10h")], looked, WINDOW, now) == NOON + 3 * HOUR + WINDOW + timedelta(microseconds=1)


def test_a_dag_that_never_succeeded_is_measured_from_another_run_when_its_first_one_is_long_ago() -> None:
    first = DagRun("orders", "r1", "failed", "scheduled", NOON, NOON, NOON, NOON, NOON + HOUR)
    second = replace(first, run_id="r2", due_at=NOON + DAY, end_at=NOON + DAY)
    now = NOON + 2 * DAY
    looked = seen([first, second], Dag("orders"), now)
    promised = sla(freshness="1h")
    left = NOON + HOUR + WINDOW + timedelta(microseconds=1)
    assert until([promised], looked, WINDOW, left - 2 * timedelta(microseconds=1)) == left
    assert judge(promised, looked, left) != judge(promised, seen([first, second], Dag("orders"), left), left)
