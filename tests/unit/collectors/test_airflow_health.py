"""Which components are up, from the health endpoint's answers over time."""

from datetime import datetime, timedelta

from opsconsole.airflow import ComponentHealth, Health
from opsconsole.collectors.airflow_health import Seen, judge
from tests.support.clock import NOON


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def answer(database: str = "healthy", **components: tuple[str | None, datetime | None]) -> Health:
    return Health(database, tuple(ComponentHealth(name, *state) for name, state in components.items()), 0.01)


def test_a_healthy_component_is_up_and_tells_its_heartbeat() -> None:
    judged = judge(answer(scheduler=("healthy", after(-3))), Seen(), NOON)
    assert judged.up == {"metadatabase": True, "scheduler": True}
    assert judged.beats == {"scheduler": after(-3)}


def test_a_component_that_never_existed_has_no_series() -> None:
    judged = judge(answer(scheduler=("healthy", NOON), dag_processor=(None, None)), Seen(), NOON)
    assert "dag_processor" not in judged.up


def test_a_component_that_ended_is_down_with_its_last_heartbeat() -> None:
    judged = judge(answer(triggerer=("unhealthy", after(-40))), Seen(), NOON)
    assert judged.up["triggerer"] is False
    assert judged.beats == {"triggerer": after(-40)}


def test_a_scheduler_that_is_busy_is_up_but_not_while_an_outage_puts_its_heartbeat_in_doubt() -> None:
    late = answer(scheduler=("unhealthy", after(-40)))
    assert judge(late, Seen(), NOON).up["scheduler"] is False
    assert judge(late, Seen(), NOON, ["scheduler"]).up["scheduler"] is True
    seen = judge(answer("unhealthy", scheduler=("unhealthy", None)), Seen(), after(-20)).seen
    assert judge(late, seen, NOON, ["scheduler"]).up["scheduler"] is False


def test_a_component_that_never_existed_stays_away_while_the_database_is_down() -> None:
    seen = judge(answer(scheduler=("healthy", after(-3)), dag_processor=(None, None)), Seen(), NOON).seen
    down = answer("unhealthy", scheduler=("unhealthy", None), dag_processor=("unhealthy", None))
    assert judge(down, seen, after(5)).up == {"metadatabase": False, "scheduler": False}


def test_what_airflow_calls_healthy_after_a_database_outage_is_down_until_it_beats_again() -> None:
    seen = judge(answer(scheduler=("healthy", after(-3))), Seen(), NOON).seen
    seen = judge(answer("unhealthy", scheduler=("unhealthy", None)), seen, after(5)).seen
    false_green = judge(answer(scheduler=("healthy", after(-3))), seen, after(10))
    assert false_green.up == {"metadatabase": True, "scheduler": False}
    assert judge(answer(scheduler=("healthy", after(12))), false_green.seen, after(15)).up["scheduler"] is True


def test_an_outage_seen_before_anything_else_is_remembered_too() -> None:
    seen = judge(answer("unhealthy", scheduler=("unhealthy", None)), Seen(), NOON).seen
    assert judge(answer(scheduler=("healthy", after(-3))), seen, after(5)).up["scheduler"] is False


def test_heartbeats_that_all_vanish_are_an_outage_whatever_the_database_claims() -> None:
    seen = judge(answer(scheduler=("unhealthy", None), triggerer=("unhealthy", None)), Seen(), NOON).seen
    assert judge(answer(scheduler=("healthy", after(-3))), seen, after(5)).up["scheduler"] is False


def test_a_heartbeat_that_moves_back_to_an_older_killed_job_is_not_told() -> None:
    seen = judge(answer(scheduler=("healthy", after(-3))), Seen(), NOON).seen
    judged = judge(answer(scheduler=("unhealthy", after(-600))), seen, after(5))
    assert judged.beats == {"scheduler": after(-3)}
    assert judged.up["scheduler"] is False


def test_a_heartbeat_from_the_future_does_not_stay_for_ever() -> None:
    seen = Seen(beats={"scheduler": after(3600)})
    assert judge(answer(scheduler=("healthy", after(-2))), seen, NOON).beats == {"scheduler": after(-2)}
