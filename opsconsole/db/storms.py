"""Storms: more incidents than a receiver may be told one by one, which it is told of in one summary that is kept up to date.

Which incidents a storm speaks for is in the outbox: the rows that were folded into it carry its id.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import sqlalchemy as sa

from opsconsole.db import outbox as box
from opsconsole.db.base import BigId, Json, Session, UtcTime, metadata
from opsconsole.db.incidents import incidents
from opsconsole.db.outbox import Owed, outbox
from opsconsole.model import Labels, Notification, Occasion

storms = sa.Table(
    "storms",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("receiver", sa.Text, nullable=False),
    sa.Column("integration", sa.Text, nullable=False),
    sa.Column("began_at", UtcTime, nullable=False),
    sa.Column("last_at", UtcTime, nullable=False, index=True),  # when something was last folded into it
    sa.Column("told_at", UtcTime),  # when its summary was last delivered
    sa.Column("ended_at", UtcTime),  # all its incidents are over, and that was told
    sa.Column("reference", Json),  # where the summary stands at the far end
    sa.Column("summaries", sa.Integer, nullable=False, default=0),  # owed so far; part of the idempotency key
)

LABELS = Labels(alertname="OpsConsoleStorm")
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Picture:
    """How a storm stands: its incidents, the open ones, and how many there are of each, the most frequent first."""

    began_at: datetime
    last_at: datetime
    told_at: datetime | None
    reference: Mapping[str, Any] | None
    incidents: int
    open: int
    worst: tuple[str, ...]
    severities: tuple[tuple[str, int], ...]
    deployments: tuple[tuple[str, int], ...]
    alertnames: tuple[tuple[str, int], ...]


async def current(session: Session, receiver: str, integration: str, since: datetime) -> tuple[int, datetime] | None:
    """The lane's storm into which something was folded since then, and when it last was."""
    query = (
        sa.select(storms.c.id, storms.c.last_at)
        .where(
            storms.c.receiver == receiver,
            storms.c.integration == integration,
            storms.c.last_at >= since,
            storms.c.ended_at.is_(None),
        )
        .order_by(storms.c.id.desc())
        .limit(1)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row.id, row.last_at)


async def begin(session: Session, receiver: str, integration: str, now: datetime) -> int:
    made = await session.execute(
        sa.insert(storms).values(receiver=receiver, integration=integration, began_at=now, last_at=now, summaries=0)
    )
    assert made.inserted_primary_key is not None
    return int(made.inserted_primary_key.id)


async def fold(session: Session, storm_id: int, receiver: str, integration: str, ids: Sequence[int], now: datetime) -> int:
    """Let the storm speak for what is owed of these incidents; answers how many rows that were."""
    folded = 0
    for chunk in _chunks(ids):
        done = await session.execute(
            sa.update(outbox)
            .where(*box.owed_to(receiver, integration), box.free(now), outbox.c.incident_id.in_(chunk))
            .values(state="folded", storm_id=storm_id, finished_at=now, claimed_until=None)
        )
        folded += done.rowcount
    await session.execute(sa.update(storms).where(storms.c.id == storm_id).values(last_at=now, ended_at=None))
    return folded


async def speaking_for(session: Session, receiver: str, integration: str, ids: Collection[int]) -> set[int]:
    """The lane's storms that speak for any of these incidents."""
    found: set[int] = set()
    for chunk in _chunks(list(ids)):
        query = sa.select(outbox.c.storm_id).where(
            outbox.c.incident_id.in_(chunk),
            outbox.c.receiver == receiver,
            outbox.c.integration == integration,
            outbox.c.storm_id.is_not(None),
        )
        found.update((await session.scalars(query.distinct())).all())
    return found


async def owe_summary(session: Session, storm_id: int, now: datetime, settle: timedelta, pace: timedelta) -> None:
    """Owe the storm's summary, `settle` from now and `pace` after the last one; what is owed and not under way is enough."""
    waits = sa.select(outbox.c.id).where(
        outbox.c.storm_id == storm_id, outbox.c.incident_id.is_(None), outbox.c.state == "owed", outbox.c.claimed_until.is_(None)
    )
    if await session.scalar(waits.limit(1)) is not None:
        return
    storm = (await session.execute(sa.select(storms).where(storms.c.id == storm_id))).one()
    due = now + settle if storm.told_at is None else max(now, storm.told_at + pace)
    key = f"storm/{storm_id}/{storm.summaries + 1}"
    summary = Notification(
        key=key,
        incident_id=0,
        receiver=storm.receiver,
        group_labels=LABELS,
        occasion=Occasion.SUMMARY,
        at=now,
        opened_at=storm.began_at,
        closed_at=None,
        firing=(),
        resolved=(),
        group_key=f"storm/{storm_id}",
    )
    await session.execute(sa.update(storms).where(storms.c.id == storm_id).values(summaries=storm.summaries + 1))
    await box.owe(session, storm.integration, [summary], due, storm_id)


