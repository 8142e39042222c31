"""Real servers for tests, on loopback and on this event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from opsconsole.web.serving import bound, serve, server


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """The app's address for as long as the block lasts."""
    listener = bound("127.0.0.1", 0)
    port = listener.getsockname()[1]
    task = asyncio.create_task(serve(server(app), listener))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
