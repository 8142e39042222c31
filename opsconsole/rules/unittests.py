"""Rule unit tests in promtool's format (`promtool test rules`), on our own engine.

As promtool does, every group is evaluated at each `evaluation_interval` from time zero on, whatever its own interval,
subqueries without a step take that interval too, and an alert test compares the alerts that fire at the last evaluation at
or before its `eval_time`.
"""

import asyncio
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from opsconsole import documents, promql
from opsconsole.clock import SystemClock, millis
from opsconsole.model import Alert, AlertState, Block, ConfigError, Finding, Labels, QueryError, Verdict
from opsconsole.rules import loading, notation
from opsconsole.rules.evaluation import GroupEvaluator, RuleError, vector
from opsconsole.rules.groups import RuleGroup
from opsconsole.rules.memory import MemorySource
from opsconsole.settings import Duration, Settings, Text, Texts, format_duration
from opsconsole.telemetry import Telemetry

_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_DEFAULTS = promql.Settings()
_EXPONENT = re.compile(r"[+-]?[0-9]+[eE][+-]?[0-9]+")
_Shown = list[tuple[Labels, Any]]
"""Alerts with their annotations, or samples with their values."""


def _float(value: Any) -> Any:
    """`1e0` is a text to our reader of YAML, and a number to promtool's; a text in quotes is none to either."""
    if not isinstance(value, str):
        return value
    if not _EXPONENT.fullmatch(value):
        raise ValueError("must be a number: write .inf and .nan as YAML does")
    return float(value)


class _InputSeries(Settings):
    series: Text = ""
    values: Text = ""


class _ExpectedAlert(Settings):
    exp_labels: Texts = Field(default_factory=dict)
    exp_annotations: Texts = Field(default_factory=dict)


class _AlertTest(Settings):
    eval_time: Duration = timedelta(0)
    alertname: Text = ""
    exp_alerts: tuple[_ExpectedAlert, ...] | None = None


class _ExpectedSample(Settings):
    labels: Text = ""
    value: Annotated[float, BeforeValidator(_float)] = 0.0


class _ExprTest(Settings):
    expr: Text = ""
    eval_time: Duration = timedelta(0)
    exp_samples: tuple[_ExpectedSample, ...] | None = None


class _Test(Settings):
    name: str = ""
    interval: Duration | None = Field(default=None, ge=timedelta(0))
    input_series: tuple[_InputSeries, ...] = ()
    alert_rule_test: tuple[_AlertTest, ...] = ()
    promql_expr_test: tuple[_ExprTest, ...] = ()
    external_labels: Texts = Field(default_factory=dict)
    external_url: str = ""


