"""Telling open pages that something changed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Changes:
    """A bus of topics (`alerts`, `heartbeats`, `samples` …) to the pages that listen; a slow listener only loses repeats."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self._closed = False

    def publish(self, topic: str) -> None:
        """Tell every open page; call it after the commit."""
        for queue in self._listeners:
            if not queue.full():
                queue.put_nowait(topic)

    @contextmanager
    def listen(self) -> Iterator[asyncio.Queue[str | None]]:
        """A queue of topics; None says that the console is stopping."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(16)
        if self._closed:
            queue.put_nowait(None)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def close(self) -> None:
        """End every open stream, so that the server can stop; call it before stopping the server."""
        self._closed = True
        for queue in self._listeners:
            while queue.full():
                queue.get_nowait()
            queue.put_nowait(None)
