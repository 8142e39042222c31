"""Reading rule files in Prometheus' format, with every problem at its line."""

import glob
import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

from pydantic import Field

from opsconsole import content, documents, promql
from opsconsole.model import ConfigError, QueryError
from opsconsole.rules.groups import AlertingRule, RecordingRule, Rule, RuleGroup
from opsconsole.rules.templates import Template, TemplateError, compile_template
from opsconsole.settings import Duration, Settings, Text, Texts

__all__ = ["DEFAULT_INTERVAL", "RuleGroup", "files", "load", "parse"]

log = logging.getLogger(__name__)

DEFAULT_INTERVAL = timedelta(seconds=15)
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class _Rule(Settings):
    record: Text = ""
    alert: Text = ""
    expr: Text = ""
    pending_for: Duration | None = Field(default=None, alias="for")
    keep_firing_for: Duration | None = None
    labels: Texts | None = None
    annotations: Texts | None = None


class _Group(Settings):
    name: Text
    interval: Duration | None = None
    limit: int = 0
    query_offset: Duration = timedelta(0)
    labels: Texts | None = None
    rules: tuple[_Rule, ...] | None = None


class _File(Settings):
    groups: tuple[_Group, ...] | None = None


def files(patterns: Iterable[str] | None, base: Path) -> list[Path]:
    """The rule files that names and globs stand for, relative to `base`; the packaged ones for None.

    Raises `ConfigError` for a name without a file; a glob may match none.
    """
    if patterns is None:
        return sorted(content.folder("alert_rules").glob("*.yaml"))
    found: list[Path] = []
    for pattern in patterns:
        matches = sorted(glob.glob(str(base / pattern), recursive=True))
        if not matches and not glob.has_magic(pattern):
            raise ConfigError([f"{base / pattern}:1: cannot be read: No such file or directory"])
        found += [Path(match) for match in matches]
    return list(dict.fromkeys(found))


def load(paths: Sequence[Path], interval: timedelta = DEFAULT_INTERVAL, compat: int = 3) -> list[RuleGroup]:
    """All groups of all files; `interval` is for groups without one of their own, `compat` the grammar of expressions.

    Raises `ConfigError` with every problem of every file.
    """
    groups: list[RuleGroup] = []
    problems: list[str] = []
    stems = Counter(path.stem for path in paths)
    for path in paths:
        try:
            document = documents.read(path, first=True)
            if document.followed:
                log.warning("of a rule file with several YAML documents the first is read", extra={"file": str(path)})
            groups += parse(document, path.stem if stems[path.stem] == 1 else str(path), interval, compat)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return groups


def parse(document: documents.Document, file: str, interval: timedelta = DEFAULT_INTERVAL, compat: int = 3) -> list[RuleGroup]:
    """The groups of one document; `file` names it in scopes. Raises `ConfigError`."""
    if document.value is None:
        return []
    reader = _Reader(document, file, interval, compat)
    groups = [reader.group(index, group) for index, group in enumerate(documents.validated(document, _File).groups or ())]
    if reader.problems:
        raise ConfigError(reader.problems)
    return groups


class _Reader:
    """Checks what a schema cannot, and keeps on after a problem."""

    def __init__(self, document: documents.Document, file: str, interval: timedelta, compat: int) -> None:
        self._document, self._file, self._interval, self._compat = document, file, interval, compat
        self._names: dict[str, int] = {}
        self.problems: list[str] = []

    def group(self, index: int, group: _Group) -> RuleGroup:
        place: documents.Place = ("groups", index)
        if not group.name:
            self._problem((*place, "name"), "a group needs a name")
        elif group.name in self._names:
            self._problem((*place, "name"), f"group {group.name!r} is given twice (line {self._names[group.name]} too)")
        self._names.setdefault(group.name, self._document.line(place))
        self._check_names(place, "labels", group.labels)
        rules = self._rules(place, group)
        return RuleGroup(group.name, self._file, rules, group.interval or self._interval, group.limit, group.query_offset)

    def _rules(self, place: documents.Place, group: _Group) -> tuple[Rule, ...]:
        times: Counter[str] = Counter()
        rules: list[Rule] = []
        shared = self._templates((*place, "labels"), group.labels)
        for index, rule in enumerate(group.rules or ()):
            here = (*place, "rules", index)
            self._check(here, rule)
            times[rule.alert] += 1
            if rule.record:
                labels = {**(group.labels or {}), **(rule.labels or {})}
                rules.append(RecordingRule(rule.record, rule.expr, self._document.line(here), labels))
            else:
                rules.append(self._alerting(here, group.name, rule, times[rule.alert], shared))
        return tuple(rules)

    def _check(self, place: documents.Place, rule: _Rule) -> None:
        if bool(rule.record) == bool(rule.alert):
            self._problem(place, "a rule is given either record or alert" + (", not both" if rule.record else ""))
        if not rule.expr:
            self._problem(place, "expr is missing")
        else:
            self._check_expr((*place, "expr"), rule.expr)
        if rule.record and not _METRIC.fullmatch(rule.record):
            self._problem((*place, "record"), f"{rule.record!r} is not a metric name")
        for key in ("for", "keep_firing_for", "annotations"):
            if rule.record and getattr(rule, "pending_for" if key == "for" else key):
                self._problem((*place, key), f"a recording rule has no {key}")
        self._check_names(place, "labels", rule.labels)
        self._check_names(place, "annotations", rule.annotations)

    def _check_names(self, place: documents.Place, key: str, names: Iterable[str] | None) -> None:
        for name in names or ():
            if not _LABEL.fullmatch(name) or (key == "labels" and name == "__name__"):
                self._problem((*place, key, name), f"{name!r} is not a name for {key}")

    def _check_expr(self, place: documents.Place, expr: str) -> None:
        try:
            promql.parse(expr, self._compat)
        except QueryError as error:
            self._problem(place, f"expr: {error}")

    def _alerting(self, place: documents.Place, group: str, rule: _Rule, time: int, shared: dict[str, Template]) -> AlertingRule:
        nth = f"#{time}" if time > 1 else ""
        return AlertingRule(
            rule.alert,
            rule.expr,
            f"rules/{self._file};{group};{rule.alert}{nth}",
            self._document.line(place),
            rule.pending_for or timedelta(0),
            rule.keep_firing_for or timedelta(0),
            shared | self._templates((*place, "labels"), rule.labels),
            self._templates((*place, "annotations"), rule.annotations),
        )

    def _templates(self, place: documents.Place, texts: dict[str, str] | None) -> dict[str, Template]:
        templates = {}
        for name, text in (texts or {}).items():
            try:
                templates[name] = compile_template(text)
            except TemplateError as error:
                self._problem((*place, name), f"{name}: {error}")
        return templates

    def _problem(self, place: documents.Place, message: str) -> None:
        self.problems.append(self._document.problem(place, message))
