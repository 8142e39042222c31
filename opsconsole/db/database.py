"""One database behind the console: SQLite in WAL mode with one writer, or PostgreSQL."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from opsconsole.db.base import Session
from opsconsole.db.sqlite import OneVisitDriver

log = logging.getLogger(__name__)
T = TypeVar("T")

APPLICATION = "opsconsole"
"""What PostgreSQL's list of sessions calls ours."""
_CONNECTION = {
    "application_name": APPLICATION,
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 40_000,
}
"""What libpq is told where the address does not say it: a network that swallows everything is noticed within 40 s, not 15 min."""
_TURNS = 20
"""How many other consoles may open one new SQLite file at the same moment."""


class Database:
    """Opens transactions. `begin` is for writing (on SQLite one at a time), `read` for reading (never waits for a writer)."""

    def __init__(self, url: str | sa.URL) -> None:
        """`url` is SQLAlchemy's: `sqlite:///file`, or `postgresql+psycopg://…`."""
        parsed = sa.make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            parsed = parsed.set(drivername="sqlite+aiosqlite")
            self._writing = _sqlite_engine(parsed, "BEGIN IMMEDIATE", pool_size=1)
            self._reading = _sqlite_engine(parsed, "BEGIN", pool_size=4)
        else:
            usual = {name: value for name, value in _CONNECTION.items() if name not in parsed.query}
            self._writing = self._reading = create_async_engine(
                parsed, pool_size=8, max_overflow=4, pool_pre_ping=True, connect_args=usual
            )
        self._one_writer = asyncio.Lock()

    @property
    def engine(self) -> AsyncEngine:
        return self._writing

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Session]:
        """A transaction that commits at the end of the block and rolls back on an error."""
        if not self.is_sqlite:
            async with self._writing.begin() as session:
                yield session
            return
        async with self._one_writer, self._writing.begin() as session:
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        """A transaction that only reads: one consistent picture."""
        async with self._reading.begin() as session:
            yield session

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Session]:
        """The same for many statements that must agree with each other: PostgreSQL's `read` sees what commits in between."""
        async with self.read() as session:
            if not self.is_sqlite:
                await session.execute(sa.text("set transaction isolation level repeatable read, read only"))
            yield session

    async def give_back(self, pages: int) -> None:
        """Let SQLite's file shrink by up to so many of its free pages, if it was made to; PostgreSQL sees to that itself."""
        if self.is_sqlite:
            async with self._one_writer, self._writing.connect() as session:
                raw: Any = (await session.get_raw_connection()).driver_connection
                await raw.executescript(f"PRAGMA incremental_vacuum({pages})")  # `execute` would free a single page

    async def close(self) -> None:
        await self._reading.dispose()
        await self._writing.dispose()


def _sqlite_engine(url: sa.URL, begin: str, pool_size: int) -> AsyncEngine:
    engine = create_async_engine(
        url,
        poolclass=sa.AsyncAdaptedQueuePool,
        pool_size=pool_size,
        max_overflow=0,
        module=OneVisitDriver(),
        connect_args={"timeout": 10, "isolation_level": None},
    )

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=10000")
        _shrinkable(cursor)
        _into_wal(cursor)
        # FULL: an answered ping survives a power cut too; commits are grouped, so the cost is shared.
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.connection.dbapi_connection.begin(begin)

    return engine


def _shrinkable(cursor: Any) -> None:
    """See to it that a new file can give back what is freed; of others that cannot be changed so easily."""
    cursor.execute("PRAGMA page_count")
    if cursor.fetchone() == (0,):
        with suppress(sqlite3.OperationalError):  # another console is at it
            cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")


def _into_wal(cursor: Any) -> None:
    """SQLite makes this change of a new file at once or not at all, whatever its busy_timeout; for a transaction it does wait."""
    for _ in range(_TURNS):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("COMMIT")
        else:
            return
    raise sqlite3.OperationalError("database is locked")


@dataclass(slots=True)
class _Job(Generic[T]):
    work: Callable[[Session], Awaitable[T]]
    answer: "asyncio.Future[T]"


class GroupWriter:
    """Commits many small writes as one transaction and answers each caller after the commit.

    `service.py` runs `loops.consume(writer.queue, writer.commit)`. Where one write of a group fails, the group is rolled
    back and each is tried alone, so that only the guilty one fails.
    """

    def __init__(self, db: Database, most_waiting: int = 20_000) -> None:
        self._db = db
        self.queue: asyncio.Queue[_Job[Any]] = asyncio.Queue(most_waiting)

    async def submit(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """Run `work(session)` in the next group; returns its answer once it is committed, raises what it raised.

        Raises asyncio.QueueFull at once where too many are waiting.
        """
        job = _Job(work, asyncio.get_running_loop().create_future())
        self.queue.put_nowait(job)
        answer: T = await job.answer
        return answer

    async def commit(self, jobs: list[_Job[Any]]) -> None:
        try:
            async with self._db.begin() as session:
                answers = [await job.work(session) for job in jobs]
        except Exception as error:
            if len(jobs) == 1:
                _answer(jobs[0], error=error)
                return
            for job in jobs:
                await self.commit([job])
            return
        for job, answer in zip(jobs, answers, strict=True):
            _answer(job, answer)


def _answer(job: _Job[T], answer: T | None = None, error: Exception | None = None) -> None:
    if job.answer.done():
        return
    if error is not None:
        job.answer.set_exception(error)
    else:
        job.answer.set_result(answer)  # type: ignore[arg-type]
