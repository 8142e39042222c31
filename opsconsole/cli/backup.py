"""`opsconsole backup` and `opsconsole restore`: said while they work, and leaving nothing half when they are ended."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from opsconsole.config import Loaded
from opsconsole.db import Database
from opsconsole.db.backup import write_backup
from opsconsole.db.copying import Progress
from opsconsole.db.restore import restore
from opsconsole.model import OpsConsoleError

T = TypeVar("T")
Say = Callable[[str], None]


async def back_up(loaded: Loaded, file: Path, say: Say) -> None:
    """Raises OpsConsoleError, and then `file` is as it was."""
    db = Database(loaded.database_url)
    try:
        written = await _unless_ended(write_backup(db, file, _saying(say)))
    finally:
        await db.close()
    say(f"{file}: {written.size / 1e6:.1f} MB, schema {written.revision}")


async def put_back(loaded: Loaded, file: Path, say: Say, *, force: bool) -> None:
    """Raises OpsConsoleError, and then the database is as it was."""
    db = Database(loaded.database_url)
    try:
        revision = await _unless_ended(restore(db, file, _saying(say), force=force))
    finally:
        await db.close()
    say(f"restored from {file}, whose schema was {revision}")


async def _unless_ended(work: Coroutine[Any, Any, T]) -> T:
    """The work's result. SIGTERM breaks it off, so that it cleans up behind itself."""
    task, loop = asyncio.ensure_future(work), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        if (current := asyncio.current_task()) and current.cancelling():
            raise
        raise OpsConsoleError("broken off: nothing was changed") from None
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _saying(say: Say) -> Progress:
    """Each tenth of the way, once."""
    told = 0

    def progress(done: int, total: int) -> None:
        nonlocal told
        if (tenths := done * 10 // max(total, 1)) > told and done < total:
            told = tenths
            say(f"{tenths * 10} %")

    return progress
