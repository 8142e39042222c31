"""How each component of a deployment stands: pure, from the newest readings and the alerts that fire.

Unknown is never green: where the newest evidence is older than three intervals (at least 30 s) the state is unknown, with
the age of what was known last. A component that never existed has no status at all, and the page shows a dash.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from opsconsole.model import ComponentStatus, Status, worst
from opsconsole.web.readings import ASKED_AT, LAST_SUCCESS, Freshness, Readings, at

COMPONENTS = ("scheduler", "dag_processor", "triggerer", "metadatabase")
API = "api"
_HEALTH_INTERVAL = timedelta(seconds=5)
_LATE_BEAT = timedelta(seconds=30)
"""Airflow's own threshold for a heartbeat (`[scheduler] scheduler_health_check_threshold`)."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A firing alert about one component."""

    deployment: str
    component: str
    name: str
    severity: str
    since: datetime
    words: str = ""


@dataclass(frozen=True)
class Watched:
    """One deployment as the derivation sees it."""

    name: str
    interval: timedelta = timedelta(seconds=15)
    expected: Mapping[str, int] = field(default_factory=dict)


def statuses(watched: Watched, readings: Readings, troubles: Sequence[Trouble], now: datetime) -> dict[str, ComponentStatus]:
    """By component; one that never existed and is not expected is left out."""
    mine = [trouble for trouble in troubles if trouble.deployment == watched.name]
    found = {component: _component(watched, component, readings, now) for component in COMPONENTS}
    found[API] = _api(watched, readings, now)
    why = readings.why.get(watched.name, "")
    return {name: _troubled(status, mine, why) for name, status in found.items() if status is not None}


def _component(watched: Watched, component: str, readings: Readings, now: datetime) -> ComponentStatus | None:
    up = readings.one(watched.name, "airflow_component_up", component=component)
    expected = watched.expected.get(component)
    asked = at(readings.moment(watched.name, LAST_SUCCESS, collector="airflow_health"))
    status = ComponentStatus(
        watched.name,
        component,
        Status.UNKNOWN,
        as_of=asked,
        last_seen=_last_seen(watched.name, component, readings),
        expected=expected,
    )
    if readings.problem:
        return replace(status, as_of=None, detail="metrics store does not answer")
    beats = _statsd_beat(watched.name, component, readings)
    if up is None and beats is None and status.last_seen is None:
        return _never_seen(status, asked, readings.why.get(watched.name, ""), now)
    if _is_fresh(asked, Freshness(_HEALTH_INTERVAL), now) and up is not None:
        return _judged(_with_replicas(status, readings, now, watched), up, readings)
    if beats is not None and now - beats <= _LATE_BEAT:
        return replace(status, status=Status.OK, as_of=beats, last_seen=_latest(beats, status.last_seen), detail="by StatsD")
    return replace(status, detail=readings.why.get(watched.name, "no data"))


def _never_seen(status: ComponentStatus, asked: datetime | None, why: str, now: datetime) -> ComponentStatus | None:
    if asked is None:
        core = status.component in ("scheduler", "metadatabase") or status.expected
        return replace(status, detail=why or "no answer yet") if core else None
    if not status.expected:
        return None
    fresh = _is_fresh(asked, Freshness(_HEALTH_INTERVAL), now)
    return replace(status, status=Status.DOWN if fresh else Status.UNKNOWN, replicas=0, detail="never seen")


def _judged(status: ComponentStatus, up: float, readings: Readings) -> ComponentStatus:
    if up <= 0:
        return replace(status, status=Status.DOWN)
    if status.component == "scheduler" and readings.one(status.deployment, "airflow_scheduler_busy"):
        return replace(status, status=Status.OK, detail="busy with a task")
    ports = [value for _, value in readings.all(status.deployment, "airflow_scheduler_port_up")]
    if status.component == "scheduler" and ports and min(ports) <= 0:
        bad = sum(value <= 0 for value in ports)
        return replace(
            status,
            status=Status.DOWN if bad == len(ports) else Status.DEGRADED,
            detail=f"health port fails on {bad} of {len(ports)}",
        )
    if status.expected and status.replicas is not None and status.replicas < status.expected:
        return replace(status, status=Status.DEGRADED if status.replicas else Status.DOWN, detail="replicas missing")
    lost = readings.one(status.deployment, "airflow_component_replicas_lost", component=status.component)
    if lost:
        return replace(status, status=Status.DEGRADED, detail=f"{lost:.0f} lost")
    return replace(status, status=Status.OK)


def _with_replicas(status: ComponentStatus, readings: Readings, now: datetime, watched: Watched) -> ComponentStatus:
    counted = readings.moment(watched.name, LAST_SUCCESS, collector="airflow_jobs")
    alive = readings.one(watched.name, "airflow_component_replicas", component=status.component)
    if alive is None or not _is_fresh(at(counted), Freshness(watched.interval), now):
        return status
    lost = readings.one(watched.name, "airflow_component_replicas_lost", component=status.component) or 0
    expected = status.expected or (round(alive + lost) if lost else None)
    return replace(status, replicas=round(alive), expected=expected)


def _api(watched: Watched, readings: Readings, now: datetime) -> ComponentStatus | None:
    """Not answering *is* evidence, so what counts is when the API was last asked, which a failed collection tells too."""
    up = readings.one(watched.name, "airflow_api_up")
    success = at(readings.moment(watched.name, LAST_SUCCESS, collector="airflow_health"))
    asked = at(readings.moment(watched.name, ASKED_AT))
    status = ComponentStatus(watched.name, API, Status.UNKNOWN, as_of=success, last_seen=success)
    if readings.problem:
        return replace(status, as_of=None, detail="metrics store does not answer")
    why = readings.why.get(watched.name, "")
    if up is None or not _is_fresh(asked, Freshness(_HEALTH_INTERVAL), now):
        return replace(status, detail=why or ("no data" if success else "no answer yet"))
    if up <= 0:
        return replace(status, status=Status.DOWN, as_of=asked, detail=why or "no answer")
    status = replace(status, as_of=asked, last_seen=asked)
    seconds = readings.one(watched.name, "airflow_api_response_seconds")
    return replace(status, status=Status.OK, detail=f"{seconds * 1000:.0f} ms" if seconds is not None else "")


def _troubled(status: ComponentStatus, troubles: Iterable[Trouble], why: str) -> ComponentStatus:
    """A firing alert about the component makes it at least that bad, so that page and message never disagree.

    The alert's own words explain it, unless it is known `why` the API cannot be read, which tells more.
    """
    about = [t for t in troubles if t.component == status.component and "Unknown" not in t.name]
    if not about:
        return status
    leading = max(about, key=lambda t: t.severity == "critical")
    implied = Status.DOWN if leading.severity == "critical" else Status.DEGRADED
    combined = worst(status.status, implied)
    detail = status.detail if status.status == combined and status.detail else leading.words or leading.name
    if status.component == API and why:
        detail = why
    return replace(status, status=combined, detail=detail)


def _last_seen(deployment: str, component: str, readings: Readings) -> datetime | None:
    beat = readings.moment(deployment, "airflow_component_heartbeat_timestamp_seconds", component=component)
    return _latest(at(beat), _statsd_beat(deployment, component, readings))


def _statsd_beat(deployment: str, component: str, readings: Readings) -> datetime | None:
    return at(readings.moment(deployment, "airflow_statsd_heartbeat_timestamp_seconds", component=component))


def _is_fresh(moment: datetime | None, freshness: Freshness, now: datetime) -> bool:
    return moment is not None and now - moment <= freshness.limit


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)
