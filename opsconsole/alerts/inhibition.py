"""Alerts that are not told while a graver one explains them. Pure; semantics of Alertmanager, `inhibit/inhibit.go`."""

from collections.abc import Iterable, Sequence

from opsconsole.alerts.matchers import Condition
from opsconsole.alerts.settings import InhibitRule
from opsconsole.model import Labels


class _Rule:
    def __init__(self, rule: InhibitRule, firing: Iterable[Labels]) -> None:
        self.source, self.target, self.equal = Condition(rule.source()), Condition(rule.target()), tuple(rule.equal)
        self.sources: dict[tuple[str, ...], list[Labels]] = {}
        for labels in firing:
            if self.source.fits(labels):
                self.sources.setdefault(self._agreement(labels), []).append(labels)

    def source_of(self, labels: Labels) -> Labels | None:
        """An alert that fits both sides is never muted by one that fits both sides too, so none mutes itself."""
        if not self.target.fits(labels):
            return None
        both = self.source.fits(labels)
        for source in self.sources.get(self._agreement(labels), ()):
            if not (both and self.target.fits(source)):
                return source
        return None

    def _agreement(self, labels: Labels) -> tuple[str, ...]:
        """A label missing on both sides is equal."""
        return tuple(labels.get(name, "") for name in self.equal)


class Inhibitor:
    """The rules against the alerts that fire now."""

    def __init__(self, rules: Sequence[InhibitRule], firing: Iterable[Labels]) -> None:
        sources = list(firing) if rules else []
        self._rules = [_Rule(rule, sources) for rule in rules]

    def source_of(self, labels: Labels) -> Labels | None:
        """The firing alert that mutes one with these labels, if one does."""
        return next((source for rule in self._rules if (source := rule.source_of(labels)) is not None), None)