class _File(Settings):
    rule_files: tuple[str, ...] = ()
    evaluation_interval: Duration = Field(default=_MINUTE, ge=timedelta(0))
    fuzzy_compare: bool = False
    group_eval_order: tuple[str, ...] = ()
    tests: tuple[_Test, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a test file showed: how many expectations held, and `file:line: message` of those that did not."""

    held: int
    problems: tuple[str, ...]


async def run(path: Path, settings: promql.Settings = _DEFAULTS) -> Outcome:
    """Run one test file in the PromQL of `settings`. Raises `ConfigError` where it, or a rule file it names, is not valid."""
    document = documents.read(path, first=True)
    file = documents.validated(document, _File)
    groups = _ordered(loading.load(loading.files(file.rule_files, path.parent), compat=settings.compat), file.group_eval_order)
    held = 0
    problems: list[str] = []
    for index, test in enumerate(file.tests):
        outcome = await _Case(document, index, test, groups, file, settings).run()
        held += outcome.held
        problems += outcome.problems
    return Outcome(held, tuple(problems))


async def firing(document: documents.Document, groups: Sequence[RuleGroup]) -> list[Finding]:
    """The alerts that fire at the end of a file's tests, whatever it expects. Raises `ConfigError`."""
    file = documents.validated(document, _File)
    found: list[Finding] = []
    for index, test in enumerate(file.tests):
        case = _Case(document, index, test, groups, file, _DEFAULTS)
        await case.run()
        found += case.firing()
    return found


def _ordered(groups: Sequence[RuleGroup], order: Sequence[str]) -> list[RuleGroup]:
    return sorted(groups, key=lambda group: order.index(group.name) if group.name in order else len(order))


@dataclass(frozen=True, slots=True)
class _Held:
    """An alert under test."""

    finding: Finding
    active_at: datetime
    fires: bool = False
    absent_since: datetime | None = None


@dataclass
class _Alerts:
    """Prometheus' alert states (prometheus/prometheus, `rules/alerting.go`, `Eval`), just enough to tell which alerts fire."""

    held: dict[str, dict[Labels, _Held]] = field(default_factory=dict)

    async def take(self, verdict: Verdict) -> None:
        before = self.held.get(verdict.scope, {})
        found = {finding.labels: finding for finding in verdict.findings}
        stays = [_seen(before.get(labels), finding, verdict.at) for labels, finding in found.items()]
        stays += [kept for labels, held in before.items() if labels not in found and (kept := _missed(held, verdict.at))]
        self.held[verdict.scope] = {held.finding.labels: held for held in stays}

    def open_in(self, scope: str) -> dict[Labels, Alert]:
        held = self.held.get(scope, {})
        states = {True: AlertState.FIRING, False: AlertState.PENDING}
        return {labels: Alert(labels, scope, states[one.fires], one.active_at) for labels, one in held.items()}

    def firing(self, name: str) -> list[Finding]:
        everything = [held for scope in self.held.values() for held in scope.values()]
        return [held.finding for held in everything if held.fires and held.finding.labels["alertname"] == name]


def _seen(before: _Held | None, finding: Finding, at: datetime) -> _Held:
    active_at = before.active_at if before else at
    fires = (before is not None and before.fires) or at - active_at >= finding.pending_for
    return _Held(finding, active_at, fires)


def _missed(held: _Held, at: datetime) -> _Held | None:
    since = held.absent_since or at
    stays = held.fires and at - since < held.finding.keep_firing_for
    return replace(held, absent_since=since) if stays else None


class _Case:
    """One test of a file."""

    def __init__(
        self,
        document: documents.Document,
        index: int,
        test: _Test,
        groups: Sequence[RuleGroup],
        file: _File,
        settings: promql.Settings,
    ) -> None:
        self._document, self._place, self._test = document, ("tests", index), test
        self._interval, self._fuzzy = file.evaluation_interval or _MINUTE, file.fuzzy_compare
        # promtool 2 puts every value of a test without an interval at time zero
        self._spacing = test.interval or (timedelta(0) if settings.compat == 2 else self._interval)
        self._source, self._alerts = MemorySource(), _Alerts()
        self._engine = promql.Engine(self._source, SystemClock(), settings.model_copy(update={"subquery_step": self._interval}))
        self._evaluators = [self._evaluator(group) for group in groups]
        self._held = 0
        self._problems: list[str] = []

    async def run(self) -> Outcome:
        coming = self._series()
        asked = sorted(enumerate(self._test.alert_rule_test), key=lambda item: item[1].eval_time)
        times = [test.eval_time for test in self._test.alert_rule_test] + [test.eval_time for test in self._test.promql_expr_test]
        last = max(times, default=timedelta(0))
        step = timedelta(0)
        while step <= last:
            while coming and coming[-1][0] <= step:
                at, labels, value = coming.pop()
                self._source.put(labels, millis(_ZERO + at), value)
            if not await self._evaluate(step):
                return Outcome(self._held, tuple(self._problems))
            while asked and asked[0][1].eval_time < step + self._interval:
                self._check_alerts(*asked.pop(0))
            step += self._interval
        for index, test in enumerate(self._test.promql_expr_test):
            await self._check_expr(index, test)
        return Outcome(self._held, tuple(self._problems))

    def firing(self) -> list[Finding]:
        return [held.finding for scope in self._alerts.held.values() for held in scope.values() if held.fires]

    async def _evaluate(self, step: timedelta) -> bool:
        """Whether every rule could be evaluated; as in promtool, one that could not is the end of its test."""
        for evaluator in self._evaluators:
            await evaluator.step(_ZERO + step)
            for nth, error in evaluator.failing.items():
                self._fail((), f"{evaluator.group.rules[nth].name} at {format_duration(step)} could not be evaluated: {error}")
        return not any(evaluator.failing for evaluator in self._evaluators)

    def _evaluator(self, group: RuleGroup) -> GroupEvaluator:
        return GroupEvaluator(
            group,
            self._engine,
            self._record,
            self._alerts.take,
            self._alerts.open_in,
            clock=SystemClock(),
            telemetry=Telemetry(),
            external_url=self._test.external_url,
            external_labels=self._test.external_labels,
        )

    def _record(self, block: Block) -> None:
        """As a Prometheus: what two rules say differently of a series at one time is a failure of the latter, no end of it is."""
        said, at_ms = zip(block.labels, block.values[:, 0].tolist(), strict=True), int(block.timestamps[0])
        refused = [labels for labels, value in said if not self._source.add(labels, at_ms, value)]
        if refused:
            raise RuleError(f"duplicate sample for timestamp: {refused[0].get('__name__', '')}{refused[0].without('__name__')}")

    def _series(self) -> list[tuple[timedelta, Labels, float]]:
        """The given samples, latest first. Each is there from its own time on only: as in promtool, no negative offset sees it
        before, and what comes after the last evaluation never comes. A series that is given again is what it was given last."""
        given: dict[Labels, list[float | None]] = {}
        for index, item in enumerate(self._test.input_series):
            try:
                given[notation.input_series(item.series)] = notation.values(item.values)
            except ValueError as error:
                raise ConfigError([self._document.problem((*self._place, "input_series", index), str(error))]) from error
        found: list[tuple[timedelta, Labels, float]] = []
        for labels, values in given.items():
            spaced = [(nth * self._spacing, labels, value) for nth, value in enumerate(values) if value is not None]
            found += spaced if self._spacing else spaced[:1]
        return sorted(found, key=lambda one: one[0])[::-1]

    def _check_alerts(self, index: int, test: _AlertTest) -> None:
        expected = [
            (_whole({**alert.exp_labels, "alertname": test.alertname}), dict(alert.exp_annotations))
            for alert in test.exp_alerts or ()
        ]
        found = [(finding.labels, dict(finding.annotations)) for finding in self._alerts.firing(test.alertname)]
        self._compare(("alert_rule_test", index), test.alertname, test.eval_time, expected, found)

    async def _check_expr(self, index: int, test: _ExprTest) -> None:
        place: documents.Place = ("promql_expr_test", index)
        try:
            points = vector(await self._engine.instant(test.expr, _ZERO + test.eval_time))
        except (QueryError, RuleError) as error:
            self._fail(place, f"{test.expr}: {error}")
            return
        try:
            expected = [(notation.series(sample.labels), _comparable(sample.value)) for sample in test.exp_samples or ()]
        except ValueError as error:
            self._fail(place, f"{test.expr}: {error}")
            return
        found = [(point.labels, _comparable(point.value)) for point in points]
        self._compare(place, test.expr, test.eval_time, expected, _fuzzed(found, expected) if self._fuzzy else found)

    def _compare(self, place: documents.Place, what: str, at: timedelta, expected: _Shown, found: _Shown) -> None:
        expected, found = _sorted(expected), _sorted(found)
        if expected == found:
            self._held += 1
        else:
            self._fail(place, f"{what} at {format_duration(at)}: expected {expected}, found {found}")

    def _fail(self, place: documents.Place, message: str) -> None:
        name = f"{self._test.name}: " if self._test.name else ""
        self._problems.append(self._document.problem((*self._place, *place), name + message))


def _whole(labels: Mapping[str, str]) -> Labels:
    """Expected labels; one without a value is no alert's, and stays visible as such."""
    return Labels({name: value or "<empty>" for name, value in labels.items()})


def _sorted(items: _Shown) -> _Shown:
    return sorted(items, key=lambda item: (item[0].pairs, str(item[1])))


def _fuzzed(found: _Shown, expected: _Shown) -> _Shown:
    """What was found; a value that only the last bit tells from the expected one is taken for that."""
    wanted = dict(expected)
    pairs = [(labels, value, wanted.get(labels)) for labels, value in found]
    return [(labels, want if want in _neighbours(value) else value) for labels, value, want in pairs]


def _neighbours(value: float | str) -> tuple[float, ...]:
    return () if isinstance(value, str) else (math.nextafter(value, -math.inf), math.nextafter(value, math.inf))


def _comparable(value: float) -> float | str:
    return "NaN" if math.isnan(value) else value


def run_files(paths: Sequence[Path], settings: promql.Settings = _DEFAULTS) -> list[str]:
    """Run test files one after the other; every expectation that does not hold, and every file that is not valid, is a line."""
    problems: list[str] = []
    for path in paths:
        try:
            problems += asyncio.run(run(path, settings)).problems
        except ConfigError as error:
            problems += error.problems
    return problems