async def due_summaries(session: Session, receiver: str, integration: str, now: datetime, most: int) -> list[Owed]:
    """Summaries to send now, oldest first."""
    query = (
        sa.select(outbox)
        .where(*box.owed_to(receiver, integration), box.free(now), outbox.c.due_at <= now, outbox.c.incident_id.is_(None))
        .order_by(outbox.c.id)
        .limit(most)
    )
    return [box.as_owed(row) for row in await session.execute(query)]


async def picture(session: Session, storm_id: int) -> Picture:
    """How the storm stands now."""
    storm = (await session.execute(sa.select(storms).where(storms.c.id == storm_id))).one()
    members = (
        sa.select(outbox.c.incident_id)
        .where(outbox.c.storm_id == storm_id, outbox.c.incident_id.is_not(None))
        .distinct()
        .scalar_subquery()
    )
    inside = incidents.c.id.in_(members)
    closed = sa.func.count(incidents.c.closed_at)
    total, over = (await session.execute(sa.select(sa.func.count(), closed).where(inside))).one()
    severities = await _counted(session, incidents.c.severity, inside)
    worst = await _counted(session, incidents.c.severity, sa.and_(inside, incidents.c.closed_at.is_(None)))
    return Picture(
        began_at=storm.began_at,
        last_at=storm.last_at,
        told_at=storm.told_at,
        reference=storm.reference,
        incidents=total,
        open=total - over,
        worst=tuple(name for name, _ in worst or severities),
        severities=severities,
        deployments=await _counted(session, incidents.c.deployment, inside),
        alertnames=await _counted(session, incidents.c.group_labels["alertname"].as_string(), inside),
    )


async def told(session: Session, storm_id: int, now: datetime, reference: Mapping[str, Any] | None, over: bool) -> None:
    """Its summary was delivered: what was escalated meanwhile has been told after all."""
    kept = {} if reference is None else {"reference": dict(reference)}
    ended = {"ended_at": now} if over else {}
    await session.execute(sa.update(storms).where(storms.c.id == storm_id).values(told_at=now, **kept, **ended))
    failed = outbox.c.state == "failed", outbox.c.incident_id.is_not(None)
    await session.execute(sa.update(outbox).where(outbox.c.storm_id == storm_id, *failed).values(state="folded"))


async def give_up(session: Session, storm_id: int, most: int = 200) -> list[Notification]:
    """Some of what the storm speaks for and its receiver does not take, marked as failed: it is for the fallback to tell."""
    query = (
        sa.select(outbox.c.id, outbox.c.payload)
        .where(outbox.c.storm_id == storm_id, outbox.c.state == "folded")
        .order_by(outbox.c.id)
        .limit(most)
    )
    rows = (await session.execute(query)).all()
    if rows:
        await session.execute(sa.update(outbox).where(outbox.c.id.in_([row.id for row in rows])).values(state="failed"))
    return [box.from_payload(row.payload) for row in rows]


async def prune(session: Session, before: datetime) -> None:
    """Forget storms into which nothing was folded since then, and their summaries."""
    old = sa.select(storms.c.id).where(storms.c.last_at < before)
    await session.execute(sa.delete(outbox).where(outbox.c.storm_id.in_(old), outbox.c.incident_id.is_(None)))
    await session.execute(sa.delete(storms).where(storms.c.last_at < before))


async def _counted(
    session: Session, what: sa.ColumnElement[Any], where: sa.ColumnElement[bool], most: int = 6
) -> tuple[tuple[str, int], ...]:
    count = sa.func.count().label("n")
    query = sa.select(what.label("name"), count).select_from(incidents).where(where).group_by("name")
    rows = await session.execute(query.order_by(count.desc(), "name").limit(most))
    return tuple((row.name, row.n) for row in rows if row.name)


def _chunks(ids: Sequence[int]) -> Iterator[list[int]]:
    rest = iter(ids)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk
