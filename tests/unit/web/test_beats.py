from datetime import timedelta
from typing import Any

from opsconsole.db.checks import Check
from opsconsole.model import Status
from opsconsole.web.beats import BARS, Bar, bars, lines
from tests.support.clock import NOON

MINUTE = timedelta(minutes=1)


def check(**values: Any) -> Check:
    plain: dict[str, Any] = {
        "id": 1,
        "uuid": "",
        "slug": "canary",
        "name": "Canary",
        "deployment": "prod",
        "tags": (),
        "period": MINUTE,
        "schedule": None,
        "timezone": "UTC",
        "grace": timedelta(seconds=30),
        "created_at": NOON - timedelta(days=1),
    }
    return Check(**{**plain, **values})


def test_pings_on_time_are_full_bars() -> None:
    beats = [(NOON - n * MINUTE, "success") for n in range(5, -1, -1)]
    assert bars(check(), beats, NOON)[-6:] == (Bar.ON_TIME,) * 6
    assert len(bars(check(), beats, NOON)) == BARS


def test_a_silence_shows_the_beats_that_are_missing() -> None:
    shown = bars(check(), [(NOON - 4 * MINUTE, "success")], NOON)
    assert shown[-5:] == (Bar.ON_TIME, *[Bar.MISSED] * 4)


def test_a_gap_in_the_past_stays_visible_and_a_late_ping_is_late() -> None:
    beats = [(NOON - timedelta(seconds=s), "success") for s in (400, 320, 80, 20)]
    shown = [bar for bar in bars(check(), beats, NOON) if bar is not Bar.NONE]
    assert shown == [Bar.ON_TIME, Bar.LATE, Bar.MISSED, Bar.MISSED, Bar.MISSED, Bar.LATE, Bar.ON_TIME]


def test_a_failure_is_a_missed_beat() -> None:
    assert bars(check(), [(NOON, "fail")], NOON)[-1] is Bar.MISSED


def test_a_silence_of_years_is_still_one_row_of_bars() -> None:
    assert bars(check(), [(NOON - timedelta(days=4000), "success")], NOON) == (Bar.MISSED,) * BARS


def test_the_silent_come_first_and_say_for_how_long() -> None:
    fine = check(id=2, name="fine", last_ping_at=NOON - timedelta(seconds=20), last_kind="success")
    silent = check(name="silent", last_ping_at=NOON - timedelta(minutes=5), last_kind="success")
    found = lines([fine, silent, check(id=3, name="new", created_at=NOON)], {}, NOON, None)
    assert [line.check.name for line in found] == ["silent", "new", "fine"]
    assert [line.status for line in found] == [Status.DOWN, Status.UNKNOWN, Status.OK]
    assert found[0].words == "silent, down for 3 min 30 s"
    assert found[2].words == "next in 40 s"
    assert found[1].bars_in_words == "no beat yet"
