"""Hearing silence: what every check's state means as findings and samples."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from opsconsole.db import Database, Session, checks
from opsconsole.db.checks import Away, Check, Kept, Ping
from opsconsole.heartbeats.keeping import configure
from opsconsole.heartbeats.settings import Settings
from opsconsole.heartbeats.state import Condition, Reason, State, condition
from opsconsole.model import Finding, Labels, Sample, Verdict
from opsconsole.secrets import masked
from opsconsole.settings import format_duration

SCOPE = "heartbeats"
_NOTE_EVERY = timedelta(seconds=10)
_SAMPLE_EVERY = timedelta(seconds=15)
_EVER = datetime.min.replace(tzinfo=UTC)


class HeartbeatWatch:
    """Looks at every check, about once a second; a check that goes down is a finding, dated at its deadline.

    A failure is a finding for at least `stands`, even where a success follows within the same second: a job that said it
    failed, and was answered, is told.
    """

    def __init__(
        self,
        db: Database,
        settings: Settings,
        take: Callable[[Verdict], Awaitable[None]],
        record: Callable[[Iterable[Sample]], object],
        stands: timedelta = timedelta(seconds=15),
    ) -> None:
        """`stands` has to be longer than any alert group waits before it is told."""
        self._db, self._settings, self._take, self._record = db, settings, take, record
        self._stands, self._told_before, self._standing = stands, _EVER, dict[int, tuple[datetime, datetime]]()
        self._down: frozenset[tuple[str, Reason | None]] = frozenset()
        self._fails: dict[tuple[int, datetime], Ping | None] = {}
        self._away: Away | None = None
        self._kept: Mapping[int, Kept] = {}
        self._checks: Mapping[int, Check] = {}
        self._noted_at: datetime | None = None
        self._sampled_at: datetime | None = None

    async def open(self, now: datetime) -> None:
        """Bring the configured checks into the database, and learn how long nobody listened."""
        async with self._db.begin() as session:
            await configure(session, self._settings, now)
            self._away = await checks.came_back(session, now)
        self._told_before = self._away.start - self._stands if self._away else _EVER

    async def reconfigure(self, settings: Settings, now: datetime) -> None:
        async with self._db.begin() as session:
            await configure(session, settings, now)
        self._settings = settings

    async def step(self, now: datetime) -> None:
        async with self._db.read() as session:
            every = [(check, condition(check, now, self._away)) for check in await self._every(session)]
            wrong = [(check, how) for check, how in every if how.state is State.DOWN] + self._passed(every, now)
            self._fails = {key: await self._fail(session, key) for key in _failing(wrong)}
        down = frozenset((check.slug, how.reason) for check, how in wrong)
        changed = down != self._down
        await self._note(now, at_once=changed)
        if changed or _is_due(self._sampled_at, _SAMPLE_EVERY, now):
            self._record([sample for check, how in every for sample in samples(check, how, now)])
            self._sampled_at = now
        findings = tuple(finding(check, how, self._fails.get((check.id, how.since))) for check, how in wrong)
        await self._take(Verdict(SCOPE, now, findings))
        self._down = down

    async def _every(self, session: Session) -> list[Check]:
        """Of thousands few change within a second: what is as it was is not made anew."""
        kept = await checks.kept_checks(session)
        new = await checks.checks_by_id(session, [key for key, row in kept.items() if self._kept.get(key) != row])
        self._checks = {key: check for key in kept if (check := new.get(key) or self._checks.get(key))}
        self._kept = kept
        return list(self._checks.values())

    def _passed(self, every: Iterable[tuple[Check, Condition]], now: datetime) -> list[tuple[Check, Condition]]:
        """Failures that a success has followed, for as long as they stand."""
        return [
            (check, replace(how, state=State.DOWN, since=failed_at, reason=Reason.FAILED))
            for check, how in every
            if (failed_at := self._failure(check, now)) and how.reason is not Reason.FAILED and how.state is not State.PAUSED
        ]

    def _failure(self, check: Check, now: datetime) -> datetime | None:
        """The check's last failure, while it stands: counted from the first look at it, and anew after a restart that
        came before it had stood for long enough."""
        failed_at = check.last_fail_at
        if failed_at is None or failed_at <= self._told_before:
            return None
        if self._standing.get(check.id, (None, now))[0] != failed_at:
            self._standing[check.id] = (failed_at, now + self._stands)
        return failed_at if now < self._standing[check.id][1] else None

    async def _fail(self, session: Session, key: tuple[int, datetime]) -> Ping | None:
        return self._fails[key] if key in self._fails else await checks.fail_at(session, *key)

    async def _note(self, now: datetime, *, at_once: bool) -> None:
        """A restart must excuse no deadline that was already told: it is noted as heard before it is told."""
        if at_once or _is_due(self._noted_at, _NOTE_EVERY, now):
            async with self._db.begin() as session:
                await checks.listened(session, now)
            self._noted_at = now


def _is_due(last: datetime | None, every: timedelta, now: datetime) -> bool:
    return last is None or now - last >= every


def _failing(every: Iterable[tuple[Check, Condition]]) -> list[tuple[int, datetime]]:
    return [(check.id, how.since) for check, how in every if how.reason is Reason.FAILED]


def finding(check: Check, how: Condition, fail: Ping | None = None) -> Finding:
    """What is wrong with a check that is down; `fail` is the ping that said so, where one did.

    The text changes only when another ping comes.
    """
    failed = how.reason is Reason.FAILED
    annotations = {
        "summary": _summary(check, how, fail),
        "description": _description(check),
        "error": _last_line(fail.body) if fail else "",
        "runbook_url": f"docs/runbooks/heartbeat-{'failed' if failed else 'missed'}.md",
    }
    return Finding(
        labels=Labels(
            alertname="HeartbeatFailed" if failed else "HeartbeatMissed",
            severity="critical" if "canary" in check.tags else "high",
            deployment=check.deployment,
            slug=check.slug,
        ),
        annotations={name: text for name, text in annotations.items() if text},
        since=how.since,
    )


def _last_line(body: bytes) -> str:
    """What a body ends with: where jobs put their error."""
    lines = body[-4000:].decode(errors="replace").replace("\x00", "").split("\n")
    return masked(next((line.strip() for line in reversed(lines) if line.strip()), ""))[:300]


def _summary(check: Check, how: Condition, fail: Ping | None) -> str:
    if how.reason is Reason.FAILED:
        what = f"exit status {fail.exit_status}" if fail and fail.exit_status else "a failure"
        mended = check.last_success_at if check.last_kind == "success" else None
        return f"{check.name} reported {what} at {_clock(how.since)}" + (f", and success at {_clock(mended)}" if mended else "")
    if how.reason is Reason.OVERRAN and check.last_start_at is not None:
        return f"{check.name} started at {_clock(check.last_start_at)} and did not end within {format_duration(check.grace)}"
    if check.last_ping_at is None:
        waited = format_duration(timedelta(seconds=round((how.since - check.created_at).total_seconds())))
        return f"{check.name} has never pinged, {waited} after it was set up"
    return f"{check.name} is silent: no ping since {_clock(check.last_ping_at)}"


def _description(check: Check) -> str:
    rhythm = f"every {format_duration(check.period)}" if check.period else f"at {check.schedule} ({check.timezone})"
    expected = f"A ping is expected {rhythm}, with {format_duration(check.grace)} of grace."
    if check.last_ping_at is None:
        return f"{expected} None ever came."
    sender = f" from {check.last_remote}" if check.last_remote else ""
    return f"{expected} The last one ({check.last_kind}) came{sender} at {_clock(check.last_ping_at)}."


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def samples(check: Check, how: Condition, now: datetime) -> Iterable[Sample]:
    """`opsconsole_heartbeat_up` is 1 unless the check is down (a paused or new one has none), with its last ping's time."""
    labels = Labels(slug=check.slug, deployment=check.deployment)
    if how.state not in (State.PAUSED, State.NEW):
        yield Sample("opsconsole_heartbeat_up", float(how.state is not State.DOWN), now, labels)
    if check.last_ping_at is not None:
        yield Sample("opsconsole_heartbeat_last_ping_timestamp_seconds", check.last_ping_at.timestamp(), now, labels)
    if check.last_duration is not None:
        yield Sample("opsconsole_heartbeat_last_duration_seconds", check.last_duration.total_seconds(), now, labels)
