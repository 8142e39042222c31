"""Real servers for tests, on loopback and on this event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from opsconsole.web.serving import bound, serve, server


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """The app's address for as long as the block lasts."""
    with bound("127.0.0.1", 0) as listener:
        listener.listen(128)  # whoever comes before the server stands in the queue
        task = asyncio.create_task(serve(server(app), listener))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
