"""The first sentence of a page: what is the matter, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from opsconsole.db.overview import IncidentRow
from opsconsole.model import Status, worst
from opsconsole.web.fleet import FleetRow, trouble_in_words
from opsconsole.web.words import count, of_severity

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Sentence:
    """A verdict: the headline with its state, and what stands behind it."""

    status: Status
    headline: str
    details: tuple[str, ...] = ()


def fleet(rows: Sequence[FleetRow], incidents: Sequence[IncidentRow], open_count: int, now: datetime) -> Sentence:
    status = worst(*(row.status for row in rows), *(of_severity(incident.severity) for incident in incidents))
    named = len(rows) > 1
    said = [f"{row.deployment.name}: {words}" if named else words for row in rows if (words := trouble_in_words(row, now))]
    fine = sum(row.status is Status.OK for row in rows)
    details = said[:_MOST_NAMED]
    if len(said) > _MOST_NAMED:
        details.append(f"and {len(said) - _MOST_NAMED} more")
    elif said and fine:
        details.append(f"{'the other' if fine == 1 else f'the other {fine}'} {'is' if fine == 1 else 'are'} fine")
    touched = len({incident.deployment for incident in incidents} & {row.deployment.name for row in rows})
    return Sentence(status, _headline(rows, open_count, touched, status), tuple(details))


def _headline(rows: Sequence[FleetRow], open_count: int, touched: int, status: Status) -> str:
    total = count(len(rows), "deployment")
    if open_count:
        where = f" in {touched} of {total}" if touched and len(rows) > 1 else ""
        return count(open_count, "open incident") + where
    if status is Status.OK:
        return f"{rows[0].deployment.name} is fine" if len(rows) == 1 else f"All {total} are fine"
    if status is Status.UNKNOWN:
        silent = sum(row.status is Status.UNKNOWN for row in rows)
        return "No fresh data" if len(rows) == 1 else f"No fresh data from {silent} of {total}"
    troubled = sum(row.status not in (Status.OK, Status.UNKNOWN) for row in rows)
    return "Something is wrong" if len(rows) == 1 else f"Trouble in {troubled} of {total}"
