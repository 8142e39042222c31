"""What is owed to receivers, every attempt to deliver it, and where the incident's message stands at the far end."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from opsconsole.db.base import BigId, Json, Session, UtcTime, metadata
from opsconsole.db.incidents import incidents
from opsconsole.model import Alert, AlertState, Handling, Labels, Notification, Occasion

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),  # idempotency key
    sa.Column("incident_id", BigId, sa.ForeignKey("incidents.id", ondelete="CASCADE"), index=True),  # null: a storm's summary
    sa.Column("storm_id", BigId, index=True),  # the storm whose summary speaks for this row, or is this row
    sa.Column("receiver", sa.Text, nullable=False),
    sa.Column("integration", sa.Text, nullable=False),  # slack, email, webhook, apprise[0] …
    sa.Column("occasion", sa.String(10), nullable=False),
    sa.Column("payload", Json, nullable=False),  # the notification
    sa.Column("state", sa.String(10), nullable=False),  # owed, sent, failed, superseded, folded
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("due_at", UtcTime, nullable=False),  # when to try next
    sa.Column("claimed_until", UtcTime),  # a worker has it; past this time it is free again
    sa.Column("finished_at", UtcTime),
    sa.Index("ix_outbox_state_due_at", "state", "due_at"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("outbox_id", BigId, sa.ForeignKey("outbox.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("at", UtcTime, nullable=False, index=True),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("outcome", sa.String(10), nullable=False),  # delivered, retry, permanent
    sa.Column("answer", sa.Text, nullable=False, default=""),
)

threads = sa.Table(
    "threads",
    metadata,
    sa.Column("incident_id", BigId, sa.ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("receiver", sa.Text, primary_key=True),
    sa.Column("integration", sa.Text, primary_key=True),
    sa.Column("reference", Json, nullable=False),  # Slack: channel and ts; e-mail: Message-ID of the first message
)


_HEARD = ("owed", "sent", "folded")
"""States of rows whose receiver was told, or will be."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A notification that one integration of its receiver is owed."""

    id: int
    key: str
    integration: str
    notification: Notification
    attempts: int
    created_at: datetime
    due_at: datetime
    claimed_until: datetime | None
    storm_id: int | None = None

    @property
    def perhaps_sent(self) -> bool:
        """Whether somebody tried before: a crash or a time-out may have hidden that it arrived."""
        return self.attempts > 0 or self.claimed_until is not None


@dataclass(frozen=True, slots=True)
class Waiting:
    """An incident of which an integration has something to send now.

    `rank` is 0 for critical and grows; `threaded`: it has a message of its own at the far end; `told`: it was told by itself;
    `resolved`: the news is its end; `storm_id`: the newest storm that spoke for it.
    """

    incident_id: int
    rank: int
    threaded: bool
    told: bool
    resolved: bool
    storm_id: int | None


async def owe(
    session: Session, integration: str, notifications: Iterable[Notification], due_at: datetime, storm_id: int | None = None
) -> None:
    """Owe notifications; one whose key is owed or was sent already is the same one, and is left alone."""
    rows = [
        {
            "key": f"{notification.key}/{notification.receiver}/{integration}",
            "incident_id": notification.incident_id or None,
            "storm_id": storm_id,
            "receiver": notification.receiver,
            "integration": integration,
            "occasion": notification.occasion,
            "payload": as_payload(notification),
            "state": "owed",
            "attempts": 0,
            "created_at": notification.at,
            "due_at": due_at,
        }
        for notification in notifications
    ]
    if rows:
        make = sqlite.insert if session.dialect.name == "sqlite" else postgresql.insert
        await session.execute(make(outbox).on_conflict_do_nothing(index_elements=[outbox.c.key]), rows)


async def due_lanes(session: Session, now: datetime) -> list[tuple[str, str]]:
    """(receiver, integration) pairs that have something to send now."""
    query = (
        sa.select(outbox.c.receiver, outbox.c.integration)
        .where(outbox.c.state == "owed", outbox.c.due_at <= now, free(now))
        .distinct()
    )
    return [(row.receiver, row.integration) for row in await session.execute(query)]


