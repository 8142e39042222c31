"""SQLite for SQLAlchemy with one visit to the connection's thread for a statement, where aiosqlite's own adapter makes four.

A visit wakes two threads, which costs more than what SQLite does meanwhile; a console at rest does little else. So a
statement opens its cursor, runs, fetches and closes in one visit, BEGIN goes with the first statement, and a rollback of
nothing stays here.
"""

import sqlite3
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from sqlalchemy.util import await_


class _Answer(NamedTuple):
    description: Any
    rowcount: int
    lastrowid: int | None
    rows: list[Any]


class OneVisitCursor(AsyncAdapt_aiosqlite_cursor):
    """What SQLAlchemy takes for a cursor: the statement's whole answer, read already."""

    __slots__ = ("_answer", "_arraysize")

    def __init__(self, adapt_connection: Any) -> None:
        self._adapt_connection: OneVisitConnection = adapt_connection
        self._connection = adapt_connection._connection
        self._rows: deque[Any] = deque()
        self._answer = _Answer(None, -1, None, [])
        self._arraysize = 1

    @property
    def description(self) -> Any:
        return self._answer.description

    @property
    def rowcount(self) -> int:
        return self._answer.rowcount

    @property
    def lastrowid(self) -> int:
        return self._answer.lastrowid or 0

    @property
    def arraysize(self) -> int:
        return self._arraysize

    @arraysize.setter
    def arraysize(self, value: int) -> None:
        self._arraysize = value

    def execute(self, operation: Any, parameters: Any = None) -> None:
        self._take(self._adapt_connection.visit(partial(_executed, operation, () if parameters is None else parameters)))

    def executemany(self, operation: Any, seq_of_parameters: Any) -> None:
        self._take(self._adapt_connection.visit(partial(_executed_many, operation, seq_of_parameters)))

    def _take(self, answer: _Answer) -> None:
        self._answer, self._rows = answer, deque(answer.rows)

    async def _async_soft_close(self) -> None:
        """The thread closed it."""

    def close(self) -> None:
        self._rows.clear()


class OneVisitConnection(AsyncAdapt_aiosqlite_connection):
    """Knows whether its thread was asked for anything since the last commit or rollback that came back.

    That is noted when it is asked, not when it answers: a task that is cancelled between leaves a transaction open,
    and the rollback that follows must not take it for done.
    """

    _cursor_cls = OneVisitCursor

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self._begin, self._asked = "", False

    def begin(self, statement: str) -> None:
        """Say `statement` before the next one."""
        self._begin = statement

    def visit(self, work: Callable[[sqlite3.Connection, str], _Answer]) -> _Answer:
        """`work(connection, begin)` in the connection's thread."""
        begin, self._begin, self._asked = self._begin, "", True
        try:
            answer: _Answer = await_(self._visited(work, begin))
        except Exception as error:
            self._handle_exception(error)
        return answer

    async def _visited(self, work: Callable[[sqlite3.Connection, str], _Answer], begin: str) -> _Answer:
        connection: Any = self._connection
        async with self._execute_mutex:
            answer: _Answer = await connection._execute(work, connection._conn, begin)
        return answer

    def commit(self) -> None:
        if self._asked:
            super().commit()
        self._begin, self._asked = "", False

    def rollback(self) -> None:
        if self._asked:
            super().rollback()
        self._begin, self._asked = "", False


class OneVisitDriver(AsyncAdapt_aiosqlite_dbapi):
    """The `module` that SQLAlchemy's engine is to use."""

    def __init__(self) -> None:
        super().__init__(aiosqlite, sqlite3)

    def connect(self, *arg: Any, **kw: Any) -> OneVisitConnection:
        return OneVisitConnection(self, super().connect(*arg, **kw)._connection)


def _executed(operation: str, parameters: Any, connection: sqlite3.Connection, begin: str) -> _Answer:
    cursor = connection.cursor()
    try:
        if begin:
            cursor.execute(begin)
        cursor.execute(operation, parameters)
        rows = cursor.fetchall() if cursor.description else []
        return _Answer(cursor.description, cursor.rowcount, cursor.lastrowid, rows)
    finally:
        cursor.close()


def _executed_many(operation: str, many: Any, connection: sqlite3.Connection, begin: str) -> _Answer:
    cursor = connection.cursor()
    try:
        if begin:
            cursor.execute(begin)
        cursor.executemany(operation, many)
        return _Answer(cursor.description, cursor.rowcount, cursor.lastrowid, [])
    finally:
        cursor.close()
