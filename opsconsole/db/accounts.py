"""People, their sessions, and the console's own small settings."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from opsconsole.db.base import BigId, Session, UtcTime, metadata

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("password_hash", sa.Text, nullable=False),  # argon2id
    sa.Column("role", sa.String(10), nullable=False),  # viewer, operator, admin
    sa.Column("created_at", UtcTime, nullable=False),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),  # SHA-256 of the cookie
    sa.Column("user_id", BigId, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("csrf", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False, index=True),
)

settings = sa.Table(
    "settings",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # e.g. the signing secret made at first start
    sa.Column("value", sa.Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A living session and whose it is."""

    user: str
    role: str
    csrf: str
    created_at: datetime
    expires_at: datetime


async def count_users(session: Session) -> int:
    return (await session.execute(sa.select(sa.func.count()).select_from(users))).scalar_one()


async def add_user(session: Session, name: str, password_hash: str, role: str, now: datetime) -> int:
    """Raises IntegrityError where the name is taken."""
    row = users.insert().values(name=name, password_hash=password_hash, role=role, created_at=now).returning(users.c.id)
    return int((await session.execute(row)).scalar_one())


async def credentials(session: Session, name: str) -> tuple[int, str] | None:
    """The id and the password's hash of a user."""
    row = (await session.execute(sa.select(users.c.id, users.c.password_hash).where(users.c.name == name))).first()
    return (row.id, row.password_hash) if row else None


async def open_session(session: Session, token_hash: str, user_id: int, csrf: str, now: datetime, expires_at: datetime) -> None:
    await session.execute(sessions.delete().where(sessions.c.expires_at <= now))
    await session.execute(
        sessions.insert().values(token_hash=token_hash, user_id=user_id, csrf=csrf, created_at=now, expires_at=expires_at)
    )


async def living_session(session: Session, token_hash: str, now: datetime) -> SignedIn | None:
    query = (
        sa.select(users.c.name, users.c.role, sessions.c.csrf, sessions.c.created_at, sessions.c.expires_at)
        .join(users, users.c.id == sessions.c.user_id)
        .where(sessions.c.token_hash == token_hash, sessions.c.expires_at > now)
    )
    row = (await session.execute(query)).first()
    return SignedIn(*row) if row else None


async def extend_session(session: Session, token_hash: str, expires_at: datetime) -> None:
    await session.execute(sessions.update().where(sessions.c.token_hash == token_hash).values(expires_at=expires_at))


async def end_session(session: Session, token_hash: str) -> None:
    await session.execute(sessions.delete().where(sessions.c.token_hash == token_hash))
