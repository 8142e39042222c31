"""What a message says: a decision aid, the same for every way of sending it. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from opsconsole.model import Alert, AlertState, Handling, Notification, Occasion, headline, summary, worst_severity
from opsconsole.secrets import masked

MOST_TITLE = 80
MOST_ALERTS = 10
_SHORT = {"critical": "CRIT", "high": "HIGH", "warning": "WARN", "info": "INFO"}
_FROM_LABELS = (
    ("deployment", "Deployment"),
    ("component", "Component"),
    ("dag_id", "Dag"),
    ("task_id", "Task"),
    ("map_index", "Map index"),
    ("run_id", "Run"),
    ("sla", "SLA"),
    ("slug", "Heartbeat"),
    ("hostname", "Host"),
    ("pool", "Pool"),
    ("file", "File"),
)
_FROM_ANNOTATIONS = (
    ("run_type", "Run type"),
    ("logical_date", "Logical date"),
    ("try", "Try"),
    ("duration", "Ran for"),
    ("owner", "Owner"),
)


@dataclass(frozen=True, slots=True)
class Fact:
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Link:
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Line:
    """One alert of the group."""

    text: str
    state: AlertState
    severity: str
    since: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """`title` has at most 80 characters; `verdict` is one sentence with the times; `more` alerts are only counted."""

    title: str
    verdict: str
    severity: str
    resolved: bool
    test: bool = False
    facts: tuple[Fact, ...] = ()
    error: str = ""
    description: str = ""
    lines: tuple[Line, ...] = ()
    more: int = 0
    steps: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    handling: str = ""
    """Who has it in hand, in a line; empty where nobody has."""


def compose(notification: Notification, public_url: str, steps_of: Callable[[str], Sequence[str]] = lambda _: ()) -> Message:
    """The message of a notification; `steps_of` gives a runbook's first steps."""
    if notification.occasion is Occasion.TEST:
        return _test(notification, public_url)
    resolved = notification.occasion is Occasion.RESOLVED
    alerts = notification.firing or notification.resolved
    severity = worst_severity(alert.labels["severity"] for alert in alerts if "severity" in alert.labels)
    tag = "RESOLVED" if resolved else _SHORT.get(severity, severity.upper())
    speaker = _speaker(alerts)
    shown = sorted(notification.alerts, key=lambda alert: alert.state is AlertState.RESOLVED)
    runbook = _first_of(alerts, "runbook_url", "runbook")
    return Message(
        title=_cut(f"[{tag}] {headline(notification.group_labels, alerts)}", MOST_TITLE),
        verdict=_verdict(notification, resolved),
        severity=severity,
        resolved=resolved,
        facts=tuple(_facts(alerts, notification.at)),
        error=_cut(masked(_agreed(alert.annotations.get("error", "") for alert in alerts)), 1000),
        description=_description(alerts, resolved),
        lines=tuple(_lines(shown, notification.at)) if len(shown) > 1 else (),
        more=max(0, len(shown) - MOST_ALERTS),
        steps=() if resolved else tuple(_cut_step(step, 360) for step in steps_of(runbook)),
        links=tuple(_links(notification.incident_id, speaker, runbook, public_url)),
        handling=handled(notification.handling, notification.at),
    )


def handled(handling: Handling, now: datetime) -> str:
    """Such as `Acknowledged by anna at 12:00:05 UTC · assigned to ben`."""
    said = []
    if handling.acknowledged_at is not None:
        said.append(f"acknowledged by {handling.acknowledged_by} at {clock_time(handling.acknowledged_at, now)}")
    if handling.assignee:
        said.append(f"assigned to {handling.assignee}")
    if handling.snoozed_until is not None and handling.snoozed(now):
        said.append(f"snoozed until {clock_time(handling.snoozed_until, now)}")
    line = " · ".join(said)
    return line[:1].upper() + line[1:]


def downtime(notification: Notification) -> timedelta | None:
    """How long it lasted: from the first sign to when the last finding was first missing, not to the end of its waiting."""
    if notification.closed_at is None:
        return None
    ends = [alert.absent_since or alert.resolved_at or notification.closed_at for alert in notification.resolved]
    return max(max(ends, default=notification.closed_at) - notification.opened_at, timedelta(0))


def in_words(duration: timedelta) -> str:
    """Two units at most: `42 s`, `4 min 12 s`, `3 h 5 min`, `2 d 4 h`."""
    seconds = max(0, round(duration.total_seconds()))
    for unit, size, below, step in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            rest = seconds % size // step
            return f"{seconds // size} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{seconds} s"


def clock_time(moment: datetime, now: datetime) -> str:
    """`12:00:05 UTC`, with its date where that is not today."""
    moment = moment.astimezone(UTC)
    form = "%H:%M:%S UTC" if moment.date() == now.astimezone(UTC).date() else "%Y-%m-%d %H:%M:%S UTC"
    return moment.strftime(form)


def failing_history(annotations: Mapping[str, str], at: datetime) -> str:
    """Whether this is news: `3rd failed run in a row, last success 2 d ago`; empty where the record was not asked."""
    place = annotations.get("failed_in_a_row", "")
    if not (place.isascii() and place.isdecimal()):
        return ""
    first = "first failed run" if place == "1" else f"{_ordinal(place)} failed run in a row"
    success = _moment(annotations.get("last_success", ""))
    return f"{first}, " + (f"last success {in_words(at - success)} ago" if success else "no success on record")


