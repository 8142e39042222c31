"""The route tree: which receivers an alert reaches, and in which group. Semantics of Alertmanager, `dispatch/route.go`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsconsole.alerts.grouping import Timers
from opsconsole.alerts.intervals import Interval, ready
from opsconsole.alerts.matchers import Condition
from opsconsole.alerts.settings import Alerting, Route
from opsconsole.model import Labels

DEFAULT_GROUP_BY = ("deployment", "alertname", "dag_id")
DEFAULT_TIMERS = Timers(group_wait=timedelta(seconds=5), group_interval=timedelta(minutes=1), repeat_interval=timedelta(hours=4))


Named = tuple[str, tuple[Interval, ...]]
"""Time intervals of one name: it holds while any of them does."""


def holds(named: Named, now: datetime) -> bool:
    return any(interval.holds(now) for interval in named[1])


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A route with everything inherited; `group_by` None groups by every label, `key` is Alertmanager's route key."""

    key: str
    receiver: str
    group_by: tuple[str, ...] | None
    timers: Timers
    condition: Condition
    goes_on: bool
    children: tuple["Node", ...]
    mutes: tuple[Named, ...] = ()
    actives: tuple[Named, ...] = ()

    def quiet_by(self, now: datetime) -> tuple[str, ...]:
        """Names of the time intervals for which the route tells nothing now: it is muted, or outside of those it is active in."""
        if self.actives and not any(holds(interval, now) for interval in self.actives):
            return tuple(name for name, _ in self.actives)
        return tuple(interval[0] for interval in self.mutes if holds(interval, now))

    def group_labels(self, labels: Labels) -> Labels:
        return labels if self.group_by is None else labels.only(*self.group_by)

    def group_key(self, labels: Labels) -> str:
        """Alertmanager's group key, such as `{}/{team="data"}:{alertname="AirflowSchedulerDown"}`."""
        return f"{self.key}:{self.group_labels(labels)!r}"


def build(settings: Alerting) -> Node:
    """The tree ready for use."""
    timers = Timers(
        DEFAULT_TIMERS.group_wait, DEFAULT_TIMERS.group_interval, DEFAULT_TIMERS.repeat_interval, settings.resolve_wait
    )
    return _Tree({one.name: ready(one) for one in settings.time_intervals}).node(settings.route, "", "", DEFAULT_GROUP_BY, timers)


def routes_of(node: Node, labels: Mapping[str, str]) -> list[Node]:
    """The routes an alert takes: the deepest that fit, and those after one that says `continue`."""
    if not node.condition.fits(labels):
        return []
    taken: list[Node] = []
    for child in node.children:
        below = routes_of(child, labels)
        taken += below
        if below and not child.goes_on:
            break
    return taken or [node]


def longest_wait(settings: Alerting) -> timedelta:
    """No group waits longer than this before it is first told."""
    return max(node.timers.group_wait for node in walk(build(settings)))


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


class _Tree:
    """What its nodes share while they are made: the time intervals there are, and the keys that are taken."""

    def __init__(self, intervals: Mapping[str, tuple[Interval, ...]]) -> None:
        self._intervals = intervals
        self._seen: dict[str, int] = {}

    def node(self, route: Route, above: str, receiver: str, group_by: tuple[str, ...] | None, timers: Timers) -> Node:
        """All is inherited but the matchers and the time intervals."""
        condition = Condition(route.conditions())
        key = self._unique(f"{above}/{condition}" if above else str(condition))
        receiver = receiver if route.receiver is None else route.receiver
        if route.group_by is not None:
            group_by = None if route.group_by == ["..."] else tuple(route.group_by)
        timers = _timers(route, timers)
        children = tuple(self.node(child, key, receiver, group_by, timers) for child in route.routes)
        mutes, actives = self._named(route.mute_time_intervals), self._named(route.active_time_intervals)
        return Node(key, receiver, group_by, timers, condition, route.continue_, children, mutes, actives)

    def _named(self, names: list[str]) -> tuple[Named, ...]:
        return tuple((name, self._intervals.get(name, ())) for name in names)

    def _unique(self, key: str) -> str:
        """Two routes with the same matchers share a key in Alertmanager; here the second and later ones are numbered."""
        self._seen[key] = self._seen.get(key, 0) + 1
        return key if self._seen[key] == 1 else f"{key}#{self._seen[key]}"


def _timers(route: Route, above: Timers) -> Timers:
    return Timers(
        above.group_wait if route.group_wait is None else route.group_wait,
        route.group_interval or above.group_interval,
        route.repeat_interval or above.repeat_interval,
        above.resolve_wait,
    )
