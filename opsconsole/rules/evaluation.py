"""One rule group, evaluated step by step: queries become recorded samples and verdicts."""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from opsconsole.clock import Clock, millis
from opsconsole.model import STALE, Alert, Block, Finding, Labels, Point, Querier, QueryError, QueryResult, Verdict
from opsconsole.model.labels import EMPTY
from opsconsole.rules.groups import AlertingRule, RecordingRule, Rule, RuleGroup
from opsconsole.rules.templates import Context, Element, Template, TemplateError, Unanswered, render
from opsconsole.telemetry import Telemetry

log = logging.getLogger(__name__)

MOST_QUERIES = 16
"""Queries that one template may ask."""

Record = Callable[[Block], object]
"""Takes in what a rule says of one time."""
Take = Callable[[Verdict], Awaitable[None]]
OpenIn = Callable[[str], Mapping[Labels, Alert]]
"""The pending and firing alerts of a scope."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """When a rule or a group was last evaluated, how many seconds it took, and why it failed, if it did."""

    at: datetime
    seconds: float
    error: str = ""


class RuleError(Exception):
    """A rule that cannot be evaluated this time; it gives no verdict, so its alerts stay as they are."""


class GroupEvaluator:
    """Evaluates its group's rules in order at the time of the step; a rule that fails does not hold up the next.

    `failing` has the rules that failed in the last step, by their place in the group, and why; `rules` how each fared,
    `whole` how long all took.
    """

    def __init__(
        self,
        group: RuleGroup,
        querier: Querier,
        record: Record,
        take: Take,
        open_in: OpenIn = lambda _: {},
        *,
        clock: Clock,
        telemetry: Telemetry,
        external_url: str = "",
        external_labels: Mapping[str, str] = EMPTY,
        succeeds: bool = False,
        settle: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`succeeds`: a process before this one may have recorded, and been killed before it could end what it recorded.

        `settle` is awaited before a rule that names what a rule before it has just recorded: where recording does not reach
        queries at once.
        """
        self.group, self._succeeds = group, succeeds
        self._querier, self._record, self._take, self._open_in = querier, record, take, open_in
        self._clock, self._telemetry, self._settle = clock, telemetry, settle
        self._external_url, self._external_labels = external_url, external_labels
        telemetry.rule_group_interval.labels(group.key).set(group.interval.total_seconds())
        self._recorded: dict[int, Collection[Labels]] = {}
        self._names: dict[int, dict[Labels, Labels]] = {}
        self.failing: dict[int, str] = {}
        self.rules: dict[int, Evaluated] = {}
        self.whole: Evaluated | None = None

    async def step(self, now: datetime) -> None:
        """Evaluate every rule at `now`."""
        began = self._clock.monotonic()
        fresh: set[str] = set()
        for index, rule in enumerate(self.group.rules):
            if self._settle and any(name in rule.expr for name in fresh):
                await self._settle()
                fresh.clear()
            rule_began = self._clock.monotonic()
            try:
                await self._evaluate(index, rule, now)
                self.failing.pop(index, None)
                fresh.add(rule.name if isinstance(rule, RecordingRule) else "ALERTS")
            except (QueryError, RuleError) as error:
                self._failed(index, rule, error)
            self.rules[index] = Evaluated(now, self._clock.monotonic() - rule_began, self.failing.get(index, ""))
        self.whole = Evaluated(now, self._clock.monotonic() - began)
        self._telemetry.rule_group_duration.labels(self.group.key).observe(self.whole.seconds)
        self._telemetry.rule_group_last_evaluation.labels(self.group.key).set(now.timestamp())

    async def _evaluate(self, index: int, rule: Rule, now: datetime) -> None:
        at = now - self.group.query_offset
        points = vector(await self._querier.instant(rule.expr, at))
        if isinstance(rule, RecordingRule):
            left = self._recorded.get(index)
            samples = self._samples(index, rule, points)
            self._tell(samples, await self._left(rule, at) if left is None else left, at)
            self._recorded[index] = samples.keys()
        else:
            findings = await self._findings(rule, points, now)
            before = self._open_in(rule.scope)
            await self._take(Verdict(rule.scope, now, findings))
            after = self._open_in(rule.scope)
            self._tell(dict.fromkeys(_with_states(after), 1.0), _with_states(before), at)
            since = {_for_state(labels): float(int(alert.active_at.timestamp())) for labels, alert in after.items()}
            self._tell(since, [_for_state(labels) for labels in before], at)

    async def _left(self, rule: RecordingRule, at: datetime) -> Collection[Labels]:
        """The series of the rule that a process before this one did not end."""
        if not self._succeeds:
            return ()
        found = {point.labels for point in vector(await self._querier.instant(rule.name, at))}
        return [labels for labels in found if recorded_labels(rule, labels) == labels]

    def _samples(self, index: int, rule: RecordingRule, points: Sequence[Point]) -> dict[Labels, float]:
        """What a rule records; the labels are the same objects as the last time, which need not be hashed and found anew."""
        known = self._names.get(index, {})
        names = {labels: known.get(labels) or recorded_labels(rule, labels) for labels in [point.labels for point in points]}
        samples = {names[point.labels]: point.value for point in points}
        self._check(rule, points, samples)
        self._names[index] = names
        return samples

    def _tell(self, values: Mapping[Labels, float], before: Collection[Labels], at: datetime) -> None:
        """Record series, and a staleness marker for every one of `before` that is gone."""
        gone = [labels for labels in before if labels not in values]
        if values or gone:
            column = np.array([*values.values(), *[STALE] * len(gone)])
            self._record(Block([*values, *gone], np.array([millis(at)], np.int64), column[:, None]))

    async def _findings(self, rule: AlertingRule, points: Sequence[Point], now: datetime) -> tuple[Finding, ...]:
        findings = {finding.labels: finding for point in points for finding in [await self._finding(rule, point, now)]}
        self._check(rule, points, findings)
        return tuple(findings.values())

    def _check(self, rule: Rule, points: Sequence[Point], distinct: Mapping[Labels, object]) -> None:
        if len(distinct) < len(points):
            raise RuleError("two results have the same labels once the rule's own are applied")
        if 0 < self.group.limit < len(points):
            raise RuleError(f"{len(points)} results, more than the group's limit of {self.group.limit}")

    async def _finding(self, rule: AlertingRule, point: Point, now: datetime) -> Finding:
        texts = {name: await self._text(rule, template, point, now) for name, template in rule.labels.items()}
        return Finding(
            labels=point.labels.without("__name__").merged({**texts, "alertname": rule.name}),
            annotations={name: await self._text(rule, template, point, now) for name, template in rule.annotations.items()},
            value=point.value,
            pending_for=rule.pending_for,
            keep_firing_for=rule.keep_firing_for,
        )

    async def _text(self, rule: AlertingRule, template: Template, point: Point, now: datetime) -> str:
        """The text, with the labels and the name of the series; a mistake stands in it, as in Prometheus: the alert is right."""
        answers: dict[str, list[Element]] = {}
        while True:
            try:
                return render(
                    template,
                    Context(point.labels, point.value, self._external_url, self._external_labels, now.timestamp(), answers),
                )
            except Unanswered as asked:
                try:
                    answers[asked.expr] = await self._answer(asked.expr, len(answers), now)
                except (QueryError, RuleError) as error:
                    return self._unrendered(rule, error)
            except TemplateError as error:
                return self._unrendered(rule, error)

    async def _answer(self, expr: str, asked: int, now: datetime) -> list[Element]:
        if asked >= MOST_QUERIES:
            raise RuleError(f"a template may ask {MOST_QUERIES} queries")
        return [Element(point.labels, point.value) for point in vector(await self._querier.instant(expr, now))]

    def _unrendered(self, rule: AlertingRule, error: Exception) -> str:
        self._telemetry.rule_failures.labels(self.group.key, rule.name).inc()
        return f"<error expanding template: {error}>"

    def _failed(self, index: int, rule: Rule, error: Exception) -> None:
        """Where the metrics are away that is no fault of the rule: it is not counted as one, and said once for the group."""
        fields = {"group": self.group.key, "rule": rule.name, "error": str(error)}
        if isinstance(error, QueryError) and error.kind == "unavailable":
            if not self.failing:
                log.warning("rules see no metrics; their alerts stay as they are", extra=fields)
        else:
            self._telemetry.rule_failures.labels(self.group.key, rule.name).inc()
            if index not in self.failing:
                log.warning("a rule cannot be evaluated", extra=fields)
        self.failing[index] = str(error)


def _with_states(alerts: Mapping[Labels, Alert]) -> list[Labels]:
    """Alerts as labels of `ALERTS`, the series by which rules know what fires, as in Prometheus."""
    return [labels.merged({"__name__": "ALERTS", "alertstate": alert.state.value}) for labels, alert in alerts.items()]


def _for_state(labels: Labels) -> Labels:
    return labels.merged({"__name__": "ALERTS_FOR_STATE"})


def vector(result: QueryResult) -> Sequence[Point]:
    """The elements of a result that rules can use. Raises `RuleError`."""
    if result.kind not in ("vector", "scalar"):
        raise RuleError(f"the expression gives a {result.kind}, a rule needs an instant vector or a scalar")
    return result.points


def recorded_labels(rule: RecordingRule, labels: Labels) -> Labels:
    """The labels of a recorded sample: the result's, the rule's over them, and the rule's name."""
    return labels.merged({**rule.labels, "__name__": rule.name})
