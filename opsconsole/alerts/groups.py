"""Alert groups in memory: who belongs to which, and what is due. What a group's receiver was told is also in the database."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from opsconsole.alerts.grouping import Decision, Told, first_look, needs, next_look
from opsconsole.alerts.routing import Node, routes_of
from opsconsole.model import NOBODY, Alert, AlertState, Handling, Integration, Labels


@dataclass(slots=True, eq=False)
class Held:
    """An alert with its row: `id` is the episode's, `written_at` when the row last got its value and texts."""

    id: int
    alert: Alert
    fingerprint: str
    written_at: datetime
    groups: list["Group"] = field(default_factory=list)
    let_go: frozenset[Labels] = frozenset()
    """Group labels of the incidents that a person resolved while it fired: there it is not told any more."""


@dataclass(slots=True, eq=False)
class Group:
    key: str
    route: Node
    labels: Labels
    flush_at: datetime
    created_at: datetime
    members: dict[Labels, Held] = field(default_factory=dict)
    told: Told = field(default_factory=Told)
    incident_id: int | None = None
    opened_at: datetime | None = None
    looked: bool = False
    """Whether it was looked at since it is here, be it that there was nothing to tell."""

    @property
    def fires(self) -> bool:
        return any(held.alert.state is not AlertState.RESOLVED for held in self.members.values())

    def look_at(self) -> datetime:
        return next_look(self.route.timers, self.told, self.flush_at, (held.alert for held in self.members.values()))


@dataclass(frozen=True, slots=True)
class Firing:
    """A firing alert, as others are shown it, and the receivers of the groups it is in."""

    alert: Alert
    fingerprint: str
    receivers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupView:
    """What fires in a group."""

    labels: Labels
    receiver: str
    firing: tuple[Firing, ...]


def firing(held: Held) -> Firing:
    return Firing(held.alert, held.fingerprint, tuple(group.route.receiver for group in held.groups))


def view(group: Group) -> GroupView:
    alerts = [firing(held) for held in group.members.values() if held.alert.state is AlertState.FIRING]
    return GroupView(group.labels, group.route.receiver, tuple(alerts))


