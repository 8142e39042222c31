"""Forgetting runs after their time."""

import logging
from datetime import datetime, timedelta

from opsconsole.db import Database
from opsconsole.db.runs import forget_old_runs

log = logging.getLogger(__name__)


class RunRetention:
    """Deletes runs that ended longer ago than `keep`; run every hour or so."""

    def __init__(self, db: Database, keep: timedelta) -> None:
        self._db, self._keep = db, keep

    async def step(self, now: datetime) -> None:
        async with self._db.begin() as session:
            forgotten = await forget_old_runs(session, now - self._keep)
        if forgotten:
            log.info("old runs were forgotten", extra={"runs": forgotten})
