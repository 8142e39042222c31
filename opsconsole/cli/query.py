"""`opsconsole query`: one question to the metrics that the configured console keeps."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsconsole import engine
from opsconsole.cli.answers import visible
from opsconsole.clock import Clock
from opsconsole.config import Loaded
from opsconsole.db import Database
from opsconsole.db.migrate import expect_newest
from opsconsole.model import OpsConsoleError, Querier, QueryError, QueryResult
from opsconsole.web import moments


@dataclass(frozen=True, slots=True)
class Span:
    """What a range query asks for."""

    start: datetime
    end: datetime
    step: timedelta


def asked(now: datetime, at: str | None, start: str | None, end: str | None, step: str | None) -> datetime | Span:
    """What `--at`, or `--start`, `--end` and `--step`, ask for. Raises ValueError with a sentence."""
    if start is None and (end or step):
        raise ValueError("--end and --step go with --start")
    if at is not None and start is not None:
        raise ValueError("give --at for one moment, or --start and --end for a range, not both")
    if start is None:
        return moments.moment(at or "now", now)
    first, last = moments.moment(start, now), moments.moment(end or "now", now)
    if last < first:
        raise ValueError("--end is before --start")
    return Span(first, last, moments.step(step) if step else moments.fitting_step(last - first))


@asynccontextmanager
async def reading(loaded: Loaded, clock: Clock) -> AsyncIterator[Querier]:
    """What answers queries under this configuration, beside a console that may be running.

    Raises OpsConsoleError where there is no database, or one of another schema.
    """
    db = Database(loaded.database_url)
    try:
        await expect_newest(db)
        async with AsyncExitStack() as stack:
            yield await engine.reading(stack, loaded, db, clock)
    finally:
        await db.close()


async def ask(querier: Querier, expr: str, when: datetime | Span) -> QueryResult:
    """Raises OpsConsoleError whose lines show where in `expr` the mistake is."""
    try:
        if isinstance(when, Span):
            return await querier.range(expr, when.start, when.end, when.step)
        return await querier.instant(expr, when)
    except QueryError as error:
        told = explained(error, expr)
        if isinstance(when, Span):
            told = moments.with_step(told, when.end - when.start, "--step {} or more")
        raise OpsConsoleError(told) from error


def explained(error: QueryError, expr: str) -> str:
    """The error, and below it the line of the expression with its position underlined."""
    if error.position is None:
        return str(error)
    at = min(error.position, len(expr))
    start = expr.rfind("\n", 0, at) + 1
    line = expr[start:].split("\n", 1)[0]
    return f"{error}\n  {visible(line)}\n  {' ' * (at - start)}^"
