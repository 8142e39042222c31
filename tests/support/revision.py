"""Write the schema revision that brings the newest one up to the declared tables: `python -m tests.support.revision MESSAGE`."""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from opsconsole.db import Database
from opsconsole.db.base import UtcTime
from opsconsole.db.migrate import _config, migrate

JSON = 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
IDENTITY = 'sa.BigInteger().with_variant(sa.Integer(), "sqlite")'


def _rendered(kind: str, item: Any, context: Any) -> str | bool:
    """Column types as they are in the database, without the console's own Python types."""
    if kind != "type":
        return False
    if isinstance(item, UtcTime):
        return "sa.BigInteger()"
    if isinstance(item, sa.JSON):
        context.imports.add("from sqlalchemy.dialects import postgresql")
        return JSON
    return IDENTITY if isinstance(item, sa.BigInteger) and item._variant_mapping else False


def _write(connection: sa.Connection, message: str) -> None:
    config = _config(connection)
    config.attributes["render_item"] = _rendered
    number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
    command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")


async def main(message: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{Path(folder) / 'empty.db'}")
        await migrate(db)
        async with db.engine.connect() as connection:
            await connection.run_sync(_write, message)
        await db.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