def _test(notification: Notification, public_url: str) -> Message:
    return Message(
        title="[TEST] opsconsole · test notice",
        verdict=f"Sent by hand at {clock_time(notification.at, notification.at)} to try receiver {notification.receiver}; "
        "nothing is wrong, and nothing has to be done.",
        severity="info",
        resolved=False,
        test=True,
        facts=(Fact("Receiver", notification.receiver),),
        links=(Link("Console", public_url.rstrip("/") + "/"),),
    )


def _verdict(notification: Notification, resolved: bool) -> str:
    now = notification.at
    since = clock_time(notification.opened_at, now)
    if resolved:
        lasted = downtime(notification) or timedelta(0)
        told = f"Resolved after {in_words(lasted)}: {since} to {clock_time(notification.opened_at + lasted, now)}."
        return " ".join([told, *([_cut(notification.news, 300)] if notification.news else [])])
    lasting = f"since {since} ({in_words(now - notification.opened_at)})"
    firing, ended = len(notification.firing), len(notification.resolved)
    if firing == 1 and not ended:
        return f"{'Still firing' if notification.occasion is Occasion.REPEATED else 'Firing'} {lasting}."
    still = "still " if notification.occasion is Occasion.REPEATED else ""
    return f"{firing} {still}firing{f', {ended} resolved' if ended else ''}, {lasting}."


def _facts(alerts: Sequence[Alert], at: datetime) -> Iterable[Fact]:
    """What all alerts of the group agree on, in the order a reader asks for it."""
    for label, name in _FROM_LABELS:
        if value := _agreed(alert.labels.get(label, "") for alert in alerts):
            yield Fact(name, _cut(value, 200))
    for annotation, name in _FROM_ANNOTATIONS:
        if value := _agreed(alert.annotations.get(annotation, "") for alert in alerts):
            yield Fact(name, _cut(masked(value), 200))
    agreed = {name: _agreed(alert.annotations.get(name, "") for alert in alerts) for name in ("failed_in_a_row", "last_success")}
    if told := failing_history(agreed, at):
        yield Fact("History", told)


def _ordinal(digits: str) -> str:
    """`1st`, `2nd`, `3rd`, `11th`, `21st`."""
    teens = digits[-2:] in ("11", "12", "13")
    return digits + ("th" if teens else {"1": "st", "2": "nd", "3": "rd"}.get(digits[-1], "th"))


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _agreed(values: Iterable[str]) -> str:
    different = set(values)
    return different.pop() if len(different) == 1 else ""


def _lines(alerts: Sequence[Alert], now: datetime) -> Iterable[Line]:
    """One for each alert, with what tells it from the others: one task fails in several runs with the same words, and two
    files do not import for two reasons."""
    runs = {alert.labels.get("run_id", "") for alert in alerts}
    errors = {alert.annotations.get("error", "") for alert in alerts}
    for alert in alerts[:MOST_ALERTS]:
        run = alert.labels.get("run_id", "") if len(runs) > 1 else ""
        error = " ".join(alert.annotations.get("error", "").split()) if len(errors) > 1 else ""
        yield _line(alert, [part for part in (_cut(run, 100), _cut(masked(error), 120)) if part], now)


def _line(alert: Alert, apart: Sequence[str], now: datetime) -> Line:
    return Line(
        text=" · ".join([_cut(masked(summary(alert)), 200), *apart]),
        state=alert.state,
        severity=alert.labels.get("severity", "warning"),
        since=clock_time(alert.active_at, now),
        url=_web(alert.annotations.get("log_url", "") or alert.annotations.get("run_url", "")),
    )


def _description(alerts: Sequence[Alert], resolved: bool) -> str:
    """Of the one alert there is, while it fires: `nothing is being scheduled` would alarm whoever reads of the recovery."""
    return _cut(masked(_first_of(alerts, "description")), 1500) if len(alerts) == 1 and not resolved else ""


def _links(incident_id: int, speaker: Alert | None, runbook: str, public_url: str) -> Iterable[Link]:
    base = public_url.rstrip("/")
    yield Link("Incident", f"{base}/incidents/{incident_id}")
    if speaker is not None:
        for annotation, text in (("log_url", "Log"), ("run_url", "Run")):
            if url := _web(speaker.annotations.get(annotation, "")):
                yield Link(text, url)
    if url := _runbook(runbook, base):
        yield Link("Runbook", url)


def _runbook(address: str, base: str) -> str:
    if "://" in address:
        return _web(address)
    return f"{base}/{address.removesuffix('.md').lstrip('/')}" if address else ""


def _web(url: str) -> str:
    """Only what a reader may safely click."""
    return url if urlsplit(url).scheme in ("http", "https") else ""


def _speaker(alerts: Sequence[Alert]) -> Alert | None:
    return alerts[0] if alerts else None


def _first_of(alerts: Sequence[Alert], *names: str) -> str:
    return next((alert.annotations[name] for alert in alerts for name in names if alert.annotations.get(name)), "")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _cut_step(text: str, most: int) -> str:
    """Cut after the last whole item of its list, if it has one, and never within `code`: half a command is none, and its
    open backquote would swallow what follows."""
    cut = _cut(text, most)
    if cut != text and " • " in cut:
        return cut[: cut.rindex(" • ")] + " • …"
    return cut[: cut.rindex("`")].rstrip() + " …" if cut.count("`") % 2 else cut
