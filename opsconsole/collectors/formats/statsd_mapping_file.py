"""Reading mapping files in statsd_exporter's format, with every problem at its line."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import re2
from pydantic import AfterValidator, AliasChoices, Field

from opsconsole import documents
from opsconsole.collectors.formats.statsd_mapping import (
    DEFAULT,
    MetricType,
    Observer,
    ObserverType,
    Rule,
    Rules,
    compiled,
    regular,
)
from opsconsole.model import ConfigError
from opsconsole.settings import AsWritten, Duration, Settings, Text

_PART = re.compile(r"\*|[A-Za-z0-9_][A-Za-z0-9_-]*")
_METRIC = re.compile(r"(?:[a-zA-Z_:]|\$\{?[0-9]+\}?)(?:[a-zA-Z0-9_:]|\$\{?[0-9]+\}?)*")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_TYPES: Mapping[str, MetricType] = {"counter": "counter", "gauge": "gauge", "observer": "observer", "timer": "observer"}


def _metric(text: str) -> str:
    if not _METRIC.fullmatch(text):
        raise ValueError(f"{text!r} is not a metric name: letters, digits, _ and references such as $1")
    return text


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError(f"{text!r} is not a label name")
    return text


class _Quantile(Settings):
    quantile: float = Field(gt=0, lt=1)
    error: float | None = None


class _Summary(Settings):
    """`age_buckets`, `buf_cap` and a quantile's `error` tune how the exporter estimates; here quantiles are exact."""

    quantiles: tuple[_Quantile, ...] | None = None
    max_age: Duration | None = None
    age_buckets: int | None = None
    buf_cap: int | None = None


class _Histogram(Settings):
    """The native histogram that the exporter adds to the buckets is not kept."""

    buckets: tuple[float, ...] | None = None
    native_histogram_bucket_factor: float | None = None
    native_histogram_max_buckets: int | None = None


class _Common(Settings):
    """What `defaults` and a mapping may both say, None if they do not; `timer_type`, `quantiles`, `buckets` are older names."""

    match_type: Literal["glob", "regex"] | None = None
    observer_type: ObserverType | None = Field(default=None, validation_alias=AliasChoices("observer_type", "timer_type"))
    ttl: Duration | None = None
    honor_labels: bool | None = None
    summary_options: _Summary | None = None
    histogram_options: _Histogram | None = None
    quantiles: tuple[_Quantile, ...] | None = None
    buckets: tuple[float, ...] | None = None

    def said_quantiles(self) -> tuple[float, ...]:
        said = (self.summary_options and self.summary_options.quantiles) or self.quantiles or ()
        return tuple(each.quantile for each in said)

    def said_buckets(self) -> tuple[float, ...]:
        said = (self.histogram_options and self.histogram_options.buckets) or self.buckets or ()
        return tuple(sorted(set(said)))


class _Defaults(_Common):
    glob_disable_ordering: bool = False


class _Mapping(_Common):
    match: Text
    name: Annotated[Text, AfterValidator(_metric)] | None = None
    labels: Annotated[dict[Annotated[Text, AfterValidator(_label)], Text], AsWritten] | None = None
    action: Literal["map", "drop"] = "map"
    match_metric_type: Literal["counter", "gauge", "observer", "timer"] | None = None
    scale: float = 1.0
    help: Text = ""


class _File(Settings):
    defaults: _Defaults | None = None
    mappings: tuple[_Mapping, ...] | None = None


def load(paths: Sequence[Path]) -> Rules:
    """The rules of all files, the earlier before the later. Raises `ConfigError` with every problem of every file."""
    rules: list[Rule] = []
    problems: list[str] = []
    for path in paths:
        try:
            rules += parse(documents.read(path))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return compiled(rules)


def parse(document: documents.Document) -> list[Rule]:
    """The rules of one document, in the order in which they are tried. Raises `ConfigError`."""
    if document.value is None:
        return []
    file = documents.validated(document, _File)
    defaults, mappings = file.defaults or _Defaults(), file.mappings or ()
    rules = [_rule(mapping, defaults) for mapping in mappings]
    problems = [
        document.problem(("mappings", index, key), message)
        for index, (mapping, rule) in enumerate(zip(mappings, rules, strict=True))
        for key, message in _mistakes(mapping, rule)
    ]
    if problems:
        raise ConfigError(problems)
    return sorted(rules, key=_stars) if defaults.glob_disable_ordering else rules


def _rule(mapping: _Mapping, defaults: _Defaults) -> Rule:
    honor = defaults.honor_labels if mapping.honor_labels is None else mapping.honor_labels
    return Rule(
        match=mapping.match,
        regex=(mapping.match_type or defaults.match_type) == "regex",
        name=mapping.name or "",
        labels=tuple((mapping.labels or {}).items()),
        drop=mapping.action == "drop",
        metric_type=_TYPES.get(mapping.match_metric_type or ""),
        ttl=mapping.ttl or defaults.ttl or None,
        observer=_observer(mapping, defaults),
        honor_labels=honor or False,
        scale=mapping.scale,
    )


def _observer(mapping: _Mapping, defaults: _Defaults) -> Observer:
    ages = [each.summary_options.max_age for each in (mapping, defaults) if each.summary_options is not None]
    return Observer(
        kind=mapping.observer_type or defaults.observer_type or DEFAULT.kind,
        quantiles=mapping.said_quantiles() or defaults.said_quantiles() or DEFAULT.quantiles,
        max_age=next(filter(None, ages), DEFAULT.max_age),
        buckets=mapping.said_buckets() or defaults.said_buckets() or DEFAULT.buckets,
    )


def _mistakes(mapping: _Mapping, rule: Rule) -> list[tuple[str, str]]:
    """What a schema cannot tell: the key that is wrong, and what is wrong with it."""
    found = [("match", problem) for problem in [_unmatchable(rule)] if problem]
    if not rule.name and not rule.drop:
        found.append(("name", "a mapping needs name: letters, digits, _ and references such as $1"))
    if mapping.summary_options is not None and rule.observer.kind == "histogram":
        found.append(("summary_options", "a histogram has no summary_options"))
    if mapping.histogram_options is not None and mapping.observer_type == "summary":
        found.append(("histogram_options", "a summary has no histogram_options"))
    return found


def _unmatchable(rule: Rule) -> str:
    if not rule.regex:
        parts = rule.match.split(".")
        return "" if all(map(_PART.fullmatch, parts)) else f"{rule.match!r} is not a glob: write names and * between dots"
    try:
        regular(rule.match)
    except re2.error as error:
        return f"{rule.match!r} is not a regular expression: {_said(error)}"
    return ""


def _stars(rule: Rule) -> tuple[bool, ...]:
    """Sorts the closer glob first, as `glob_disable_ordering` wants it: a name goes before a star, from the left."""
    return () if rule.regex else tuple(part == "*" for part in rule.match.split("."))


def _said(error: Exception) -> str:
    words = error.args[0] if error.args else error
    return words.decode() if isinstance(words, bytes) else str(words)