async def waiting(session: Session, receiver: str, integration: str, now: datetime, most: int) -> list[Waiting]:
    """The incidents of which one integration has something to send now and nothing under way: the worst first, and of one
    severity those that have waited longest."""
    of = outbox.c.incident_id
    rank = sa.func.min(sa.case({"critical": 0, "high": 1, "warning": 2}, value=incidents.c.severity, else_=3))
    query = (
        sa.select(of, rank, sa.func.max(sa.case((outbox.c.occasion == Occasion.RESOLVED, 1), else_=0)))
        .join(incidents, incidents.c.id == of)
        .where(*owed_to(receiver, integration))
        .group_by(of)
        .having(
            sa.func.min(outbox.c.due_at) <= now,
            sa.or_(sa.func.max(outbox.c.claimed_until).is_(None), sa.func.max(outbox.c.claimed_until) <= now),
        )
        .order_by(rank, sa.func.min(outbox.c.id))
        .limit(most)
    )
    due = (await session.execute(query)).all()
    known = await _told_before(session, receiver, integration, [row[0] for row in due])
    return [Waiting(row[0], row[1], *known[row[0]][:2], bool(row[2]), known[row[0]][2]) for row in due]


async def _told_before(
    session: Session, receiver: str, integration: str, ids: Sequence[int]
) -> dict[int, tuple[bool, bool, int | None]]:
    """Of each incident: whether it has a message at the far end, whether it was told by itself, and its newest storm."""
    lane_of = outbox.c.receiver == receiver, outbox.c.integration == integration
    threads_of = threads.c.receiver == receiver, threads.c.integration == integration
    threaded: set[int] = set()
    told: dict[int, tuple[bool, int | None]] = {}
    for start in range(0, len(ids), 500):
        chunk = ids[start : start + 500]
        found = sa.select(threads.c.incident_id).where(threads.c.incident_id.in_(chunk), *threads_of)
        threaded.update((await session.scalars(found)).all())
        sent = sa.func.max(sa.case((outbox.c.state == "sent", 1), else_=0))
        query = sa.select(outbox.c.incident_id, sent, sa.func.max(outbox.c.storm_id)).where(
            outbox.c.incident_id.in_(chunk), *lane_of, outbox.c.state != "owed"
        )
        for incident_id, by_itself, storm_id in await session.execute(query.group_by(outbox.c.incident_id)):
            told[incident_id] = bool(by_itself), storm_id
    return {one: (one in threaded, *told.get(one, (False, None))) for one in ids}


async def lane(
    session: Session, receiver: str, integration: str, incidents: Collection[int] | None = None, most: int = 500
) -> list[Owed]:
    """What one integration is owed (of some incidents), oldest first, claimed rows included."""
    query = sa.select(outbox).where(*owed_to(receiver, integration)).order_by(outbox.c.id).limit(most)
    if incidents is not None:
        query = query.where(outbox.c.incident_id.in_(incidents))
    return [as_owed(row) for row in await session.execute(query)]


def as_owed(row: Any) -> Owed:
    """A row of the outbox."""
    return Owed(
        row.id,
        row.key,
        row.integration,
        from_payload(row.payload),
        row.attempts,
        row.created_at,
        row.due_at,
        row.claimed_until,
        row.storm_id,
    )


async def claim(session: Session, owed: Owed, now: datetime, until: datetime) -> bool:
    """Take a row until then (with `owed`'s own notification and attempts); False where somebody else was quicker."""
    done = await session.execute(
        sa.update(outbox)
        .where(outbox.c.id == owed.id, outbox.c.state == "owed", free(now))
        .values(
            claimed_until=until,
            payload=as_payload(owed.notification),
            occasion=owed.notification.occasion,
            attempts=owed.attempts,
            due_at=owed.due_at,
        )
    )
    return bool(done.rowcount == 1)


async def supersede(session: Session, ids: Sequence[int], now: datetime) -> bool:
    """Let a newer row speak for these; False where somebody else has one of them."""
    done = await session.execute(
        sa.update(outbox)
        .where(outbox.c.id.in_(ids), outbox.c.state == "owed", free(now))
        .values(state="superseded", finished_at=now, claimed_until=None)
    )
    return bool(done.rowcount == len(ids))


