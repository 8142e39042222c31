"""A webhook that keeps what is posted to it and answers as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.support.serving import served


@dataclass
class Hook:
    """`statuses` are answered in turn, then 200; `hanging` answers nothing until it is set."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    hanging: bool = False

    async def take(self, request: Request) -> Response:
        if self.hanging:
            await asyncio.Event().wait()
        body = await request.json()
        status = self.statuses.pop(0) if self.statuses else 200
        if status < 300:
            self.bodies.append(body)
            self.headers.append(dict(request.headers))
        return PlainTextResponse("taken" if status < 300 else "no", status_code=status)


@asynccontextmanager
async def hook_at() -> AsyncIterator[Hook]:
    hook = Hook()
    async with served(Starlette(routes=[Route("/hook", hook.take, methods=["POST"])])) as url:
        hook.url = f"{url}/hook"
        yield hook
