"""What is told one by one, and what in a summary."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from opsconsole.db.outbox import Waiting
from opsconsole.db.storms import Picture
from opsconsole.notify.rate import Bucket, Rate
from opsconsole.notify.settings import Receiver
from opsconsole.notify.storms import message, sort_out
from tests.support.clock import NOON

RATE = Rate(5, timedelta(seconds=5))
NEW = Waiting(1, 2, threaded=False, told=False, resolved=False, storm_id=None)


def several(count: int, **more: bool | int) -> list[Waiting]:
    return [replace(NEW, incident_id=n, **more) for n in range(1, count + 1)]  # type: ignore[arg-type]


def test_what_can_be_sent_soon_is_no_storm() -> None:
    assert sort_out(several(35), RATE, 5, storming=False, edits=True) == sort_out(several(5), RATE, 5, storming=False, edits=True)
    assert sort_out(several(35), RATE, 5, storming=False, edits=True).fold == ()


def test_more_than_that_is_folded_but_for_critical_ones_beside_the_summary() -> None:
    waiting = [*several(10, rank=0), *(replace(NEW, incident_id=n) for n in range(11, 50))]
    sorted_ = sort_out(waiting, RATE, 5, storming=False, edits=True)
    assert sorted_.send == (1, 2, 3, 4)
    assert set(sorted_.fold) == set(range(5, 50))


def test_while_a_storm_lasts_whatever_exceeds_the_room_joins_it() -> None:
    assert len(sort_out(several(6), RATE, 5, storming=True, edits=True).fold) == 6
    assert sort_out(several(5), RATE, 5, storming=True, edits=True).fold == ()


def test_a_message_of_its_own_is_brought_up_to_date_by_itself() -> None:
    own = several(100, threaded=True, told=True, resolved=True, storm_id=7)
    sorted_ = sort_out(own, RATE, 5, storming=True, edits=True)
    assert (sorted_.send, sorted_.fold, sorted_.over) == ((1, 2, 3, 4, 5), (), ())


def test_the_end_of_what_a_storm_told_is_told_by_that_storm() -> None:
    sorted_ = sort_out(several(2, resolved=True, storm_id=7), RATE, 5, storming=False, edits=True)
    assert (sorted_.send, sorted_.over) == ((), ((1, 7), (2, 7)))


WAITING = st.builds(
    Waiting,
    incident_id=st.integers(1, 10_000),
    rank=st.integers(0, 3),
    threaded=st.booleans(),
    told=st.booleans(),
    resolved=st.booleans(),
    storm_id=st.none() | st.integers(1, 3),
)


@given(
    st.lists(WAITING, max_size=80, unique_by=lambda one: one.incident_id),
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
)
def test_nothing_is_told_twice_and_no_more_is_sent_than_there_is_room_for(
    waiting: list[Waiting], room: int, storming: bool, edits: bool
) -> None:
    sorted_ = sort_out(waiting, RATE, room, storming=storming, edits=edits)
    over = [incident for incident, _ in sorted_.over]
    everything = [*sorted_.send, *sorted_.fold, *over]
    assert len(everything) == len(set(everything))
    assert len(sorted_.send) + bool(sorted_.fold) <= room
    left = {one.incident_id for one in waiting} - set(everything)
    assert not sorted_.fold or left <= {one.incident_id for one in waiting if edits and one.threaded}


def test_without_a_rate_all_is_sent() -> None:
    assert len(sort_out(several(500), None, None, storming=True, edits=False).send) == 500


def test_a_bucket_gives_a_burst_and_then_its_rate() -> None:
    bucket = Bucket(RATE)
    assert bucket.room(100.0) == 5
    bucket.take(5)
    assert [bucket.room(at) for at in (100.0, 100.5, 101.0, 103.0, 1000.0)] == [0, 0, 1, 3, 5]
    assert Bucket(None).room(0.0) is None


def test_rates_are_set_or_those_of_the_kind() -> None:
    webhook = {"url": "http://x.test/"}
    given_rate = {"name": "r", "webhook": webhook, "rate_limit": {"messages": 3, "per": "1m"}}
    rates = [
        Receiver.model_validate(one).rate(next(iter(Receiver.model_validate(one).ways()))[1])
        for one in ({"name": "r", "webhook": webhook}, given_rate, {"name": "r", "apprise": "json://x", "rate_limit": False})
    ]
    assert rates == [None, Rate(3, timedelta(minutes=1)), None]


def test_a_summary_says_how_many_where_and_what() -> None:
    picture = Picture(
        began_at=NOON,
        last_at=NOON + timedelta(minutes=3),
        told_at=None,
        reference=None,
        incidents=412,
        open=112,
        worst=("warning", "critical"),
        severities=(("warning", 400), ("critical", 12)),
        deployments=(("prod", 300), ("staging", 112)),
        alertnames=(("TaskFailed", 412),),
    )
    made = message(picture, "http://console.test/ops/")
    assert made.title == "[STORM] 412 incidents in 3 min, 112 are open, 300 are over"
    assert made.severity == "critical"
    assert [(fact.name, fact.value) for fact in made.facts][1:] == [
        ("Deployments", "prod 300, staging 112"),
        ("Alerts", "TaskFailed 412"),
    ]
    assert made.links[0].url == "http://console.test/ops/incidents"
    over = message(replace(picture, open=0), "http://console.test")
    assert (over.resolved, over.title) == (True, "[RESOLVED] 412 incidents in 3 min, all are over")
