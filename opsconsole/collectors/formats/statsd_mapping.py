"""Mapping files as statsd_exporter reads them: from StatsD names to metric names and labels.

Source of the rules: statsd_exporter's README and `pkg/mapper/mapper.go`. Globs go before regular expressions, each kind
in the order of the files; a glob's `*` stands for one whole part between dots; regular expressions are RE2's and not
anchored.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import re2

from opsconsole.documents import Document, Place, read
from opsconsole.model import ConfigError
from opsconsole.settings import parse_duration

T = TypeVar("T")
MetricType = Literal["counter", "gauge", "observer"]
ObserverType = Literal["summary", "histogram"]
QUANTILES = (0.5, 0.9, 0.99)
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_TYPES: Mapping[str, MetricType] = {"counter": "counter", "gauge": "gauge", "observer": "observer", "timer": "observer"}

_PART = re.compile(r"\*|[A-Za-z0-9_][A-Za-z0-9_-]*")
_METRIC = re.compile(r"[a-zA-Z_:](?:[a-zA-Z0-9_:]|\$\{?[0-9]+\}?)*|(?:\$\{?[0-9]+\}?)(?:[a-zA-Z0-9_:]|\$\{?[0-9]+\}?)*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|(\d+))")
_OTHER = re.compile(r"[^a-zA-Z0-9_:]")


class _Match(Protocol):
    def __getitem__(self, group: int | str) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Observer:
    """How a timer is kept."""

    kind: ObserverType = "summary"
    quantiles: tuple[float, ...] = QUANTILES
    max_age: timedelta = timedelta(minutes=10)
    buckets: tuple[float, ...] = BUCKETS


DEFAULT = Observer()


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `mappings`."""

    match: str
    regex: bool
    name: str
    labels: tuple[tuple[str, str], ...] = ()
    drop: bool = False
    metric_type: MetricType | None = None
    ttl: timedelta | None = None
    observer: Observer = DEFAULT
    honor_labels: bool = False
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a mapping makes of a name."""

    rule: Rule
    name: str
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Glob:
    rule: Rule
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """Rules, ready to be asked."""

    globs: Mapping[int, Sequence[_Glob]] = field(default_factory=dict)
    regexes: Sequence[tuple[Rule, Any]] = ()

    def find(self, name: str, metric_type: MetricType) -> Mapped | None:
        """What the first rule that fits makes of `name`."""
        for rule, match in self._matches(name):
            if rule.metric_type in (None, metric_type):
                labels = {label: _expanded(value, match) for label, value in rule.labels}
                return Mapped(rule, metric_name(_expanded(rule.name, match)), labels)
        return None

    def _matches(self, name: str) -> Iterator[tuple[Rule, _Match]]:
        for glob in self.globs.get(name.count("."), ()):
            if match := glob.pattern.fullmatch(name):
                yield glob.rule, match
        for rule, regex in self.regexes:
            if match := regex.search(name):
                yield rule, match


def compiled(rules: Sequence[Rule]) -> Rules:
    globs: dict[int, list[_Glob]] = {}
    for rule in rules:
        if not rule.regex:
            pattern = re.compile(r"([^.]*)".join(map(re.escape, rule.match.split("*"))))
            globs.setdefault(rule.match.count("."), []).append(_Glob(rule, pattern))
    return Rules(globs, [(rule, _regex(rule.match)) for rule in rules if rule.regex])


def _regex(text: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(text, options)


def metric_name(text: str) -> str:
    """A valid metric name made of `text`, as statsd_exporter escapes names."""
    name = _OTHER.sub("_", text)
    return f"_{name}" if name[:1].isdigit() else name


def label_name(text: str) -> str:
    name = metric_name(text).replace(":", "_")
    return name if name.strip("_") else f"tag{name}"


def _expanded(template: str, match: _Match) -> str:
    if "$" not in template:
        return template
    return _REFERENCE.sub(lambda reference: _group(match, reference[1] or reference[2]), template)


def _group(match: _Match, group: str) -> str:
    try:
        return match[int(group) if group.isdigit() else group] or ""
    except (IndexError, KeyError, re2.error):
        return ""


def load(paths: Sequence[Path]) -> Rules:
    """The rules of all files, the earlier before the later. Raises `ConfigError` with every problem of every file."""
    rules: list[Rule] = []
    problems: list[str] = []
    for path in paths:
        try:
            reader = _Reader(read(path))
        except ConfigError as error:
            problems += error.problems
            continue
        rules += reader.rules()
        problems += reader.problems
    if problems:
        raise ConfigError(problems)
    return compiled(rules)


class _Reader:
    """Reads one file, and gathers its problems rather than stopping at the first."""

    def __init__(self, document: Document) -> None:
        self.problems: list[str] = []
        self._document = document
        top = self._table(document.value if document.value is not None else {}, (), {"defaults", "mappings"})
        self._defaults = self._table(top.get("defaults") or {}, ("defaults",), _DEFAULT_KEYS)
        if self._defaults.get("glob_disable_ordering"):
            self._wrong(("defaults", "glob_disable_ordering"), "the first glob that fits wins: put the closest ones first", None)
        self._entries = self._list(top.get("mappings") or [], ("mappings",))

    def rules(self) -> list[Rule]:
        found = [self._rule(entry, ("mappings", index)) for index, entry in enumerate(self._entries)]
        return [rule for rule in found if rule is not None]

    def _rule(self, value: Any, place: Place) -> Rule | None:
        before = len(self.problems)
        entry = {**{k: v for k, v in self._defaults.items() if k in _RULE_KEYS}, **self._table(value, place, _RULE_KEYS)}
        rule = Rule(
            match=self._match(entry, place),
            regex=entry.get("match_type") == "regex",
            name=self._name(entry, place),
            labels=self._labels(entry.get("labels") or {}, (*place, "labels")),
            drop=self._choice(entry, "action", ("map", "drop"), place, "map") == "drop",
            metric_type=_TYPES.get(self._choice(entry, "match_metric_type", tuple(_TYPES), place, "")),
            ttl=self._duration(entry, "ttl", place),
            observer=self._observer(entry, place),
            honor_labels=self._flag(entry, "honor_labels", place),
            scale=self._number(entry.get("scale", 1.0), (*place, "scale")),
        )
        return rule if len(self.problems) == before else None

    def _match(self, entry: dict[str, Any], place: Place) -> str:
        match = entry.get("match")
        kind = self._choice(entry, "match_type", ("glob", "regex"), place, "glob")
        if not isinstance(match, str) or not match:
            return self._wrong(place, "a mapping needs match: a StatsD name", "x")
        if kind == "glob" and not all(_PART.fullmatch(part) for part in match.split(".")):
            return self._wrong((*place, "match"), f"{match!r} is not a glob: write names and * between dots", "x")
        if kind == "regex":
            try:
                _regex(match)
            except re2.error as error:
                return self._wrong((*place, "match"), f"{match!r} is not a regular expression: {_said(error)}", "x")
        return match

    def _name(self, entry: dict[str, Any], place: Place) -> str:
        name = entry.get("name")
        if entry.get("action") == "drop" and name is None:
            return ""
        if not isinstance(name, str) or not _METRIC.fullmatch(name):
            said = "a mapping needs name" if name is None else f"{name!r} is not a metric name"
            return self._wrong((*place, "name"), f"{said}: letters, digits, _ and references such as $1", "x")
        return name

    def _labels(self, value: Any, place: Place) -> tuple[tuple[str, str], ...]:
        labels = self._table(value, place, None)
        for name, text in labels.items():
            if not _LABEL.fullmatch(name) or name.startswith("__"):
                self._wrong((*place, name), f"{name!r} is not a label name", None)
            if isinstance(text, dict | list) or text is None:
                self._wrong((*place, name), f"label {name} must be text", None)
        return tuple((name, _text(value)) for name, value in labels.items())

    def _observer(self, entry: dict[str, Any], place: Place) -> Observer:
        kind = self._choice(entry, "observer_type", ("summary", "histogram"), place, "")
        kind = kind or self._choice(entry, "timer_type", ("summary", "histogram"), place, "summary")
        summary = self._table(entry.get("summary_options") or {}, (*place, "summary_options"), _SUMMARY_KEYS)
        histogram = self._table(entry.get("histogram_options") or {}, (*place, "histogram_options"), {"buckets"})
        quantiles = [
            self._quantile(each, place)
            for each in self._list(summary.get("quantiles") or entry.get("quantiles") or [], (*place, "quantiles"))
        ]
        buckets = [
            self._number(each, place)
            for each in self._list(histogram.get("buckets") or entry.get("buckets") or [], (*place, "buckets"))
        ]
        return Observer(
            "histogram" if kind == "histogram" else "summary",
            tuple(quantiles) or QUANTILES,
            self._duration(summary, "max_age", (*place, "summary_options")) or DEFAULT.max_age,
            tuple(sorted(set(buckets))) or BUCKETS,
        )

    def _quantile(self, value: Any, place: Place) -> float:
        number = self._number(value.get("quantile") if isinstance(value, dict) else value, (*place, "quantiles"))
        return number if 0 < number < 1 else self._wrong((*place, "quantiles"), f"quantile {number:g} is not in (0, 1)", 0.5)

    def _duration(self, entry: dict[str, Any], key: str, place: Place) -> timedelta | None:
        value = entry.get(key)
        if value is None or value == 0:
            return None
        try:
            return parse_duration(str(value)) or None
        except ValueError as error:
            return self._wrong((*place, key), f"{key}: {error}", None)

    def _choice(self, entry: dict[str, Any], key: str, known: tuple[str, ...], place: Place, default: str) -> str:
        value = entry.get(key)
        if value is None or value == "":
            return default
        return (
            value if value in known else self._wrong((*place, key), f"{key}: {value!r} is not one of {', '.join(known)}", default)
        )

    def _flag(self, entry: dict[str, Any], key: str, place: Place) -> bool:
        value = entry.get(key, False)
        return value if isinstance(value, bool) else self._wrong((*place, key), f"{key} must be true or false", False)

    def _number(self, value: Any, place: Place) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        return self._wrong(place, f"{value!r} is not a number", 1.0)

    def _table(self, value: Any, place: Place, known: set[str] | None) -> dict[str, Any]:
        if not isinstance(value, dict):
            return self._wrong(place, f"{place[-1] if place else 'the file'} must be keys and values", {})
        for key in value:
            if known is not None and key not in known:
                self._wrong((*place, str(key)), f"unknown key {key!r}: known are {', '.join(sorted(known))}", None)
        return {str(key): item for key, item in value.items()}

    def _list(self, value: Any, place: Place) -> list[Any]:
        return value if isinstance(value, list) else self._wrong(place, f"{place[-1]} must be a list", [])

    def _wrong(self, place: Place, message: str, instead: T) -> T:
        self.problems.append(self._document.problem(place, message))
        return instead


_SUMMARY_KEYS = {"quantiles", "max_age", "age_buckets", "buf_cap"}
_SHARED_KEYS = {
    "match_type",
    "observer_type",
    "timer_type",
    "buckets",
    "quantiles",
    "summary_options",
    "histogram_options",
    "ttl",
    "honor_labels",
}
_DEFAULT_KEYS = _SHARED_KEYS | {"glob_disable_ordering"}
_RULE_KEYS = _SHARED_KEYS | {"match", "name", "labels", "action", "match_metric_type", "help", "scale"}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _said(error: Exception) -> str:
    words = error.args[0] if error.args else error
    return words.decode() if isinstance(words, bytes) else str(words)
