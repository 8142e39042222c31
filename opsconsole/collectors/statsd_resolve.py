"""Which series a StatsD line belongs to: whose it is, what it is called, in what unit.

This is the slow half of reading a line; an intake keeps its answers. Answers change when something is learnt (the
generation of a deployment's Airflow, that it sends tags): `forget` is called then, and the answers are asked for again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from opsconsole.collectors.formats.statsd import Identity, Style
from opsconsole.collectors.formats.statsd_airflow import (
    FAMILIES,
    HEARTBEATS,
    LOOP,
    SIGNED,
    TAGS,
    TWICE,
    UNBOUNDED_TAGS,
    Family,
    guess_generation,
    unit,
)
from opsconsole.collectors.formats.statsd_mapping import DEFAULT, Mapped, MetricType, Rules, label_name, metric_name
from opsconsole.collectors.statsd_registry import Registry, Wanted
from opsconsole.collectors.statsd_series import Dropped, Stamp, Target, Wiring
from opsconsole.collectors.statsd_settings import UNASSIGNED, StatsdSender, StatsdSettings
from opsconsole.model import Labels

_TYPES: Mapping[bytes, MetricType] = {b"c": "counter", b"g": "gauge", b"s": "gauge"}
_CLIENT = "datadog.dogstatsd.client."
_MOST_FLIPS = 20
Generation = Callable[[str], int | None]
"""The generation (2, 3) of a deployment's Airflow, once collected."""


@dataclass(slots=True)
class Form:
    """The form in which a deployment sends one family: with tags, with suffixes, or not seen yet; how often it changed."""

    tagged: bool | None = None
    last: Target | None = None
    flips: int = 0


@dataclass(slots=True)
class Lane:
    """What is known of one deployment's stream."""

    sender: StatsdSender
    heard: Stamp
    generation: int | None = None
    collected: bool = False
    datadog: bool = False
    forms: dict[str, Form] = field(default_factory=dict)
    dropped: dict[tuple[str, bytes, Stamp | None], Dropped] = field(default_factory=dict)

    def form(self, bare: str) -> Form:
        return self.forms.setdefault(bare, Form())


@dataclass(frozen=True, slots=True)
class Answer:
    """Where a line goes; `skip` says that this one line, though not the next of its name, was counted already."""

    target: Target
    skip: bool = False


@dataclass(frozen=True, slots=True)
class _Line:
    """A line on its way to an answer; `rest` is Airflow's name without the prefix."""

    lane: Lane
    identity: Identity
    kind: bytes
    rest: str

    @property
    def metric_type(self) -> MetricType:
        return _TYPES.get(self.kind, "observer")


