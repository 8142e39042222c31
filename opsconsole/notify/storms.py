"""What is told one by one and what in a summary, where more waits than a receiver may be sent. Pure.

Nothing is dropped: what is folded is counted in a summary, and the summary is kept up to date until all of it is over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from opsconsole.db.outbox import Waiting
from opsconsole.db.storms import Picture
from opsconsole.model import worst_severity
from opsconsole.notify.message import Fact, Link, Message, clock_time, in_words
from opsconsole.notify.rate import Rate

PATIENCE = timedelta(seconds=30)
"""What can be sent one by one within this is no storm."""
LASTS = timedelta(minutes=1)
"""For so long after something was folded, whatever exceeds the rate joins it at once."""
JOINS = timedelta(minutes=10)
"""A storm that has been quiet for longer takes in nothing new: the next is told by a summary of its own."""
SETTLE = timedelta(seconds=3)
PACE_EDITED = timedelta(seconds=10)
PACE_POSTED = timedelta(minutes=3)
"""How often a summary is told anew, where it can be edited in place and where each is a message."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """Incidents to send now, to fold into the lane's storm, and to leave to the storm that told them (by its id)."""

    send: tuple[int, ...]
    fold: tuple[int, ...] = ()
    over: tuple[tuple[int, int], ...] = ()


def sort_out(waiting: Sequence[Waiting], rate: Rate | None, room: int | None, *, storming: bool, edits: bool) -> Sorted:
    """Sort what waits, the worst first. `room` messages may go now; `edits`: the receiver's messages are edited in place.

    A message of its own is always brought up to date by itself, so that none shows for ever what is over. In a storm, critical
    incidents are told by themselves as far as there is room beside the summary.
    """
    if rate is None or room is None:
        return Sorted(tuple(one.incident_id for one in waiting))
    over = [one for one in waiting if one.resolved and one.storm_id is not None and not (one.threaded if edits else one.told)]
    own = [one for one in waiting if edits and one.threaded]
    left = {one.incident_id for one in (*over, *own)}
    news = [one for one in waiting if one.incident_id not in left]
    ended = tuple((one.incident_id, one.storm_id) for one in over if one.storm_id is not None)
    if len(news) <= (room if storming else rate.within(PATIENCE)):
        return Sorted(tuple(one.incident_id for one in (*news, *own)[: max(0, room)]), (), ended)
    alone = [one.incident_id for one in news if one.rank == 0][: max(0, room - 1)]
    rest = tuple(one.incident_id for one in news if one.incident_id not in set(alone))
    spare = max(0, room - 1 - len(alone))
    return Sorted((*alone, *(one.incident_id for one in own[:spare])), rest, ended)


def message(picture: Picture, public_url: str) -> Message:
    """`412 incidents in 3 min`: how many, where, what, and how many of them are still open."""
    over = picture.incidents - picture.open
    began, last = clock_time(picture.began_at, picture.last_at), clock_time(picture.last_at, picture.last_at)
    span = in_words(picture.last_at - picture.began_at)
    counted = f"{picture.incidents} incidents"
    state = "all are over" if not picture.open else f"{picture.open} are open" + (f", {over} are over" if over else "")
    facts = (("Severities", picture.severities), ("Deployments", picture.deployments), ("Alerts", picture.alertnames))
    return Message(
        title=f"[{'STORM' if picture.open else 'RESOLVED'}] {counted} in {span}, {state}",
        verdict=f"{counted} from {began} to {last}: {state}. They are more than this receiver may be sent one by one.",
        severity=worst_severity(picture.worst),
        resolved=not picture.open,
        facts=tuple(Fact(name, ", ".join(f"{what} {n}" for what, n in several)) for name, several in facts if several),
        links=(Link("Incidents", public_url.rstrip("/") + "/incidents"),),
    )