class Groups:
    """Every group that has members."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._groups: dict[str, Group] = {}
        self._alike: dict[Labels, set[Group]] = {}
        self._handling: dict[Labels, Handling] = {}

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups.values())

    def get(self, key: str) -> Group | None:
        return self._groups.get(key)

    def place(self, held: Held) -> list[Group]:
        """Put an alert into the groups of its routes; an alert of the same labels makes way for it."""
        placed = []
        for node in routes_of(self._root, held.alert.labels):
            if held.let_go and node.group_labels(held.alert.labels) in held.let_go:
                continue
            since = held.alert.fired_at or held.alert.active_at
            look = first_look(node.timers, since, held.alert.active_at if held.alert.ends_at else None)
            key = node.group_key(held.alert.labels)
            group = self._groups.get(key)
            if group is None:
                group = self._add(Group(key, node, node.group_labels(held.alert.labels), look, since))
            group.members[held.alert.labels] = held
            if not group.looked:
                group.flush_at = min(group.flush_at, look)
            placed.append(group)
        held.groups = placed
        return placed

    def hasten(self, held: Held, now: datetime) -> None:
        """A posted alert came again: groups that have not been looked at yet need not wait where it has lasted `group_wait`."""
        for group in held.groups:
            if not group.looked and held.alert.active_at + group.route.timers.group_wait < now:
                group.flush_at = min(group.flush_at, now)

    def due(self, now: datetime) -> list[Group]:
        return [group for group in self._groups.values() if group.look_at() <= now]

    def drop(self, group: Group) -> None:
        if self._groups.pop(group.key, None):
            self._alike[group.labels].discard(group)
            if not self._alike[group.labels]:
                del self._alike[group.labels]

    def alike(self, labels: Labels) -> list[Group]:
        """The groups of these labels, which share an incident, in the order of their keys."""
        return sorted(self._alike.get(labels, ()), key=lambda group: group.key)

    def handling(self, labels: Labels) -> Handling:
        """Who has the open incident of these group labels in hand."""
        return self._handling.get(labels, NOBODY)

    def handle(self, labels: Labels, handling: Handling, now: datetime) -> None:
        """The open incident of these group labels is handled so; a snooze that ends is looked at when it does."""
        self._handling[labels] = handling
        for group in self._alike.get(labels, ()):
            group.flush_at = _not_after_snooze(group.flush_at, handling, now)

    def next_flush(self, group: Group, now: datetime) -> datetime:
        return _not_after_snooze(now + group.route.timers.group_interval, self.handling(group.labels), now)

    def forget_handling(self, labels: Labels) -> None:
        """The incident of these group labels is closed."""
        self._handling.pop(labels, None)

    def let_go(self, labels: Labels) -> None:
        """A person resolved the incident of these group labels: their groups end, and their alerts join no others."""
        for group in self.alike(labels):
            for held in group.members.values():
                held.let_go |= {labels}
                held.groups = [one for one in held.groups if one is not group]
            self.drop(group)
        self.forget_handling(labels)

    def incident_fires(self, group: Group) -> bool:
        """Whether any group with these labels still has a firing alert: several routes may share an incident."""
        return any(alike.fires for alike in self._alike.get(group.labels, ()))

    def _add(self, group: Group) -> Group:
        self._groups[group.key] = group
        self._alike.setdefault(group.labels, set()).add(group)
        return group


@dataclass(frozen=True, slots=True)
class Plan:
    """What flushing a group comes to: whom to tell what, and how the group stands afterwards."""

    group: Group
    members: tuple[tuple[Held, Alert], ...]
    firing: tuple[Alert, ...]
    resolved: tuple[Alert, ...]
    decision: Decision | None
    owed: tuple[tuple[Integration, Decision], ...]
    told: Told

    @property
    def ends(self) -> bool:
        """Nothing of the group fires any more, muted or not."""
        return all(alert.state is AlertState.RESOLVED for _, alert in self.members)

    @property
    def linked(self) -> list[int]:
        """The episodes that the incident consists of, as far as this flush knows."""
        shown = {alert.labels for alert in self.firing + self.resolved}
        return [held.id for held, alert in self.members if alert.labels in shown]


def plan(
    group: Group,
    muted: Callable[[Labels], bool],
    integrations: Sequence[Integration],
    now: datetime,
    tell_ends: bool = True,
    handling: Handling = NOBODY,
) -> Plan:
    """Look at a group. A muted alert is left out, and so is every one while the route is quiet or its incident is snoozed.

    With `tell_ends` the end of an alert that was told as firing is told all the same: an incident whose start somebody heard of
    must not stay open at their end (Alertmanager would leave it so).
    """
    members = tuple((held, held.alert) for held in group.members.values())
    quiet = handling.snoozed(now) or bool(group.route.quiet_by(now))
    heard = [
        (held, alert)
        for held, alert in members
        if (tell_ends and _ends_what_was_told(held, alert, group.told)) or not (quiet or muted(alert.labels))
    ]
    firing = _sorted(alert for _, alert in heard if alert.state is AlertState.FIRING)
    resolved = _sorted(alert for _, alert in heard if alert.state is AlertState.RESOLVED)
    names = {alert.labels: held.fingerprint for held, alert in heard}
    now_firing = frozenset(names[alert.labels] for alert in firing)
    now_resolved = frozenset(names[alert.labels] for alert in resolved)

    def decide(send_resolved: bool) -> Decision | None:
        return needs(
            group.told,
            now_firing,
            now_resolved,
            now,
            group.route.timers.repeat_interval,
            send_resolved,
            acknowledged=handling.is_acknowledged,
            again_from=handling.snoozed_until,
        )

    decisions = {wants: decide(wants) if heard else None for wants in (True, False)}
    owed = [
        (integration, decision)
        for integration in integrations
        if (decision := decisions[integration.send_resolved]) and (firing or integration.send_resolved)
    ]
    decision = decisions[not integrations or any(integration.send_resolved for integration in integrations)]
    told = Told(now, now_firing, now_resolved, group.told.sequence + 1) if decision else group.told
    return Plan(group, members, firing, resolved, decision, tuple(owed), told)


def _not_after_snooze(at: datetime, handling: Handling, now: datetime) -> datetime:
    return min(at, handling.snoozed_until) if handling.snoozed_until is not None and handling.snoozed(now) else at


def _ends_what_was_told(held: Held, alert: Alert, told: Told) -> bool:
    return alert.state is AlertState.RESOLVED and held.fingerprint in told.firing


def _sorted(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    return tuple(sorted(alerts, key=lambda alert: (alert.active_at, alert.labels.pairs)))
