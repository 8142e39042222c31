"""When work excuses the late heartbeat of a scheduler that runs the tasks itself."""

from datetime import datetime, timedelta

from opsconsole.collectors.sequential import Busy, Work, explains, looked
from tests.support.clock import NOON


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def seen(*looks: tuple[float, int, int]) -> Busy:
    """After looks at (seconds, running, queued)."""
    busy = Busy()
    for seconds, running, queued in looks:
        busy = looked(busy, Work(running, queued), after(seconds))
    return busy


def test_a_running_task_excuses_it() -> None:
    assert explains(seen((12, 1, 0), (300, 1, 0)), NOON, after(305))


def test_without_a_look_nothing_does() -> None:
    assert not explains(Busy(), NOON, after(20))


def test_tasks_that_wait_and_never_start_do_not() -> None:
    assert not explains(seen((12, 0, 5), (17, 0, 5), (22, 0, 5)), NOON, after(22))


def test_a_queue_that_gets_shorter_does_though_no_task_is_met_running() -> None:
    assert explains(seen((12, 0, 5), (17, 0, 4)), NOON, after(22))


def test_it_is_over_half_a_minute_after_the_last_work() -> None:
    busy = seen((12, 1, 3), (60, 0, 2), (65, 0, 2), (70, 0, 2))
    assert explains(busy, NOON, after(90))
    assert not explains(busy, NOON, after(91))


def test_a_task_that_reads_running_for_ever_does_not_do_so_for_ever() -> None:
    hour = 3600
    assert explains(seen((hour, 1, 0)), NOON, after(hour))
    assert not explains(seen((hour + 5, 1, 0)), NOON, after(hour + 5))
