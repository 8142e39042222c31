"""From StatsD names to metric names and labels, as statsd_exporter's mappings say it (`statsd_mapping_file` reads them).

Source of the rules: statsd_exporter's README and `pkg/mapper/mapper.go`. Globs go before regular expressions, each kind
in the order of the files; a glob's `*` stands for one whole part between dots; regular expressions are RE2's and not
anchored.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, Protocol

import re2

MetricType = Literal["counter", "gauge", "observer"]
ObserverType = Literal["summary", "histogram"]
QUANTILES = (0.5, 0.9, 0.99)
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_REFERENCE = re.compile(r"\$(?:\$|\{(\w+)\}|(\d+)|([A-Za-z_]\w*))")
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
    return Rules(globs, [(rule, regular(rule.match)) for rule in rules if rule.regex])


def regular(text: str) -> Any:
    """A regular expression of RE2's, searched with `search`. Raises `re2.error`."""
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
    return _REFERENCE.sub(lambda reference: _group(match, reference[reference.lastindex or 0]), template)


def _group(match: _Match, group: str) -> str:
    """What a group of `match` caught, nothing where there is no such group; `$$` is one dollar."""
    if group == "$$":
        return "$"
    try:
        return match[int(group) if group.isdigit() else group] or ""
    except (IndexError, KeyError, re2.error):
        return ""
