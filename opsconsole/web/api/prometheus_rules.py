"""`rules`, `alerts`, `targets`: what is evaluated, what fires, and what is collected from, in Prometheus' shape."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from opsconsole import promql
from opsconsole.collectors.standing import Standing
from opsconsole.model import Alert, AlertState
from opsconsole.promql.tokens import go_quoted
from opsconsole.rules.evaluation import Evaluated
from opsconsole.rules.groups import AlertingRule, Rule, RuleGroup
from opsconsole.settings import format_duration
from opsconsole.web.api.prometheus_answer import Handler, endpoints, success
from opsconsole.web.api.prometheus_forms import Form, invalid
from opsconsole.web.api.prometheus_json import dumped
from opsconsole.web.console import Console, Deployment

_KINDS = {"": ("alert", "record"), "alert": ("alert",), "record": ("record",)}
_NEVER = "0001-01-01T00:00:00Z"


def handlers(console: Console) -> dict[str, Handler]:
    """By their path."""
    endpoint = endpoints(console.compat)

    async def rules(request: Request, given: Form) -> Response:
        kinds = _KINDS.get(given.get("type").lower())
        if kinds is None:
            raise invalid("type", f"not supported value {go_quoted(given.get('type').lower())}")
        bare = _is_true(given, "exclude_alerts")
        alerts = _by_scope(console.alerts())
        found = [_group(console, group, given, kinds, {} if bare else alerts, alerts) for group in console.rules]
        return success(request, [dumped({"groups": [group for group in found if group["rules"]]})])

    async def alerts(request: Request, given: Form) -> Response:
        return success(request, [dumped({"alerts": [_alert(alert) for alert in _ordered(console.alerts())]})])

    async def targets(request: Request, given: Form) -> Response:
        wanted, pool = given.get("state").lower(), given.get("scrapePool")
        shown = [one for one in console.standings(None) if pool in ("", one.collector)] if wanted != "dropped" else []
        deployments = {deployment.name: deployment for deployment in console.deployments}
        active = [_target(one, deployments.get(one.deployment)) for one in shown]
        return success(request, [dumped({"activeTargets": active, "droppedTargets": [], "droppedTargetCounts": {}})])

    return {"rules": endpoint(rules), "alerts": endpoint(alerts), "targets": endpoint(targets)}


def _is_true(given: Form, name: str) -> bool:
    text = given.get(name)
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("", "0", "f", "F", "false", "FALSE", "False"):
        return False
    raise invalid(name, f"strconv.ParseBool: parsing {go_quoted(text)}: invalid syntax")


def _by_scope(alerts: Iterable[Alert]) -> Mapping[str, list[Alert]]:
    found: defaultdict[str, list[Alert]] = defaultdict(list)
    for alert in _ordered(alerts):
        found[alert.scope].append(alert)
    return found


def _ordered(alerts: Iterable[Alert]) -> list[Alert]:
    return sorted(alerts, key=lambda alert: (alert.active_at, alert.labels.pairs))


def _group(
    console: Console,
    group: RuleGroup,
    given: Form,
    kinds: Sequence[str],
    shown: Mapping[str, list[Alert]],
    alerts: Mapping[str, list[Alert]],
) -> dict[str, Any]:
    """The group with the rules that are asked for; `alerts` give the rules' states, `shown` are told one by one."""
    standing = console.evaluated(group.key)
    rules = [
        _rule(rule, console.compat, standing.rules.get(index), shown.get(_scope(rule), []), alerts.get(_scope(rule), []))
        for index, rule in enumerate(group.rules)
        if ("alert" if isinstance(rule, AlertingRule) else "record") in kinds and _asked(given, "rule_name[]", rule.name)
    ]
    asked = _asked(given, "rule_group[]", group.name) and _asked(given, "file[]", group.file)
    return {
        "name": group.name,
        "file": group.file,
        "rules": rules if asked else [],
        "interval": group.interval.total_seconds(),
        "limit": group.limit,
        **_times(standing.whole),
    }


def _asked(given: Form, name: str, value: str) -> bool:
    return value in given.all(name) or not given.all(name)


def _scope(rule: Rule) -> str:
    return rule.scope if isinstance(rule, AlertingRule) else ""


def _rule(rule: Rule, compat: int, last: Evaluated | None, shown: Sequence[Alert], alerts: Sequence[Alert]) -> dict[str, Any]:
    error = {"lastError": last.error} if last and last.error else {}
    health = {"health": "unknown" if last is None else "err" if error else "ok", **error, **_times(last)}
    query = promql.show(promql.parse(rule.expr, compat))
    if not isinstance(rule, AlertingRule):
        return {"name": rule.name, "query": query, "labels": dict(rule.labels), **health, "type": "recording"}
    states = {alert.state for alert in alerts}
    return {
        "state": next((str(state) for state in (AlertState.FIRING, AlertState.PENDING) if state in states), "inactive"),
        "name": rule.name,
        "query": query,
        "duration": rule.pending_for.total_seconds(),
        "keepFiringFor": rule.keep_firing_for.total_seconds(),
        "labels": {name: template.source for name, template in sorted(rule.labels.items())},
        "annotations": {name: template.source for name, template in sorted(rule.annotations.items())},
        "alerts": [_alert(alert) for alert in shown],
        **health,
        "type": "alerting",
    }


def _times(last: Evaluated | None) -> dict[str, Any]:
    return {"evaluationTime": last.seconds if last else 0, "lastEvaluation": rfc3339(last.at if last else None)}


def _alert(alert: Alert) -> dict[str, Any]:
    kept = {"keepFiringSince": rfc3339(alert.absent_since)} if alert.absent_since else {}
    return {
        "labels": dict(alert.labels.pairs),
        "annotations": dict(sorted(alert.annotations.items())),
        "state": str(alert.state),
        "activeAt": rfc3339(alert.active_at),
        **kept,
        "value": _exponent(alert.value if alert.value is not None else 0.0),
    }


def _exponent(value: float) -> str:
    """Always with an exponent of at least two digits, as alerts' values are: `1e+00`."""
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    digits = repr(value).lower().partition("e")[0].replace(".", "").lstrip("-0").rstrip("0")
    return f"{value:.{max(0, len(digits) - 1)}e}"


def _target(one: Standing, deployment: Deployment | None) -> dict[str, Any]:
    address = deployment.url if deployment else ""
    interval = format_duration(deployment.interval) if deployment else ""
    labels = {"deployment": one.deployment, "instance": urlsplit(address).netloc, "job": one.collector}
    return {
        "discoveredLabels": {"__address__": urlsplit(address).netloc, "__scheme__": urlsplit(address).scheme, **labels},
        "labels": labels,
        "scrapePool": one.collector,
        "scrapeUrl": address,
        "globalUrl": address,
        "lastError": one.error,
        "lastScrape": rfc3339(one.at),
        "lastScrapeDuration": one.seconds,
        "health": "unknown" if one.at is None else "down" if one.error else "up",
        "scrapeInterval": interval,
        "scrapeTimeout": interval,
    }


def rfc3339(at: datetime | None) -> str:
    """RFC 3339 with as many digits as there are."""
    if at is None:
        return _NEVER
    fraction = f".{at.microsecond:06d}".rstrip("0") if at.microsecond else ""
    return f"{at:%Y-%m-%dT%H:%M:%S}{fraction}Z"
