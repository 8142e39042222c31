"""The one holder of alerts: takes verdicts, commits what they change, and lets groups tell their receivers.

Memory follows the database, never the other way: a change is committed first, so a crash at any point loses nothing and
repeats nothing.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from sqlalchemy.exc import DataError, IntegrityError

from opsconsole import db
from opsconsole.alerts import episodes, flush
from opsconsole.alerts.cleaning import cleaned
from opsconsole.alerts.groups import Firing, Group, Groups, GroupView, Held, Plan, firing, plan, view
from opsconsole.alerts.inhibition import Inhibitor
from opsconsole.alerts.lifecycle import Outcome, end, judge
from opsconsole.alerts.muting import Muted, Muting
from opsconsole.alerts.postbox import MOST_AT_ONCE, Postbox, portions
from opsconsole.alerts.posted import SCOPE, expired, judge_posts, prolonged
from opsconsole.alerts.routing import build
from opsconsole.alerts.settings import Alerting
from opsconsole.alerts.silencing import Silences
from opsconsole.clock import Clock
from opsconsole.model import Alert, AlertState, Integration, Labels, Transition, Verdict
from opsconsole.telemetry import Telemetry

log = logging.getLogger(__name__)

REFRESH = timedelta(minutes=1)
"""How often the value and texts of an alert that stays as it is are written."""
MOST_GROUPS = 50
"""Groups flushed in one transaction, so that a storm does not hold the database for long."""


class AlertKeeper:
    """Alerts of every source. `take` for verdicts, `dispatch` every second; `on_change` hears of every committed change."""

    def __init__(
        self,
        database: db.Database,
        clock: Clock,
        telemetry: Telemetry,
        settings: Alerting,
        receivers: Mapping[str, Sequence[Integration]],
        silences: Silences,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._db, self._clock, self._telemetry, self._on_change = database, clock, telemetry, on_change
        self._settings, self._receivers = settings, receivers
        self._open: dict[Labels, Held] = {}
        self._scopes: dict[str, dict[Labels, Held]] = {}
        self._labels: dict[str, Labels] = {}
        self._groups = Groups(build(settings))
        self._inhibits: Inhibitor | None = None
        self._muting = Muting(silences.by_labels, self._inhibited)
        self._posts = Postbox()
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Load what was committed; groups of routes that are gone are let go, and incidents that none stands behind closed."""
        async with self._lock:
            await self._load()

    async def reconfigure(self, settings: Alerting, receivers: Mapping[str, Sequence[Integration]]) -> None:
        """Go on with other routes and receivers."""
        async with self._lock:
            self._settings, self._receivers = settings, receivers
            await self._load()

    def alerts(self) -> list[Alert]:
        """Every pending and firing alert now, in no order."""
        return [held.alert for held in self._open.values()]

    def firing(self) -> list[Firing]:
        """Every firing alert now, in no order."""
        return [firing(held) for held in self._open.values() if held.alert.state is AlertState.FIRING]

    def groups(self) -> list[GroupView]:
        """Every group in which something fires, in no order."""
        return [shown for group in self._groups if (shown := view(group)).firing]

    def open_in(self, scope: str) -> dict[Labels, Alert]:
        """The pending and firing alerts of one scope."""
        return {labels: held.alert for labels, held in self._scopes.get(scope, {}).items()}

    def states(self, scope: str) -> dict[Labels, AlertState]:
        return {labels: alert.state for labels, alert in self.open_in(scope).items()}

    def muted(self, labels: Labels, now: datetime) -> Muted:
        """Why an alert with these labels is not told now, if it is not."""
        return self._muting.of(labels, now)

    async def take(self, verdict: Verdict) -> None:
        """Take alerts of the verdict's scope on to what it found; returns once that is committed."""
        verdict = cleaned(verdict)
        async with self._lock:
            try:
                await self._judge(verdict)
            except IntegrityError:
                # A commit whose answer was lost (a broken connection, a cancelled step) left memory behind.
                await self._load()
                await self._judge(verdict)

    async def post(self, alerts: Sequence[Alert]) -> None:
        """Take posted alerts (`posted.alert_of`); returns once they are committed, together with what others posted meanwhile."""
        letter = self._posts.put(alerts)
        try:
            async with self._lock:
                if not letter.done:
                    await self._take_posts()
        finally:
            self._posts.drop(letter)

    async def forget_scopes(self, live: Collection[str]) -> None:
        """End the alerts of every scope that is not `live`: its rule or source was removed."""
        async with self._lock:
            now = self._clock.now()
            gone = [one.alert for scope, held in self._scopes.items() if scope not in live for one in held.values()]
            ended = tuple(end(alert, now, "its rule or source was removed") for alert in gone)
            await self._commit(Outcome(ended), now)

    async def dispatch(self, now: datetime) -> None:
        """Flush the groups that are due; in a storm, sources have their say in between."""
        async with self._lock:
            await self._end_posted(now)
            due = self._groups.due(now)
        for start in range(0, len(due), MOST_GROUPS):
            async with self._lock:
                alive = [group for group in due[start : start + MOST_GROUPS] if self._groups.get(group.key) is group]
                await self._flush(self._plans(alive, now), now)
        self._count()

    async def prune(self, before: datetime) -> None:
        """Delete the history of alerts and incidents that ended before then."""
        async with self._db.begin() as session:
            await db.incidents.prune(session, before)
            await db.storms.prune(session, before)
            await db.alerts.prune(session, before)

    async def _judge(self, verdict: Verdict) -> None:
        held = self._scopes.get(verdict.scope, {})
        outcome = judge({labels: one.alert for labels, one in held.items()}, verdict)
        await self._commit(self._own(outcome, verdict.scope), verdict.at)

    async def _take_posts(self) -> None:
        letters = self._posts.waiting()
        for alerts in portions(letters):
            try:
                await self._judge_posts(alerts)
            except IntegrityError:
                await self._load()
                await self._judge_posts(alerts)
        self._posts.settle(letters)

    async def _judge_posts(self, alerts: Sequence[Alert]) -> None:
        now = self._clock.now()
        outcome = judge_posts(alerts, self._alert, self._posts.ended, now)
        await self._commit(outcome, now)
        for alert in outcome.refreshed:
            self._groups.hasten(self._open[alert.labels], now)

    async def _end_posted(self, now: datetime) -> None:
        over = expired((held.alert for held in self._scopes.get(SCOPE, {}).values()), now)
        for start in range(0, len(over), MOST_AT_ONCE):
            await self._commit(Outcome(tuple(over[start : start + MOST_AT_ONCE])), now)

    def _alert(self, labels: Labels) -> Alert | None:
        held = self._open.get(labels)
        return held.alert if held else None

    def _plans(self, due: Sequence[Group], now: datetime) -> list[Plan]:
        ends = self._settings.tell_muted_ends
        return [
            plan(
                group,
                lambda labels: bool(self.muted(labels, now)),
                self.integrations(group),
                now,
                ends,
                self._groups.handling(group.labels),
            )
            for group in due
        ]

    def _own(self, outcome: Outcome, scope: str) -> Outcome:
        """Leave out alerts whose very labels another scope has open: the first scope to find a thing keeps it."""
        kept = []
        for change in outcome.transitions:
            other = self._open.get(change.alert.labels) if change.alert and change.before is None else None
            if other is None:
                kept.append(change)
            else:
                log.debug("two sources find the same labels", extra={"scope": scope, "other": other.alert.scope})
        return Outcome(tuple(kept), outcome.refreshed)

    async def _commit(self, outcome: Outcome, now: datetime) -> None:
        refreshed = [(self._open[alert.labels], alert) for alert in outcome.refreshed]
        stale = [(held, alert) for held, alert in refreshed if _worth_writing(held, alert, now)]
        ids: list[int] = []
        if outcome.transitions or stale:
            async with self._db.begin() as session:
                ids = await episodes.write(session, outcome.transitions, stale, self._known)
        for held, alert in refreshed:
            held.alert = alert
        for held, _ in stale:
            held.written_at = now
        for change, row_id in zip(outcome.transitions, ids, strict=True):
            self._follow(change, row_id)
        if outcome.transitions:
            self._inhibits = None
            self._on_change()

    def _follow(self, change: Transition, row_id: int) -> None:
        alert = change.alert
        if alert is None:
            self._release(change.fingerprint)
            return
        log.info(
            "an alert changed",
            extra={"alert": repr(alert.labels), "before": change.before, "after": alert.state, "reason": change.reason},
        )
        held = self._open.get(alert.labels)
        if held is None:
            held = Held(row_id, alert, change.fingerprint, change.at)
        held.alert, held.written_at = alert, change.at
        if alert.state is AlertState.RESOLVED:
            self._end(held, change)
            return
        self._hold(held)
        if alert.state is AlertState.FIRING:
            self._groups.place(held)

    def _end(self, held: Held, change: Transition) -> None:
        if change.before is None:  # posted as over
            self._groups.place(held)
        else:
            self._release(change.fingerprint)
        if held.alert.ends_at is not None:
            self._posts.remember(held.alert, change.at)

    def _known(self, change: Transition) -> Held:
        return self._open[self._labels[change.fingerprint]]

    def _hold(self, held: Held) -> None:
        self._open[held.alert.labels] = held
        self._labels[held.fingerprint] = held.alert.labels
        self._scopes.setdefault(held.alert.scope, {})[held.alert.labels] = held

    def _release(self, fingerprint: str) -> None:
        labels = self._labels.pop(fingerprint)
        held = self._open.pop(labels)
        del self._scopes[held.alert.scope][labels]

    async def _flush(self, plans: Sequence[Plan], now: datetime) -> None:
        """Commit the plans together; where one cannot be written, one by one, so that only the guilty waits for the next time."""
        try:
            await self._flush_together(plans, now)
        except (DataError, IntegrityError, ValueError, TypeError):
            if len(plans) == 1:
                log.exception("an alert group could not be told and will be tried again", extra={"group": plans[0].group.key})
                return
            for one in plans:
                await self._flush([one], now)

    async def _flush_together(self, plans: Sequence[Plan], now: datetime) -> None:
        if any(one.decision or one.group.incident_id is not None for one in plans):
            async with self._db.begin() as session:
                done = [await flush.write(session, one, self._groups, now) for one in plans]
        else:
            done = [flush.unwritten(one) for one in plans]
        for one in done:
            flush.apply(one, self._groups, now)
            _tell(one)
        if any(one.plan.decision or one.closed for one in done):
            self._on_change()

    async def _load(self) -> None:
        groups = Groups(build(self._settings))
        async with self._db.begin() as session:
            timeout, now = self._settings.global_.resolve_timeout, self._clock.now()
            found = await db.alerts.open_alerts(session)
            open_alerts = [_held(row_id, prolonged(alert, now, timeout)) for row_id, alert in found]
            told = await db.incidents.told_groups(session)
            let_go: dict[int, set[Labels]] = {}
            for row_id, labels in await db.alerts.let_go(session):
                let_go.setdefault(row_id, set()).add(labels)
            for held in open_alerts:
                held.let_go = frozenset(let_go.get(held.id, ()))
            heard = {(row.incident_id, fingerprint) for row in told for fingerprint in row.firing}
            for incident_id, row_id, alert in await db.alerts.resolved_of_open_incidents(session):
                held = _held(row_id, alert)
                if (incident_id, held.fingerprint) in heard:
                    groups.place(held)
            for held in open_alerts:
                if held.alert.state is AlertState.FIRING:
                    groups.place(held)
            for handled in await db.incidents.open_handled(session):
                groups.handle(handled.group_labels, handled.handling, now)
            lost = [row for row in told if not flush.restore(row, groups)]
            await db.incidents.delete_groups(session, [row.key for row in lost])
            await db.incidents.close_orphans(session, {group.labels for group in groups}, self._clock.now())
        self._open, self._scopes, self._labels, self._groups, self._inhibits = {}, {}, {}, groups, None
        for held in open_alerts:
            self._hold(held)

    def _inhibitor(self) -> Inhibitor:
        """Kept until an alert changes: it looks at every firing one."""
        if self._inhibits is None:
            firing = (held.alert.labels for held in self._open.values() if held.alert.state is AlertState.FIRING)
            self._inhibits = Inhibitor(self._settings.inhibit_rules, firing)
        return self._inhibits

    def _inhibited(self, labels: Labels, now: datetime) -> tuple[str, ...]:
        source = self._inhibitor().source_of(labels)
        return () if source is None else (self._open[source].fingerprint,)

    @asynccontextmanager
    async def standing_still(self) -> AsyncIterator[Groups]:
        """The groups, of which nothing changes meanwhile but what who asks for them changes, after it has committed it."""
        async with self._lock:
            yield self._groups

    def integrations(self, group: Group) -> Sequence[Integration]:
        return self._receivers.get(group.route.receiver, ())

    def _count(self) -> None:
        states = [held.alert.state for held in self._open.values()]
        for state in (AlertState.PENDING, AlertState.FIRING):
            self._telemetry.alerts.labels(state.value).set(states.count(state))
        incidents = {group.incident_id for group in self._groups if group.incident_id is not None}
        self._telemetry.incidents_open.set(len(incidents))


def _held(row_id: int, alert: Alert) -> Held:
    return Held(row_id, alert, alert.fingerprint, alert.fired_at or alert.active_at)


def _worth_writing(held: Held, alert: Alert, now: datetime) -> bool:
    """A posted alert's end is on disk before its sender hears that it was taken."""
    return alert.ends_at is not None or alert.absent_since != held.alert.absent_since or now - held.written_at >= REFRESH


def _tell(done: flush.Flushed) -> None:
    if done.opened and done.incident_id is not None and done.plan.decision:
        log.info("an incident opened", extra={"incident": done.incident_id, "group": done.plan.group.key})
    if done.closed:
        log.info("an incident closed", extra={"incident": done.incident_id, "group": done.plan.group.key})
