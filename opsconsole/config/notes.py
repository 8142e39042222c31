"""What `opsconsole check` says of a valid configuration that may not be what was meant."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from opsconsole.config.files import PACKAGED, files_of
from opsconsole.config.loading import Loaded
from opsconsole.dashboards.model import Dashboard
from opsconsole.rules import loading as rules
from opsconsole.rules.groups import AlertingRule


def notes(loaded: Loaded) -> Iterator[str]:
    """What is valid and may still not be meant, as `file:line: note: message` lines, after the warnings."""
    yield from loaded.warnings
    config, document = loaded.config, loaded.document
    for place, entries, shipped in (
        (("rules", "files"), config.rules.files, "alert_rules"),
        (("dashboards", "paths"), config.dashboards.paths, "dashboards"),
    ):
        for index, entry in enumerate(entries or ()):
            if not files_of(entry, shipped, loaded.folder):
                yield document.problem((*place, index), f"note: no file fits {entry}")
    for dashboard in loaded.dashboards:
        yield from dashboard.notes
    for twice in _twice(loaded.rule_groups):
        yield document.problem(("rules", "files"), f"note: {twice}")
    if config.deployments and config.rules.files is not None and (lacking := _lacking_alerts(loaded.rule_groups)):
        yield document.problem(("rules", "files"), f"note: {lacking}")
    if config.deployments and config.dashboards.paths is not None and (lacking := _lacking_dashboards(loaded.dashboards)):
        yield document.problem(("dashboards", "paths"), f"note: {lacking}")


def _twice(groups: Sequence[rules.RuleGroup]) -> Iterator[str]:
    """Rules that say the same as one before them: name, expression and labels."""
    seen: dict[object, str] = {}
    for group in groups:
        for rule in group.rules:
            labels = {name: text if isinstance(text, str) else text.source for name, text in rule.labels.items()}
            place = f"line {rule.line} of {group.file} (group {group.name})"
            first = seen.setdefault((type(rule), rule.name, rule.expr, frozenset(labels.items())), place)
            if first != place:
                yield f"{rule.name} at {place} is the same rule as at {first}"


def _lacking_alerts(groups: Sequence[rules.RuleGroup]) -> str:
    """By name, so that a copy of the shipped rules is as good as they are."""
    shipped = _alerts(rules.load(files_of(PACKAGED, "alert_rules", Path())))
    lacking = [name for name in shipped if name not in _alerts(groups)]
    if len(lacking) == len(shipped):
        return f"none of the {len(shipped)} shipped alerts is among the rules: add {PACKAGED!r} to rules.files to have them too"
    named = ", ".join(lacking[:5]) + (", …" if len(lacking) > 5 else "")
    return f"not among the rules, of the {len(shipped)} shipped alerts: {named} ({len(lacking)})" if lacking else ""


def _alerts(groups: Sequence[rules.RuleGroup]) -> dict[str, None]:
    return dict.fromkeys(rule.name for group in groups for rule in group.rules if isinstance(rule, AlertingRule))


def _lacking_dashboards(own: Sequence[Dashboard]) -> str:
    shipped = {path.stem for path in files_of(PACKAGED, "dashboards", Path())}
    if shipped & {dashboard.slug for dashboard in own}:
        return ""
    return f"none of the {len(shipped)} shipped dashboards is there: add {PACKAGED!r} to dashboards.paths to have them too"
