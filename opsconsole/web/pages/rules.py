"""`/rules`: what the console looks for and records, and what each rule says now."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from opsconsole.clock import from_millis
from opsconsole.db import overview
from opsconsole.model import Status
from opsconsole.rules.groups import AlertingRule, RecordingRule, RuleGroup
from opsconsole.web.console import Console
from opsconsole.web.linking import chart_of
from opsconsole.web.templating import Frame, Show
from opsconsole.web.verdict import Sentence
from opsconsole.web.words import count, of_severity


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule, how many of its alerts fire and wait, and how often it could not be evaluated; `explore` draws its expression."""

    rule: AlertingRule | RecordingRule
    firing: int
    pending: int
    failures: int
    status: Status | None
    explore: str

    @property
    def records(self) -> bool:
        return isinstance(self.rule, RecordingRule)


@dataclass(frozen=True, slots=True)
class GroupView:
    name: str
    file: str
    evaluated_at: datetime | None
    lines: Sequence[RuleLine]


@dataclass(frozen=True)
class RulesContext:
    verdict: Sentence
    groups: Sequence[GroupView]


async def rules_context(console: Console) -> RulesContext:
    async with console.db.read() as session:
        alerts = await overview.open_alerts(session, "rules/")
    states: dict[str, Counter[str]] = defaultdict(Counter)
    severities: dict[str, list[str]] = defaultdict(list)
    for alert in alerts:
        states[alert.scope][alert.state] += 1
        if alert.state == "firing":
            severities[alert.scope].append(alert.labels.get("severity", ""))
    groups = [_group(console, group, states, severities) for group in console.rules]
    return RulesContext(_sentence(groups), groups)


def _group(
    console: Console, group: RuleGroup, states: Mapping[str, Counter[str]], severities: Mapping[str, list[str]]
) -> GroupView:
    value = console.telemetry.registry.get_sample_value
    at = value("opsconsole_rule_group_last_evaluation_timestamp_seconds", {"group": group.key})
    lines = []
    for rule in group.rules:
        scope = rule.scope if isinstance(rule, AlertingRule) else ""
        failures = value("opsconsole_rule_evaluation_failures_total", {"group": group.key, "rule": rule.name}) or 0
        counted, status = states.get(scope, Counter()), _status(severities.get(scope, []))
        lines.append(RuleLine(rule, counted["firing"], counted["pending"], int(failures), status, chart_of(rule.expr)))
    return GroupView(group.name, Path(group.file).name, from_millis(at * 1000) if at else None, lines)


def _status(severities: Sequence[str]) -> Status | None:
    found = [of_severity(severity) for severity in severities]
    return (Status.DOWN if Status.DOWN in found else Status.DEGRADED) if found else None


def _sentence(groups: Sequence[GroupView]) -> Sentence:
    lines = [line for group in groups for line in group.lines if not line.records]
    firing = [line for line in lines if line.firing]
    if not lines:
        return Sentence(Status.UNKNOWN, "No rule is loaded")
    if firing:
        status = Status.DOWN if any(line.status is Status.DOWN for line in firing) else Status.DEGRADED
        return Sentence(
            status, f"{count(len(firing), 'rule')} of {len(lines)} firing", tuple(line.rule.name for line in firing[:4])
        )
    return Sentence(Status.OK, f"None of {count(len(lines), 'rule')} fires")


def build(console: Console, show: Show) -> APIRouter:
    router = APIRouter()

    @router.get("/rules")
    async def rules_page(request: Request) -> Response:
        context = await rules_context(console)
        return await show.page(request, "rules", Frame("Rules", context.verdict.status, live=True), context, console.clock.now())

    return router