async def release(session: Session, ids: Sequence[int]) -> None:
    """Give claimed rows back unsent."""
    if ids:
        await session.execute(sa.update(outbox).where(outbox.c.id.in_(ids), outbox.c.state == "owed").values(claimed_until=None))


async def record_attempt(session: Session, outbox_id: int, at: datetime, seconds: float, outcome: str, answer: str) -> None:
    await session.execute(sa.insert(attempts).values(outbox_id=outbox_id, at=at, seconds=seconds, outcome=outcome, answer=answer))


async def finish(session: Session, outbox_id: int, at: datetime, state: str) -> None:
    await session.execute(
        sa.update(outbox)
        .where(outbox.c.id == outbox_id)
        .values(state=state, finished_at=at, claimed_until=None, attempts=outbox.c.attempts + 1)
    )


async def postpone(session: Session, outbox_id: int, due_at: datetime) -> None:
    """Try again then."""
    await session.execute(
        sa.update(outbox)
        .where(outbox.c.id == outbox_id)
        .values(due_at=due_at, claimed_until=None, attempts=outbox.c.attempts + 1)
    )


async def thread(session: Session, incident_id: int, receiver: str, integration: str) -> dict[str, Any] | None:
    """Where the incident's message stands at the far end, if it was ever sent."""
    reference: dict[str, Any] | None = await session.scalar(
        sa.select(threads.c.reference).where(
            threads.c.incident_id == incident_id,
            threads.c.receiver == receiver,
            threads.c.integration == integration,
        )
    )
    return reference


async def keep_thread(session: Session, incident_id: int, receiver: str, integration: str, reference: Mapping[str, Any]) -> None:
    make = sqlite.insert if session.dialect.name == "sqlite" else postgresql.insert
    await session.execute(
        make(threads)
        .values(incident_id=incident_id, receiver=receiver, integration=integration, reference=dict(reference))
        .on_conflict_do_update(
            index_elements=[threads.c.incident_id, threads.c.receiver, threads.c.integration],
            set_={"reference": dict(reference)},
        )
    )


async def was_told(session: Session, incident_id: int, receiver: str) -> bool:
    """Whether the receiver was told, or is owed, anything of the incident."""
    query = sa.select(sa.literal(1)).where(
        outbox.c.incident_id == incident_id, outbox.c.receiver == receiver, outbox.c.state.in_(_HEARD)
    )
    return await session.scalar(query.limit(1)) is not None


async def told_of(session: Session, incident_ids: Sequence[int], receiver: str) -> list[int]:
    """Those of the incidents of which the receiver was told, or is owed, anything."""
    found: set[int] = set()
    for start in range(0, len(incident_ids), 500):
        chunk = incident_ids[start : start + 500]
        query = sa.select(outbox.c.incident_id).where(
            outbox.c.incident_id.in_(chunk), outbox.c.receiver == receiver, outbox.c.state.in_(_HEARD)
        )
        found.update((await session.scalars(query.distinct())).all())
    return sorted(found)


async def last_outcome(session: Session, receiver: str, integration: str) -> tuple[str, int]:
    """How an integration's last attempt came out, and which of its row's it was; an empty word where there was none."""
    query = (
        sa.select(attempts.c.outcome, outbox.c.attempts)
        .join(outbox, outbox.c.id == attempts.c.outbox_id)
        .where(outbox.c.receiver == receiver, outbox.c.integration == integration)
        .order_by(attempts.c.id.desc())
        .limit(1)
    )
    row = (await session.execute(query)).one_or_none()
    return ("", 0) if row is None else (row.outcome, row.attempts)


async def owed_about(session: Session, alertname: str, most: int = 100) -> list[Owed]:
    """What is owed of incidents whose group has this alert's name, oldest first."""
    named = incidents.c.group_labels["alertname"].as_string() == alertname
    query = (
        sa.select(outbox)
        .join(incidents, incidents.c.id == outbox.c.incident_id)
        .where(outbox.c.state == "owed", named)
        .order_by(outbox.c.id)
        .limit(most)
    )
    return [as_owed(row) for row in await session.execute(query)]


