"""The status matrix: deployments by components, the worst first."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from opsconsole.db import Session, overview
from opsconsole.db.overview import AlertRow
from opsconsole.model import ComponentStatus, Status, worst
from opsconsole.web import collecting, status
from opsconsole.web.beats import HeartbeatLine
from opsconsole.web.console import Console, Deployment
from opsconsole.web.promises import SlaLine
from opsconsole.web.readings import Readings, read
from opsconsole.web.status import API, COMPONENTS, Trouble, Watched
from opsconsole.web.words import NAMES, age, duration

T = TypeVar("T")

COLUMNS = (*COMPONENTS, API, "canary", "slas")
_MOST_WORDS = 60
HEADINGS = ("Scheduler", "Dag processor", "Triggerer", "Database", "API", "Canary", "SLAs")


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of the matrix: the state's word, what goes with it, and how old it is; no status is a dash."""

    status: Status | None = None
    word: str = ""
    note: str = ""
    at: datetime | None = None
    link: str = ""


@dataclass(frozen=True, slots=True)
class FleetRow:
    deployment: Deployment
    version: str
    cells: Mapping[str, Cell]
    statuses: Mapping[str, ComponentStatus]
    status: Status
    why: str = ""
    """Why this Airflow cannot be read, where it cannot."""

    @property
    def about(self) -> str:
        """The small print under the name: Airflow's version, and who owns it."""
        labels = self.deployment.labels
        return " · ".join(part for part in (self.version, labels.get("team", ""), labels.get("env", "")) if part)


async def troubles(session: Session) -> list[Trouble]:
    return [
        Trouble(
            alert.labels.get("deployment", ""),
            alert.labels["component"],
            alert.labels.get("alertname", ""),
            alert.labels.get("severity", ""),
            alert.active_at,
            _words(alert),
        )
        for alert in await overview.firing_components(session)
    ]


def _words(alert: AlertRow) -> str:
    """An alert's summary, cut short; the name of its deployment stands beside it anyway."""
    text = alert.annotations.get("summary", "").removeprefix(f"{alert.labels.get('deployment', '')}: ")
    return text if len(text) <= _MOST_WORDS else text[: _MOST_WORDS - 1].rstrip() + "…"


async def readings(console: Console, now: datetime) -> Readings:
    names = [deployment.name for deployment in console.deployments]
    found = await read(console.querier, names, now)
    return replace(found, why=collecting.reasons([(name, console.standings(name)) for name in names]))


def rows(
    deployments: Sequence[Deployment],
    found: Readings,
    firing: Sequence[Trouble],
    heartbeats: Sequence[HeartbeatLine],
    slas: Sequence[SlaLine],
    now: datetime,
) -> list[FleetRow]:
    """Everything is told apart by deployment once, so that a fleet costs what it holds and not its square."""
    troubles = _grouped(firing, lambda one: one.deployment)
    beats = _grouped(heartbeats, lambda one: one.check.deployment)
    promised = _grouped(slas, lambda one: one.deployment)
    made = [
        _row(one, found, troubles.get(one.name, ()), beats.get(one.name, ()), promised.get(one.name, ()), now)
        for one in deployments
    ]
    order = (Status.DOWN, Status.DEGRADED, Status.UNKNOWN, Status.OK)
    return sorted(made, key=lambda row: order.index(row.status))


