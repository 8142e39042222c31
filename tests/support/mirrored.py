"""Dags, runs and tries put into their tables as the history stage would, and the rows that it put there."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from opsconsole.db import Database
from opsconsole.db.dags import dags
from opsconsole.db.moves import note_moves, note_tries
from opsconsole.db.runs import dag_runs
from opsconsole.db.tries import task_tries
from opsconsole.db.watermarks import RUNS, WATCHING, watermarks
from tests.support.clock import NOON


async def rows(db: Database, table: sa.Table) -> list[sa.Row[Any]]:
    """What the table holds, in order of its primary key."""
    async with db.read() as session:
        return list(await session.execute(sa.select(table).order_by(*table.primary_key)))


class Mirror:
    """Writes rows of one deployment; what is written again replaces what was."""

    def __init__(self, db: Database, deployment: str = "prod") -> None:
        self._db, self._deployment = db, deployment

    async def polled(self, at: datetime) -> None:
        """The history stage has just read everything."""
        await self._put(watermarks, {"feed": RUNS}, {"at": at})

    async def watching(self, since: datetime) -> None:
        """When the console first looked."""
        await self._put(watermarks, {"feed": WATCHING}, {"at": since})

    async def dag(self, dag_id: str, **values: Any) -> None:
        plain = {"owners": ["data"], "tags": [], "paused": False, "seen_at": NOON}
        await self._put(dags, {"dag_id": dag_id}, plain | values)

    async def run(self, dag_id: str, run_id: str, state: str, due: datetime, **values: Any) -> None:
        plain: dict[str, Any] = {"run_type": "scheduled", "logical_date": due, "queued_at": due, "seen_at": NOON}
        plain |= {"start_at": None if state == "queued" else due, "end_at": None}
        await self._put(dag_runs, {"dag_id": dag_id, "run_id": run_id}, plain | {"state": state, "due_at": due} | values)

    async def tried(self, dag_id: str, run_id: str, task_id: str, state: str | None, **values: Any) -> None:
        key = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id}
        key |= {name: values.pop(name, plain) for name, plain in (("map_index", -1), ("try_number", 1))}
        plain = {"max_tries": 1, "seen_at": NOON, "start_at": NOON, "end_at": None, "error_line": None, "log_read_at": None}
        await self._put(task_tries, key, plain | {"state": state} | values)

    async def _put(self, table: sa.Table, key: dict[str, Any], values: dict[str, Any]) -> None:
        whole = {"deployment": self._deployment} | key
        async with self._db.begin() as session:
            if table is dags or table is dag_runs:
                await note_moves(session, self._deployment, [key["dag_id"]])
            if table is task_tries:
                await note_tries(session, self._deployment)
            await session.execute(table.delete().where(*(table.c[name] == value for name, value in whole.items())))
            await session.execute(table.insert().values(**whole, **values))