async def depth(session: Session) -> tuple[int, datetime | None]:
    """How many notifications are owed, and when the oldest was written."""
    row = (
        await session.execute(
            sa.select(sa.func.count(), sa.type_coerce(sa.func.min(outbox.c.created_at), UtcTime)).where(outbox.c.state == "owed")
        )
    ).one()
    return row[0], row[1]


def owed_to(receiver: str, integration: str) -> tuple[sa.ColumnElement[bool], ...]:
    """What an integration of a receiver still has to send."""
    return outbox.c.state == "owed", outbox.c.receiver == receiver, outbox.c.integration == integration


def free(now: datetime) -> sa.ColumnElement[bool]:
    """What nobody is sending."""
    return sa.or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until <= now)


def as_payload(notification: Notification) -> dict[str, Any]:
    """The notification as JSON."""
    return {
        "key": notification.key,
        "incident_id": notification.incident_id,
        "receiver": notification.receiver,
        "group_labels": dict(notification.group_labels),
        "group_key": notification.group_key,
        "occasion": notification.occasion,
        "at": notification.at.isoformat(),
        "opened_at": notification.opened_at.isoformat(),
        "closed_at": notification.closed_at.isoformat() if notification.closed_at else None,
        "firing": [_from_alert(alert) for alert in notification.firing],
        "resolved": [_from_alert(alert) for alert in notification.resolved],
        "handling": _from_handling(notification.handling),
        "news": notification.news,
    }


def from_payload(payload: Mapping[str, Any]) -> Notification:
    """And back."""
    return Notification(
        key=payload["key"],
        incident_id=payload["incident_id"],
        receiver=payload["receiver"],
        group_labels=Labels(payload["group_labels"]),
        group_key=payload["group_key"],
        occasion=Occasion(payload["occasion"]),
        at=datetime.fromisoformat(payload["at"]),
        opened_at=datetime.fromisoformat(payload["opened_at"]),
        closed_at=_time(payload["closed_at"]),
        firing=tuple(_to_alert(alert) for alert in payload["firing"]),
        resolved=tuple(_to_alert(alert) for alert in payload["resolved"]),
        handling=_to_handling(payload.get("handling") or {}),
        news=payload.get("news", ""),
    )


def _from_handling(handling: Handling) -> dict[str, Any]:
    times = {name: getattr(handling, name) for name in ("acknowledged_at", "snoozed_until")}
    return {
        "acknowledged_by": handling.acknowledged_by,
        "assignee": handling.assignee,
        **{name: time.isoformat() if time else None for name, time in times.items()},
    }


def _to_handling(row: Mapping[str, Any]) -> Handling:
    """What was owed by an earlier version says nothing of it."""
    return Handling(
        _time(row.get("acknowledged_at")),
        row.get("acknowledged_by", ""),
        row.get("assignee", ""),
        _time(row.get("snoozed_until")),
    )


def _from_alert(alert: Alert) -> dict[str, Any]:
    times = {name: getattr(alert, name) for name in ("active_at", "fired_at", "absent_since", "resolved_at", "ends_at")}
    return {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "scope": alert.scope,
        "state": alert.state,
        "value": alert.value if alert.value is None or math.isfinite(alert.value) else str(alert.value),
        "keep_firing_for": alert.keep_firing_for.total_seconds(),
        "generator_url": alert.generator_url,
        **{name: time.isoformat() if time else None for name, time in times.items()},
    }


def _to_alert(row: Mapping[str, Any]) -> Alert:
    return Alert(
        labels=Labels(row["labels"]),
        scope=row["scope"],
        state=AlertState(row["state"]),
        active_at=datetime.fromisoformat(row["active_at"]),
        annotations=row["annotations"],
        value=None if row["value"] is None else float(row["value"]),
        keep_firing_for=timedelta(seconds=row["keep_firing_for"]),
        fired_at=_time(row["fired_at"]),
        absent_since=_time(row["absent_since"]),
        resolved_at=_time(row["resolved_at"]),
        ends_at=_time(row.get("ends_at")),
        generator_url=row.get("generator_url", ""),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
