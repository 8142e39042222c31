"""Databases for tests: every test of storage runs on SQLite and on PostgreSQL."""

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from opsconsole.db import Database, metadata
from tests.support.postgres import PostgresServer

RUNNING = os.environ.get("OPSCONSOLE_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
"""A PostgreSQL that may be there already, whose user may create databases."""


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database with all tables, closed at the end."""
    db = Database(url)
    async with db.begin() as session:
        await session.run_sync(metadata.create_all)
    try:
        yield db
    finally:
        await db.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The one that runs, or else a server of the tests' own."""
    try:
        psycopg.connect(RUNNING, connect_timeout=3).close()
    except psycopg.OperationalError:
        server = PostgresServer()
        server.start()
        yield f"{server.url}/postgres"
        server.remove()
    else:
        yield RUNNING


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty PostgreSQL database of this test's own, as SQLAlchemy names it."""
    name = f"opsconsole_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'create database "{name}"')
    try:
        yield postgres_server.replace("postgresql://", "postgresql+psycopg://").rsplit("/", 1)[0] + f"/{name}"
    finally:
        with psycopg.connect(postgres_server, autocommit=True) as admin:
            admin.execute(f'drop database "{name}" with (force)')


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Both kinds in turn."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with opened(database_url) as database:
        yield database
