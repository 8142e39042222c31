"""What must hold for the console to be ready, and to be alive."""

import asyncio
from datetime import datetime, timedelta

import sqlalchemy as sa

from opsconsole.db import Database
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.store import Store
from opsconsole.web.console import SelfCheck

EVALUATION = "dispatch"
"""The loop that turns findings into notifications: while it ticks, the console does its work."""
LATE = timedelta(minutes=1)
_PATIENCE = 3.0  # seconds


def self_checks(
    db: Database, store: Store, telemetry: Telemetry, started_at: datetime, patience: float = _PATIENCE
) -> tuple[SelfCheck, ...]:
    """The database answers, the metrics store keeps up, and the evaluation ticks: that one is vital (`/livez`)."""

    async def database(now: datetime) -> str:
        try:
            async with asyncio.timeout(patience), db.read() as session:
                await session.execute(sa.select(1))
        except (sa.exc.SQLAlchemyError, OSError, TimeoutError) as error:
            return f"does not answer: {type(error).__name__}"
        return ""

    async def metrics(now: datetime) -> str:
        return store.problem or ""

    async def evaluation(now: datetime) -> str:
        last = telemetry.registry.get_sample_value("opsconsole_loop_last_success_timestamp_seconds", {"loop": EVALUATION})
        late = now.timestamp() - max(last or 0.0, started_at.timestamp())
        return f"alerts were last evaluated {late:.0f} s ago" if late > LATE.total_seconds() else ""

    return (SelfCheck("database", database), SelfCheck("metrics store", metrics), SelfCheck("evaluation", evaluation, vital=True))
