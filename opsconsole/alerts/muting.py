"""Why an alert is not told: one answer for groups, pages, the API and previews."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from opsconsole.alerts.matchers import Condition
from opsconsole.model import Alert, Labels, Matcher

Reasons = Callable[[Labels, datetime], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Muted:
    """Silences' ids, fingerprints of the alerts that explain it, maintenance windows' names; nothing of these: it is told."""

    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()
    maintained_by: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.silenced_by or self.inhibited_by or self.maintained_by)


def nothing(labels: Labels, now: datetime) -> tuple[str, ...]:
    """A reason that never holds."""
    return ()


@dataclass(frozen=True, slots=True)
class Muting:
    """Each kind of reason, asked for some labels at a time."""

    silenced: Reasons = nothing
    inhibited: Reasons = nothing
    maintained: Reasons = nothing

    def of(self, labels: Labels, now: datetime) -> Muted:
        return Muted(self.silenced(labels, now), self.inhibited(labels, now), self.maintained(labels, now))


def fitting(matchers: Sequence[Matcher], alerts: Iterable[Alert]) -> list[Alert]:
    """The alerts that a silence or a maintenance window of these matchers would mute, in the order given."""
    condition = Condition(matchers)
    return [alert for alert in alerts if condition.fits(alert.labels)]
