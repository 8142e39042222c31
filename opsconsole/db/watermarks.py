"""How far each feed of a deployment was read, and the two moments when the console first looked and first judged."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from opsconsole.db.base import Session, UtcTime, metadata
from opsconsole.db.rows import upsert

RUNS = "runs"
"""Up to when the runs, and with them their tries, were read."""
TASKS = "tasks"
RUNS_BACKFILL = "runs_backfill"
WATCHING = "watching"
"""When the console first looked at a deployment's runs; what ended before is history, not news."""
FIRST_JUDGED = "first_look"
"""The newest end that was recorded when failures were first judged; see `db.runs.first_judged`."""

watermarks = sa.Table(
    "watermarks",
    metadata,
    sa.Column("deployment", sa.Text, primary_key=True),
    sa.Column("feed", sa.Text, primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
)


async def watermark(session: Session, deployment: str, feed: str) -> datetime | None:
    query = sa.select(watermarks.c.at).where(watermarks.c.deployment == deployment, watermarks.c.feed == feed)
    return (await session.execute(query)).scalar_one_or_none()


async def every_watermark(session: Session, feeds: Collection[str]) -> dict[tuple[str, str], datetime]:
    """Those of every deployment, by deployment and feed."""
    query = sa.select(watermarks.c.deployment, watermarks.c.feed, watermarks.c.at).where(watermarks.c.feed.in_(feeds))
    return {(row.deployment, row.feed): row.at for row in await session.execute(query)}


async def set_watermark(session: Session, deployment: str, feed: str, at: datetime) -> None:
    await upsert(session, watermarks, [{"deployment": deployment, "feed": feed, "at": at}])
