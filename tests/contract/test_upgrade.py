"""A database of the first released schema, recorded with what its console had written, in today's console."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from opsconsole.db import Database, accounts, checks, overview
from opsconsole.db.migrate import _config, differences, migrate, revisions
from opsconsole.model import Matcher, MatchOp
from opsconsole.telemetry import Telemetry
from opsconsole.tsdb.settings import Settings
from opsconsole.tsdb.store import Store
from opsconsole.web.settings import AuthSettings
from tests.support import web
from tests.support.clock import NOON, FakeClock

RECORDED: dict[str, list[dict[str, Any]]] = json.loads((Path(__file__).parents[1] / "data" / "schema" / "0001.json").read_text())
KEPT = [name for name in RECORDED if name not in ("store_state", "sealed_buckets", "recent_samples", "chunks")]
"""Tables whose rows stay as they are; those of the metrics store are its own affair."""


def _fill(connection: sa.Connection) -> None:
    """The first schema, made by its own revision, with the recorded rows."""
    command.upgrade(_config(connection), "0001")
    tables = sa.MetaData()
    tables.reflect(connection)
    for name, rows in RECORDED.items():
        connection.execute(tables.tables[name].insert(), [{key: _value(item) for key, item in row.items()} for row in rows])
        if connection.dialect.name == "postgresql" and "id" in rows[0]:
            counted = "select setval(pg_get_serial_sequence(:name, 'id'), max(id)) from " + name
            connection.execute(sa.text(counted), {"name": name})


def _value(item: Any) -> Any:
    return base64.b64decode(item["base64"]) if isinstance(item, dict) and set(item) == {"base64"} else item


@pytest.fixture
async def first(database_url: str) -> AsyncIterator[Database]:
    db = Database(database_url)
    async with db.engine.begin() as connection:
        await connection.run_sync(_fill)
    yield db
    await db.close()


def _rows(connection: sa.Connection, columns: dict[str, list[str]]) -> dict[str, list[str]]:
    """The recorded columns of the recorded tables, a text for each row."""
    tables, found = sa.MetaData(), {}
    tables.reflect(connection)
    for name, wanted in columns.items():
        rows = connection.execute(sa.select(*(tables.tables[name].c[column] for column in wanted)))
        found[name] = sorted(repr(tuple(row)) for row in rows)
    return found


async def test_everything_that_the_first_schema_held_is_there_after_the_upgrade(first: Database) -> None:
    columns = {name: sorted(RECORDED[name][0]) for name in KEPT}
    async with first.engine.connect() as connection:
        before = await connection.run_sync(_rows, columns)
    assert await migrate(first) == ("0001", revisions()[0])
    assert await differences(first) == []
    async with first.engine.connect() as connection:
        assert await connection.run_sync(_rows, columns) == before
    assert sum(map(len, before.values())) > 80


async def test_todays_console_reads_and_goes_on_with_what_the_first_one_wrote(first: Database) -> None:
    await migrate(first)
    clock = FakeClock()
    store = Store(first, clock, Telemetry(), Settings())
    await store.open()
    (found,) = await store.select([Matcher("__name__", MatchOp.EQUAL, "up"), Matcher("n", MatchOp.EQUAL, "1")], 0, 2**62)
    assert found.labels["job"] == "ü"
    assert found.values.tolist() == [minute / 7 for minute in range(50)]
    async with first.begin() as session:
        assert await accounts.credentials(session, "admin")
        assert await overview.count_open_incidents(session) == 4
        assert len(await checks.all_checks(session)) == 4
        await accounts.add_user(session, "second", "$argon2id$x", "viewer", NOON)  # with a number of its own
    async with web.client(web.application(web.console(first, clock, auth=AuthSettings(mode="none")))) as browser:
        for path in ("/", "/incidents", "/incidents/1", "/heartbeats", "/slas"):
            assert (await browser.get(path)).status_code == 200, path