class Resolver:
    """Answers for one socket; `own` is the only sender on it, else `senders` tell themselves apart by prefix."""

    def __init__(
        self,
        registry: Registry,
        settings: StatsdSettings,
        rules: tuple[Rules, Rules],
        generation: Generation,
        *,
        own: StatsdSender | None = None,
        senders: Mapping[str, StatsdSender] | None = None,
    ) -> None:
        self._registry, self._settings, self._generation = registry, settings, generation
        self._user, self._ours = rules
        self._own = None if own is None else self._lane(own)
        self._lanes = {prefix: self._lane(sender) for prefix, sender in (senders or {}).items()}
        self._prefixes = sorted(self._lanes, key=len, reverse=True)
        self._nobody: Lane | None = None
        self._clients = Lane(StatsdSender(""), Stamp("", Labels()), collected=True)
        self._families = {self._bare_metric(bare): bare for bare, family in FAMILIES.items() if family.needs}
        self.strangers: dict[str, int] = {}
        self.forget: Callable[[], None] = lambda: None

    @property
    def unassigned(self) -> Stamp | None:
        """The stamp of lines that are nobody's, for counting them."""
        return None if self._nobody is None else self._nobody.heard

    def lanes(self) -> Sequence[Lane]:
        every = [self._own, *self._lanes.values(), self._nobody, self._clients]
        return [lane for lane in every if lane is not None]

    def learn(self) -> None:
        """Ask again which generations have been collected."""
        for lane in self.lanes():
            known = self._generation(lane.sender.deployment) if lane is not self._clients else None
            if known is not None and (known != lane.generation or not lane.collected):
                changed = known != lane.generation
                lane.generation, lane.collected = known, True
                if changed:
                    self.forget()

    def answer(self, identity: Identity, kind: bytes) -> Answer:
        if identity.name.startswith(_CLIENT):
            return self._drop(_Line(self._clients, identity, kind, identity.name), "client_telemetry")
        lane, rest = self._whose(identity.name)
        self._notice(lane, identity, rest)
        line = _Line(lane, identity, kind, rest)
        if mapped := self._user.find(identity.name, line.metric_type):
            return self._by_user(line, mapped)
        mapped = self._ours.find(f"airflow.{rest}", line.metric_type)
        if mapped is not None and mapped.rule.drop:
            return self._drop(line, "unbounded")
        if family := FAMILIES.get(rest):
            return self._bare(line, family, mapped)
        if mapped is not None:
            return self._suffixed(line, mapped)
        return self._series(line, metric_name(f"airflow.{rest}"), _own_tags(identity, UNBOUNDED_TAGS))

    def _whose(self, name: str) -> tuple[Lane, str]:
        if self._own is not None:
            return self._own, _without(name, self._own.sender.prefix)
        for prefix in self._prefixes:
            if not prefix or name.startswith(f"{prefix}."):
                return self._lanes[prefix], _without(name, prefix)
        if self._nobody is None:
            self._nobody = self._lane(StatsdSender(UNASSIGNED))
        first = name.partition(".")[0]
        if first in self.strangers or len(self.strangers) < 50:
            self.strangers[first] = self.strangers.get(first, 0) + 1
        return self._nobody, _without(name, "airflow")

    def _lane(self, sender: StatsdSender) -> Lane:
        labels = Labels(deployment=sender.deployment)
        lane = Lane(sender, self._registry.stamp("airflow_statsd_last_received_timestamp_seconds", labels))
        lane.generation = self._generation(sender.deployment)
        lane.collected = lane.generation is not None
        return lane

    def _notice(self, lane: Lane, identity: Identity, rest: str) -> None:
        """Learn what this name gives away; an Airflow may be upgraded, so a later guess replaces an earlier one."""
        guess = None if lane.collected else guess_generation(rest)
        datadog = identity.style is Style.DATADOG and not lane.datadog
        if guess not in (None, lane.generation) or datadog:
            lane.generation = guess or lane.generation
            lane.datadog = lane.datadog or datadog
            self.forget()

    def _by_user(self, line: _Line, mapped: Mapped) -> Answer:
        if mapped.rule.drop or not mapped.name:
            return self._drop(line, "mapping")
        tags = _own_tags(line.identity, frozenset(("deployment",)))
        labels = mapped.labels | tags if mapped.rule.honor_labels else tags | mapped.labels
        return self._series(line, mapped.name, labels, mapped)

    def _bare(self, line: _Line, family: Family, mapped: Mapped | None) -> Answer:
        """A name without suffix: the tagged form, or the empty half of a pair."""
        metric = mapped.name if mapped else metric_name(f"airflow.{line.rest}")
        labels = (mapped.labels if mapped else {}) | _picked(family, line.identity.tags)
        if not labels.keys() >= family.needs.keys():
            return self._unlabelled(line, family, metric)
        labels |= _own_tags(line.identity, TAGS)
        answer = self._series(line, metric, labels)
        if not family.needs:
            return answer
        form = line.lane.form(line.rest)
        twin = form.tagged is False and form.last is answer.target
        self._turn(form, tagged=True)
        return Answer(answer.target, skip=twin)

    def _unlabelled(self, line: _Line, family: Family, metric: str) -> Answer:
        form = line.lane.form(line.rest)
        if form.tagged:
            self._turn(form, tagged=None)
        if family.alone and form.tagged is None and line.lane.generation != 3:
            return self._series(line, metric, _own_tags(line.identity, TAGS))
        return self._drop(line, "unlabelled")

    def _suffixed(self, line: _Line, mapped: Mapped) -> Answer:
        bare = self._families.get(mapped.name)
        if bare is not None and line.lane.form(bare).tagged:
            return self._drop(line, "duplicate")
        answer = self._series(line, mapped.name, mapped.labels | _own_tags(line.identity, TAGS), mapped)
        if bare is not None:
            form = line.lane.form(bare)
            self._turn(form, tagged=False)
            form.last = answer.target
        return answer

    def _turn(self, form: Form, *, tagged: bool | None) -> None:
        if form.tagged is tagged or form.flips >= _MOST_FLIPS:
            return
        form.flips += form.tagged is not None
        form.tagged = tagged
        self.forget()

    def _series(self, line: _Line, metric: str, labels: Mapping[str, str], mapped: Mapped | None = None) -> Answer:
        rest, kind, lane = line.rest, line.kind, line.lane
        if self._registry.conflicts(metric, kind):
            return self._drop(line, "type_conflict")
        scale = self._scale(line)
        if scale is None:
            return self._drop(line, "unit_unknown")
        rule = mapped.rule if mapped else None
        all_labels = Labels({**labels, "deployment": lane.sender.deployment})
        wanted = Wanted(
            metric,
            all_labels,
            rule.observer if rule else DEFAULT,
            signed=rest in SIGNED,
            twice=TWICE.fullmatch(rest) is not None,
        )
        ttl = (rule and rule.ttl) or self._default_ttl(kind)
        wiring = Wiring(
            kind,
            lane.heard,
            self._stamp(line),
            self._registry.dirty,
            ttl.total_seconds(),
            scale * (rule.scale if rule else 1.0),
        )
        series = self._registry.series(wanted, wiring)
        return self._drop(line, "too_many_series") if series is None else Answer(series)

    def _default_ttl(self, kind: bytes) -> timedelta:
        return self._settings.gauge_ttl if kind in (b"g", b"s") else self._settings.idle_ttl

    def _scale(self, line: _Line) -> float | None:
        if line.kind != b"ms":
            return 1.0
        style = Style.DATADOG if line.lane.datadog else line.identity.style
        return unit(line.rest, line.lane.generation, style, consistent=line.lane.sender.timer_unit_consistency)

    def _stamp(self, line: _Line) -> Stamp | None:
        deployment = line.lane.sender.deployment
        if component := HEARTBEATS.get(line.rest):
            labels = Labels(deployment=deployment, component=component)
            return self._registry.stamp("airflow_statsd_heartbeat_timestamp_seconds", labels)
        if line.rest == LOOP:
            return self._registry.stamp("airflow_statsd_scheduler_loop_timestamp_seconds", Labels(deployment=deployment))
        return None

    def _drop(self, line: _Line, reason: str) -> Answer:
        stamp = self._stamp(line)
        key = (reason, line.kind, stamp)
        known = line.lane.dropped
        if key not in known:
            known[key] = Dropped(Wiring(line.kind, line.lane.heard, stamp, self._registry.dirty), reason)
        return Answer(known[key])

    def _bare_metric(self, bare: str) -> str:
        mapped = self._ours.find(f"airflow.{bare}", "observer")
        return mapped.name if mapped else metric_name(f"airflow.{bare}")


def _without(name: str, prefix: str) -> str:
    return name.removeprefix(f"{prefix}.") if prefix else name


def _picked(family: Family, tags: Mapping[str, str]) -> dict[str, str]:
    """The family's labels that `tags` carry."""
    wanted = [*family.needs.items(), *family.takes.items()]
    found = {label: next((tags[key] for key in keys if key in tags), "") for label, keys in wanted}
    return {label: value for label, value in found.items() if value}


def _own_tags(identity: Identity, without: frozenset[str]) -> dict[str, str]:
    """The sender's tags as labels, but for some; `deployment` is never one that a sender may set."""
    return {label_name(key): value for key, value in identity.tags.items() if key not in without and key != "deployment"}
