"""Posted alerts on their way in: those that come while others are being written share the next commit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from opsconsole.model import Alert, Labels

MOST_AT_ONCE = 500
"""Alerts written in one transaction, so that others have their turn in between."""
REMEMBERED = timedelta(minutes=15)
"""How long a posted alert that ended can be continued by a post that overlaps it; Alertmanager clears up every 30 minutes."""


@dataclass(slots=True, eq=False)
class Letter:
    """What one request posted; `done` once it is committed."""

    alerts: Sequence[Alert]
    done: bool = False


class Postbox:
    def __init__(self) -> None:
        self._waiting: list[Letter] = []
        self._ended: dict[Labels, tuple[datetime, Alert]] = {}

    def put(self, alerts: Sequence[Alert]) -> Letter:
        letter = Letter(alerts)
        self._waiting.append(letter)
        return letter

    def waiting(self) -> list[Letter]:
        return list(self._waiting)

    def settle(self, letters: Sequence[Letter]) -> None:
        """They are committed."""
        for letter in letters:
            letter.done = True
        self._waiting = [letter for letter in self._waiting if not letter.done]

    def drop(self, letter: Letter) -> None:
        """Its sender was told that it failed, or went away."""
        self._waiting = [other for other in self._waiting if other is not letter]

    def remember(self, alert: Alert, now: datetime) -> None:
        """A posted alert has ended."""
        self._ended.pop(alert.labels, None)
        self._ended[alert.labels] = (now, alert)
        for labels, (ended, _) in list(islice(self._ended.items(), 2)):
            if ended < now - REMEMBERED:
                del self._ended[labels]

    def ended(self, labels: Labels) -> Alert | None:
        """The posted alert of these labels that ended not long ago, if one did."""
        known = self._ended.get(labels)
        return known[1] if known else None


def portions(letters: Sequence[Letter]) -> Iterator[list[Alert]]:
    """Their alerts, in order, as many at a time as are written together."""
    alerts = [alert for letter in letters for alert in letter.alerts]
    for start in range(0, len(alerts), MOST_AT_ONCE):
        yield alerts[start : start + MOST_AT_ONCE]
