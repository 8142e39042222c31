"""How the collection from each Airflow goes, and in a few words why it cannot be read."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsconsole.collectors.airflow_health import AirflowHealth
from opsconsole.collectors.standing import Standing
from opsconsole.model import Status
from opsconsole.web.readings import LAST_SUCCESS, Freshness, Readings, at

_ASKED = re.compile(r"^(?:GET|POST) \S+: ")
_ADDRESS = re.compile(r"^\w+://\S+ is ")
_PLAINER = {"All connection attempts failed": "no connection"}
_LONGEST, _LONGEST_LINE = 48, 400
_SELDOM = timedelta(minutes=1)
"""The slowest collectors' own interval, where the deployment's is shorter."""
_ORDER = (Status.DOWN, Status.UNKNOWN, Status.OK)


@dataclass(frozen=True, slots=True)
class CollectorLine:
    """`repeated`: the error is that of the line before, as where none of them can log in."""

    name: str
    status: Status
    word: str
    succeeded_at: datetime | None
    error: str = ""
    repeated: bool = False


def lines(standings: Iterable[Standing], found: Readings, interval: timedelta, now: datetime) -> list[CollectorLine]:
    """One for each collector, the failing first."""
    made = [_line(one, found, interval, now) for one in standings]
    ordered = sorted(made, key=lambda line: (_ORDER.index(line.status), line.error, line.name != AirflowHealth.name, line.name))
    return [
        CollectorLine(line.name, line.status, line.word, line.succeeded_at, line.error, _repeats(line, before))
        for line, before in zip(ordered, (None, *ordered), strict=False)
    ]


def health_error(standings: Iterable[Standing]) -> str:
    """What the collector that everything else hangs on failed with, in a line; nothing where it did not."""
    return next((_in_a_line(one.error) for one in standings if one.collector == AirflowHealth.name), "")


def reason(error: str) -> str:
    """The heart of an error, for a cell: `login refused`, `no Airflow API`, `401: Unauthorized`."""
    text = _ADDRESS.sub("", _ASKED.sub("", _in_a_line(error)).split(" (")[0])
    parts = text.split(": ")
    said = parts[0] if " " in parts[0] else ": ".join(parts[:2])  # one word, a status or a setting, says too little
    said = _PLAINER.get(said, said)
    return said if len(said) <= _LONGEST else said[: _LONGEST - 1].rstrip() + "…"


def reasons(standings: Sequence[tuple[str, Sequence[Standing]]]) -> dict[str, str]:
    """Why an Airflow cannot be read, by deployment; those that can be read are left out."""
    return {name: reason(error) for name, theirs in standings if (error := health_error(theirs))}


def _line(one: Standing, found: Readings, interval: timedelta, now: datetime) -> CollectorLine:
    stored = at(found.moment(one.deployment, LAST_SUCCESS, collector=one.collector))
    if one.at is None:
        return CollectorLine(one.collector, Status.UNKNOWN, "not run yet", stored)
    succeeded_at = stored if one.error else one.at
    if now - one.at > Freshness(max(interval, _SELDOM)).limit:
        return CollectorLine(one.collector, Status.UNKNOWN, "not run lately", succeeded_at, _in_a_line(one.error))
    if one.error:
        return CollectorLine(one.collector, Status.DOWN, "failing", succeeded_at, _in_a_line(one.error))
    return CollectorLine(one.collector, Status.OK, "ok", succeeded_at)


def _repeats(line: CollectorLine, before: CollectorLine | None) -> bool:
    return before is not None and bool(line.error) and line.error == before.error


def _in_a_line(error: str) -> str:
    text = " ".join(error.split())
    return text if len(text) <= _LONGEST_LINE else text[: _LONGEST_LINE - 1] + "…"
