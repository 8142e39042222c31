"""Heartbeat checks and their pings."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from opsconsole.db.base import BigId, Json, Session, UtcTime, metadata
from opsconsole.db.rows import batches

Kept = tuple[Any, ...]
KEPT_PINGS = 1000
"""How many of a check's newest pings are kept."""

checks = sa.Table(
    "checks",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("uuid", sa.String(36), nullable=False, unique=True),
    sa.Column("slug", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("deployment", sa.Text, nullable=False, default=""),
    sa.Column("tags", Json, nullable=False),
    sa.Column("origin", sa.String(10), nullable=False),  # config, api, ping
    sa.Column("period", sa.Float),  # seconds; null where `schedule` says when
    sa.Column("schedule", sa.Text),  # cron
    sa.Column("timezone", sa.Text, nullable=False, default="UTC"),
    sa.Column("grace", sa.Float, nullable=False),  # seconds
    sa.Column("paused", sa.Boolean, nullable=False, default=False),
    sa.Column("created_at", UtcTime, nullable=False),  # or when it came back into the configuration
    sa.Column("retired_at", UtcTime),  # when it left the configuration: no state, no pings, its history kept
    # Denormalised from the newest pings, so that states need no join:
    sa.Column("pings", sa.Integer, nullable=False, default=0),
    sa.Column("last_ping_at", UtcTime),  # success or fail
    sa.Column("last_success_at", UtcTime),
    sa.Column("last_fail_at", UtcTime),
    sa.Column("last_start_at", UtcTime),  # null once the run it began has ended
    sa.Column("last_start_rid", sa.String(36)),
    sa.Column("last_kind", sa.String(10)),  # of the ping at `last_ping_at`
    sa.Column("last_duration", sa.Float),  # seconds, start to success or fail
    sa.Column("last_remote", sa.Text),
    sa.Column("down_since", UtcTime),  # a fail, or a missed deadline that a later start must not hide; ended by success
)

pings = sa.Table(
    "pings",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("check_id", BigId, sa.ForeignKey("checks.id", ondelete="CASCADE"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),  # 1, 2, 3 … without gaps
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("kind", sa.String(10), nullable=False),  # success, start, fail, log
    sa.Column("exit_status", sa.Integer),
    sa.Column("rid", sa.String(36)),
    sa.Column("duration", sa.Float),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("remote", sa.Text, nullable=False, default=""),
    sa.Column("user_agent", sa.Text, nullable=False, default=""),
    sa.Column("body", sa.LargeBinary),
    sa.UniqueConstraint("check_id", "number"),
)

listening = sa.Table(
    "listening",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),  # always 1
    sa.Column("until", UtcTime, nullable=False),  # the console surely heard pings up to here
    sa.Column("away_from", UtcTime),  # its last absence
    sa.Column("away_to", UtcTime),
)


@dataclass(frozen=True, slots=True)
class Check:
    """A check as its row has it."""

    id: int
    uuid: str
    slug: str
    name: str
    deployment: str
    tags: tuple[str, ...]
    period: timedelta | None
    schedule: str | None
    timezone: str
    grace: timedelta
    created_at: datetime
    paused: bool = False
    pings: int = 0
    last_ping_at: datetime | None = None
    last_success_at: datetime | None = None
    last_fail_at: datetime | None = None
    last_start_at: datetime | None = None
    last_start_rid: str | None = None
    last_kind: str | None = None
    last_duration: timedelta | None = None
    last_remote: str | None = None
    down_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    """One ping as it arrived; `number` is given when it is recorded."""

    at: datetime
    kind: str
    method: str
    remote: str = ""
    user_agent: str = ""
    exit_status: int | None = None
    rid: str | None = None
    duration: timedelta | None = None
    body: bytes = b""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Away:
    """The last time during which no console listened."""

    start: datetime
    end: datetime


async def all_checks(session: Session) -> list[Check]:
    """Every check that is in use, by slug."""
    rows = await session.execute(sa.select(checks).where(checks.c.retired_at.is_(None)).order_by(checks.c.slug))
    return [_check(row._mapping) for row in rows]


async def checks_by_id(session: Session, ids: Collection[int]) -> dict[int, Check]:
    """Those of them that are in use."""
    found: dict[int, Check] = {}
    for some in batches(ids):
        query = sa.select(checks).where(checks.c.id.in_(some), checks.c.retired_at.is_(None))
        found |= {row.id: _check(row._mapping) for row in await session.execute(query)}
    return found


async def kept_checks(session: Session) -> dict[int, Kept]:
    """Every check that is in use by id, in order of slug, as the database keeps it: to tell in a hurry whether it changed."""
    query = sa.select(*_KEPT).where(checks.c.retired_at.is_(None)).order_by(checks.c.slug)
    return {row[0]: tuple(row) for row in await session.execute(query)}


def _kept(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    kinds: dict[type[Any], Any] = {UtcTime: sa.BigInteger, sa.JSON: sa.Text, sa.Boolean: sa.Integer}
    return sa.type_coerce(column, kinds.get(type(column.type), column.type))


_KEPT = tuple(_kept(column) for column in checks.c)


async def by_uuid(session: Session, code: str) -> Check | None:
    """The check, its row locked until the transaction ends."""
    return await _found(session, checks.c.uuid == code)


async def by_slug(session: Session, slug: str) -> Check | None:
    """The check, its row locked until the transaction ends."""
    return await _found(session, checks.c.slug == slug)


async def _found(session: Session, condition: sa.ColumnElement[bool]) -> Check | None:
    query = sa.select(checks).where(condition, checks.c.retired_at.is_(None)).with_for_update()
    row = (await session.execute(query)).first()
    return _check(row._mapping) if row else None


async def record(session: Session, check: Check, ping: Ping) -> None:
    """Keep `ping`, and what it made of its check; `check.pings` is the ping's number."""
    changed = {
        name: getattr(check, name)
        for name in ("paused", "pings", "last_ping_at", "last_success_at", "last_fail_at", "last_start_at", "last_start_rid")
    }
    changed |= {"last_kind": check.last_kind, "last_remote": check.last_remote, "down_since": check.down_since}
    changed |= {"last_duration": _seconds(check.last_duration)}
    await session.execute(checks.update().where(checks.c.id == check.id).values(changed))
    await session.execute(
        pings.insert().values(
            check_id=check.id,
            number=check.pings,
            at=ping.at,
            kind=ping.kind,
            exit_status=ping.exit_status,
            rid=ping.rid,
            duration=_seconds(ping.duration),
            method=ping.method,
            remote=ping.remote,
            user_agent=ping.user_agent,
            body=ping.body or None,
        )
    )
    if check.pings % 100 == 0:
        await session.execute(pings.delete().where(pings.c.check_id == check.id, pings.c.number <= check.pings - KEPT_PINGS))


async def start_of(session: Session, check_id: int, rid: str, since: datetime) -> datetime | None:
    """When the run `rid` began, if that run has not ended yet."""
    query = (
        sa.select(pings.c.kind, pings.c.at)
        .where(pings.c.check_id == check_id, pings.c.rid == rid, pings.c.at >= since, pings.c.kind != "log")
        .order_by(pings.c.number.desc())
        .limit(1)
    )
    row = (await session.execute(query)).first()
    return row.at if row and row.kind == "start" else None


async def fail_at(session: Session, check_id: int, at: datetime) -> Ping | None:
    """The fail that came at `at`."""
    query = sa.select(pings).where(pings.c.check_id == check_id, pings.c.at == at, pings.c.kind == "fail").limit(1)
    row = (await session.execute(query)).first()
    return _ping(row._mapping) if row else None


async def recent_pings(session: Session, check_id: int, limit: int = 100) -> list[Ping]:
    """A check's newest pings, newest first."""
    query = sa.select(pings).where(pings.c.check_id == check_id).order_by(pings.c.number.desc()).limit(limit)
    return [_ping(row._mapping) for row in await session.execute(query)]


async def upsert_configured(session: Session, wanted: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Make the checks of the configuration be exactly `wanted` (rows by slug).

    One that left is retired, not deleted: it keeps its uuid and its pings, should it come back. One that comes back
    counts its deadlines from now on.
    """
    known = {row.slug: row for row in await session.execute(sa.select(checks.c.slug, checks.c.origin, checks.c.retired_at))}
    for values in wanted:
        before = known.get(values["slug"])
        if before is None:
            new = {"uuid": str(uuid.uuid4()), "created_at": now, "paused": False, "pings": 0}
            await session.execute(checks.insert().values(**values, **new, origin="config"))
            continue
        back = {"created_at": now, "retired_at": None, "down_since": None, "last_start_at": None} if before.retired_at else {}
        await session.execute(checks.update().where(checks.c.slug == values["slug"]).values(**values, **back, origin="config"))
    kept = {values["slug"] for values in wanted}
    gone = [row.slug for row in known.values() if row.origin == "config" and row.slug not in kept and row.retired_at is None]
    if gone:
        await session.execute(checks.update().where(checks.c.slug.in_(gone)).values(retired_at=now))


async def came_back(session: Session, now: datetime) -> Away | None:
    """Note that the console listens again, and since when it had not."""
    row = (await session.execute(sa.select(listening.c.until).with_for_update())).first()
    if row is None:
        await session.execute(listening.insert().values(id=1, until=now))
        return None
    away = Away(min(row.until, now), now)
    await session.execute(listening.update().values(until=now, away_from=away.start, away_to=away.end))
    return away


async def listened(session: Session, now: datetime) -> None:
    """Note that pings were heard up to `now`."""
    await session.execute(listening.update().where(listening.c.until < now).values(until=now))


async def last_away(session: Session) -> Away | None:
    row = (await session.execute(sa.select(listening.c.away_from, listening.c.away_to))).first()
    return Away(row.away_from, row.away_to) if row and row.away_from else None


def _check(row: Mapping[Any, Any]) -> Check:
    same = {name: row[name] for name in Check.__slots__ if name not in ("period", "grace", "last_duration", "tags")}
    return Check(
        **same,
        tags=tuple(row["tags"]),
        period=_delta(row["period"]),
        grace=timedelta(seconds=row["grace"]),
        last_duration=_delta(row["last_duration"]),
    )


def _ping(row: Mapping[Any, Any]) -> Ping:
    same = {name: row[name] for name in Ping.__slots__ if name not in ("duration", "body")}
    return Ping(**same, duration=_delta(row["duration"]), body=bytes(row["body"] or b""))


def _delta(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()
