"""The route tree: which receivers an alert reaches, and in which group. Semantics of Alertmanager, `dispatch/route.go`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from opsconsole.alerts.grouping import Timers
from opsconsole.alerts.matchers import Condition
from opsconsole.alerts.settings import Alerting, Route
from opsconsole.model import Labels

DEFAULT_GROUP_BY = ("deployment", "alertname", "dag_id")
DEFAULT_TIMERS = Timers(group_wait=timedelta(seconds=5), group_interval=timedelta(minutes=1), repeat_interval=timedelta(hours=4))


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
    return _node(settings.route, "", "", DEFAULT_GROUP_BY, timers, {})


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


def _node(
    route: Route, above: str, receiver: str, group_by: tuple[str, ...] | None, timers: Timers, seen: dict[str, int]
) -> Node:
    condition = Condition(route.conditions())
    key = _unique(f"{above}/{condition}" if above else str(condition), seen)
    receiver = receiver if route.receiver is None else route.receiver
    if route.group_by is not None:
        group_by = None if route.group_by == ["..."] else tuple(route.group_by)
    timers = Timers(
        timers.group_wait if route.group_wait is None else route.group_wait,
        route.group_interval or timers.group_interval,
        route.repeat_interval or timers.repeat_interval,
        timers.resolve_wait,
    )
    children = tuple(_node(child, key, receiver, group_by, timers, seen) for child in route.routes)
    return Node(key, receiver, group_by, timers, condition, route.continue_, children)


def _unique(key: str, seen: dict[str, int]) -> str:
    """Two routes with the same matchers share a key in Alertmanager; here the second and later ones are numbered."""
    seen[key] = seen.get(key, 0) + 1
    return key if seen[key] == 1 else f"{key}#{seen[key]}"
