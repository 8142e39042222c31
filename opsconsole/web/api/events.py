"""`/events`: tells an open page when to look again."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from opsconsole.web.changes import Changes
from opsconsole.web.console import Console

TICK = 5.0
"""Seconds after which a page looks again even if nothing was announced: ages move, and data may have stopped coming."""
TICKS = 120
"""Ticks after which the stream ends and the browser opens a new one, so that a session that ended stops listening."""


def build(console: Console) -> APIRouter:
    router = APIRouter()

    @router.get("/events")
    async def events() -> Response:
        return StreamingResponse(
            stream(console.changes),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return router


async def stream(changes: Changes, tick: float = TICK, ticks: int = TICKS) -> AsyncIterator[str]:
    """A `change` at once for each announcement, a `tick` where none came for a while."""
    yield "retry: 2000\n\n"
    with changes.listen() as queue:
        for _ in range(ticks):
            try:
                topic = await asyncio.wait_for(queue.get(), tick)
            except TimeoutError:
                yield "event: tick\ndata: -\n\n"
                continue
            if topic is None:
                return
            yield f"event: change\ndata: {topic}\n\n"
