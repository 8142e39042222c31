"""`alerting:` without its receivers: the route tree and inhibition, in Alertmanager's syntax and meaning."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from opsconsole.alerts.intervals import NamedIntervals
from opsconsole.alerts.matchers import checked, parse_matchers
from opsconsole.model import Matcher, MatchOp
from opsconsole.settings import Duration, Settings, Text, Texts

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def _matchers(texts: list[str]) -> list[str]:
    for text in texts:
        parse_matchers(text)
    return texts


def _names(pairs: dict[str, str]) -> dict[str, str]:
    for name in pairs:
        if not _LABEL.fullmatch(name):
            raise ValueError(f"{name!r} is not a label's name")
    return pairs


def _expressions(pairs: dict[str, str]) -> dict[str, str]:
    for name, pattern in _names(pairs).items():
        checked(Matcher(name, MatchOp.REGEX, pattern))
    return pairs


def _label_names(names: list[str]) -> list[str]:
    for name in names:
        if name != "..." and not _LABEL.fullmatch(name):
            raise ValueError(f"{name!r} is not a label's name")
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is given twice")
    if "..." in names and len(names) > 1:
        raise ValueError("'...' means every label, and stands alone")
    return names


def _equal(names: list[str]) -> list[str]:
    if wrong := next((name for name in names if not _LABEL.fullmatch(name)), None):
        raise ValueError(f"{wrong!r} is not a label's name")
    return names


def _positive(duration: timedelta | None) -> timedelta | None:
    if duration is not None and duration <= timedelta(0):
        raise ValueError("must be longer than zero")
    return duration


Matchers = Annotated[list[Text], AfterValidator(_matchers)]
Equals = Annotated[Texts, AfterValidator(_names)]
Expressions = Annotated[Texts, AfterValidator(_expressions)]
LabelNames = Annotated[list[Text], AfterValidator(_label_names)]
Equal = Annotated[list[Text], AfterValidator(_equal)]
Positive = Annotated[Duration | None, AfterValidator(_positive)]


class Route(Settings):
    """A node of the tree; what it leaves out it has from its parent."""

    receiver: Text | None = None
    group_by: LabelNames | None = None
    group_wait: Duration | None = None
    group_interval: Positive = None
    repeat_interval: Positive = None
    matchers: Matchers = Field(default_factory=list)
    match: Equals = Field(default_factory=dict)
    match_re: Expressions = Field(default_factory=dict)
    mute_time_intervals: list[Text] = Field(default_factory=list)
    active_time_intervals: list[Text] = Field(default_factory=list)
    continue_: bool = Field(default=False, alias="continue")
    routes: list["Route"] = Field(default_factory=list)

    def conditions(self) -> list[Matcher]:
        return matchers_of(self.matchers, self.match, self.match_re)


class InhibitRule(Settings):
    """While an alert fits the source, those that fit the target and agree on the `equal` labels are not told."""

    source_matchers: Matchers = Field(default_factory=list)
    source_match: Equals = Field(default_factory=dict)
    source_match_re: Expressions = Field(default_factory=dict)
    target_matchers: Matchers = Field(default_factory=list)
    target_match: Equals = Field(default_factory=dict)
    target_match_re: Expressions = Field(default_factory=dict)
    equal: Equal = Field(default_factory=list)

    def source(self) -> list[Matcher]:
        return matchers_of(self.source_matchers, self.source_match, self.source_match_re)

    def target(self) -> list[Matcher]:
        return matchers_of(self.target_matchers, self.target_match, self.target_match_re)


SHIPPED_INHIBITION = (
    # Without its database every component of a deployment reports down: one cause, one message.
    InhibitRule(
        source_matchers=['alertname="AirflowMetadataDatabaseDown"'],
        target_matchers=['alertname=~"Airflow(Scheduler|Triggerer|DagProcessor)Down"'],
        equal=["deployment"],
    ),
    # A canary (its heartbeats are critical) falls silent because nothing schedules: the cause is told already.
    InhibitRule(
        source_matchers=['alertname=~"Airflow(MetadataDatabase|Scheduler)Down"'],
        target_matchers=["alertname=HeartbeatMissed", "severity=critical"],
        equal=["deployment"],
    ),
)


class Global(Settings):
    """`resolve_timeout` ends an alert posted without an end time; the console's own sources always say when one ends."""

    resolve_timeout: Duration = timedelta(minutes=5)


class Alerting(Settings):
    """Our waits are shorter than Alertmanager's, and two Dags are two incidents; own `inhibit_rules` replace the shipped ones."""

    global_: Global = Field(default=Global(), alias="global")
    route: Route = Route()
    inhibit_rules: list[InhibitRule] = Field(default_factory=lambda: list(SHIPPED_INHIBITION))
    time_intervals: list[NamedIntervals] = Field(default_factory=list)
    resolve_wait: Duration | None = timedelta(seconds=5)
    tell_muted_ends: bool = True

    @field_validator("route")
    @classmethod
    def _root_takes_all(cls, route: Route) -> Route:
        if route.conditions():
            raise ValueError("the first route takes every alert: it cannot have matchers")
        if route.continue_:
            raise ValueError("the first route cannot continue: there is none after it")
        if route.mute_time_intervals or route.active_time_intervals:
            raise ValueError("the first route is never quiet: it cannot have time intervals")
        return route

    @model_validator(mode="after")
    def _names_differ(self) -> "Alerting":
        names = [one.name for one in self.time_intervals]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two time intervals are called {twice!r}")
        return self


def matchers_of(texts: list[str], equals: dict[str, str], expressions: dict[str, str]) -> list[Matcher]:
    """Matchers from today's syntax and from the two older ones, whose expressions Alertmanager shows with their anchors."""
    return [
        *(matcher for text in texts for matcher in parse_matchers(text)),
        *(Matcher(name, MatchOp.EQUAL, value) for name, value in equals.items()),
        *(Matcher(name, MatchOp.REGEX, f"^(?:{value})$") for name, value in expressions.items()),
    ]


Named = tuple[tuple[str | int, ...], str]
"""A name in the tree with its place, so that an unknown one can be told by file and line."""


def receivers_named(route: Route, place: tuple[str | int, ...] = ("route",)) -> list[Named]:
    """Every receiver that the tree names."""
    own = [((*place, "receiver"), route.receiver)] if route.receiver is not None else []
    return own + [
        named for index, child in enumerate(route.routes) for named in receivers_named(child, (*place, "routes", index))
    ]


def intervals_named(route: Route, place: tuple[str | int, ...] = ("route",)) -> list[Named]:
    """Every time interval that the tree names."""
    own: list[Named] = [
        ((*place, key, index), name)
        for key in ("mute_time_intervals", "active_time_intervals")
        for index, name in enumerate(getattr(route, key))
    ]
    return own + [
        named for index, child in enumerate(route.routes) for named in intervals_named(child, (*place, "routes", index))
    ]