def _grouped(items: Iterable[T], deployment: Callable[[T], str]) -> Mapping[str, Sequence[T]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for item in items:
        groups[deployment(item)].append(item)
    return groups


def _row(
    deployment: Deployment,
    found: Readings,
    firing: Sequence[Trouble],
    heartbeats: Sequence[HeartbeatLine],
    slas: Sequence[SlaLine],
    now: datetime,
) -> FleetRow:
    watched = Watched(deployment.name, deployment.interval, deployment.expected)
    stand = status.statuses(watched, found, firing, now)
    cells = {name: component_cell(stand[name], now) if name in stand else Cell() for name in (*COMPONENTS, API)}
    cells["canary"] = _canary(heartbeats)
    cells["slas"] = _slas(slas)
    known = [cell.status for cell in cells.values() if cell.status is not None]
    version = found.label(deployment.name, "airflow_info", "version")
    return FleetRow(deployment, version, cells, stand, worst(*known), found.why.get(deployment.name, ""))


def component_cell(stand: ComponentStatus, now: datetime) -> Cell:
    word = "no data" if stand.status is Status.UNKNOWN else str(stand.status)
    if stand.replicas is not None:
        word += f" {stand.replicas}/{stand.expected}" if stand.expected else f" {stand.replicas}"
    if stand.status is Status.OK:
        return Cell(stand.status, word, stand.detail if stand.component == API else "", stand.as_of)
    if stand.status is Status.UNKNOWN:
        known = stand.as_of and (stand.component != API or stand.detail == "no data")
        return Cell(stand.status, word, "" if known else stand.detail, stand.as_of)
    if stand.status is not Status.DOWN or not stand.last_seen:
        return Cell(stand.status, word, stand.detail)
    seen = f"seen {age(stand.last_seen, now)} ago"
    return Cell(stand.status, word, f"{stand.detail} · {seen}" if stand.component == API and stand.detail else seen)


def _canary(lines: Sequence[HeartbeatLine]) -> Cell:
    canaries = [line for line in lines if "canary" in line.check.tags]
    if not canaries:
        return Cell()
    first = canaries[0]
    word = {Status.OK: "ok", Status.DEGRADED: "late", Status.DOWN: "down", Status.UNKNOWN: "not yet"}[first.status]
    link = f"/heartbeats#{first.check.slug}"
    if first.status is Status.OK:
        return Cell(first.status, word, "", first.check.last_ping_at, link)
    return Cell(first.status, word, first.words.removeprefix("never pinged, ").removeprefix("late "), None, link)


def _slas(lines: Sequence[SlaLine]) -> Cell:
    if not lines:
        return Cell()
    missed = sum(line.status is Status.DOWN for line in lines)
    risk = sum(line.status is Status.DEGRADED for line in lines)
    met = sum(line.status is Status.OK for line in lines)
    link = "/slas"
    if missed:
        return Cell(Status.DOWN, f"missed {missed}/{len(lines)}", f"{risk} at risk" if risk else "", None, link)
    if risk:
        return Cell(Status.DEGRADED, f"at risk {risk}/{len(lines)}", "", None, link)
    if not met:
        return Cell(Status.UNKNOWN, "not yet", "no run to judge", None, link)
    return Cell(Status.OK, f"ok {met}/{len(lines)}", "", None, link)


def trouble_in_words(row: FleetRow, now: datetime) -> str:
    """What is wrong with a deployment, in half a sentence: `scheduler down, last seen 4 min ago, canary late`."""
    silent = [stand for stand in row.statuses.values() if stand.status is Status.UNKNOWN]
    bad = [stand for stand in row.statuses.values() if stand.status in (Status.DOWN, Status.DEGRADED)]
    parts = [_said(stand, row.why, now) for stand in sorted(bad, key=lambda stand: stand.status is not Status.DOWN)]
    if silent and len(silent) == len(row.statuses):
        since = max((stand.as_of for stand in silent if stand.as_of), default=None)
        why = f" ({row.why})" if row.why else ""
        parts.append((f"no data for {duration(now - since)}" if since else "no answer yet") + why)
    elif silent:
        parts.append(f"no data on {', '.join(NAMES[stand.component] for stand in silent)}")
    canary = row.cells["canary"]
    if canary.status in (Status.DOWN, Status.DEGRADED):
        parts.append(f"canary {canary.word}")
    slas = row.cells["slas"]
    if slas.status in (Status.DOWN, Status.DEGRADED):
        parts.append(f"SLAs {slas.word}")
    return ", ".join(parts)


def _said(stand: ComponentStatus, why_unread: str, now: datetime) -> str:
    if stand.component == API and stand.status is Status.DOWN:
        return f"the API cannot be read ({why_unread})" if why_unread else "the API does not answer"
    seen = f", last seen {age(stand.last_seen, now)} ago" if stand.status is Status.DOWN and stand.last_seen else ""
    why = f" ({stand.detail})" if stand.status is Status.DEGRADED and stand.detail else ""
    return f"{NAMES[stand.component]} {stand.status}{seen}{why}"
