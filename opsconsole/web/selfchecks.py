"""What must hold for the console to be ready, and to be alive."""

import asyncio
from datetime import datetime, timedelta

import sqlalchemy as sa

from opsconsole.db import Database
from opsconsole.model import MetricsStore
from opsconsole.telemetry import Telemetry
from opsconsole.web.console import SelfCheck

EVALUATION = "dispatch"
"""The loop that turns findings into notifications: while it ticks, the console does its work."""
HEARTBEATS = "heartbeats"
"""The loop that judges heartbeats, and each time notes that pings were heard: it fails where the database cannot be written."""
LATE = timedelta(minutes=1)
_PATIENCE = 3.0  # seconds


def self_checks(
    db: Database, store: MetricsStore, telemetry: Telemetry, started_at: datetime, patience: float = _PATIENCE
) -> tuple[SelfCheck, ...]:
    """The database answers, the metrics store keeps up, heartbeats are judged, which needs a database that can be written,
    and the evaluation ticks: that one is vital (`/livez`).
    """

    async def database(now: datetime) -> str:
        try:
            async with asyncio.timeout(patience), db.read() as session:
                await session.execute(sa.select(1))
        except (sa.exc.SQLAlchemyError, OSError, TimeoutError) as error:
            return f"does not answer: {type(error).__name__}"
        return ""

    async def metrics(now: datetime) -> str:
        return store.problem or ""

    def late(loop: str, now: datetime) -> str:
        """How long ago the loop last succeeded, where that is too long; a clock that was set back does not hide it."""
        last = telemetry.registry.get_sample_value("opsconsole_loop_last_success_timestamp_seconds", {"loop": loop})
        ago = abs(now.timestamp() - (last or started_at.timestamp()))
        return f"{ago:.0f} s ago" if ago > LATE.total_seconds() else ""

    async def heartbeats(now: datetime) -> str:
        return f"heartbeats were last judged {ago}" if (ago := late(HEARTBEATS, now)) else ""

    async def evaluation(now: datetime) -> str:
        return f"alerts were last evaluated {ago}" if (ago := late(EVALUATION, now)) else ""

    return (
        SelfCheck("database", database),
        SelfCheck("metrics store", metrics),
        SelfCheck("heartbeats", heartbeats),
        SelfCheck("evaluation", evaluation, vital=True),
    )
