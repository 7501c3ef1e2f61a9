"""PostgreSQL behind PgBouncer is away, and comes back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from bouncer import PgBouncer, pgbouncer
from sqlalchemy import text

from core.database import Database, DatabaseUnavailable, open_database
from core.local import THROW_AWAY, Postgres
from core.settings import DatabaseSettings

PATIENCE_S = 60
IN_A_ROW = 30


@pytest.fixture(scope="session")
def service() -> None:
    """None: an empty database is enough."""


@pytest.fixture
def server(bouncer: PgBouncer, tmp_path: Path) -> Iterator[Postgres]:
    """A server of this test alone."""
    with Postgres(tmp_path / "pg", THROW_AWAY) as server:
        yield server


@pytest.fixture
def url(server: Postgres) -> Iterator[str]:
    """Where it is, through a PgBouncer."""
    with pgbouncer(server) as front:
        yield front.url("postgres")


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """Its database, as a service opens it."""
    async with open_database(DatabaseSettings.model_validate({"url": url}), name="under test") as database:
        yield database


async def writes(database: Database) -> bool:
    async with database.transaction() as session:
        return await session.scalar(text("SELECT 1")) == 1


async def reads(database: Database) -> bool:
    return await database.reads._run("fetchval", "SELECT 1", []) == 1


async def goes_on(ask, database: Database) -> None:
    """Until it is answered again, and then each time."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(DatabaseUnavailable):
                await ask(database)
                break
            await asyncio.sleep(0.05)
    for _ in range(IN_A_ROW):
        assert await ask(database)


@pytest.mark.parametrize("ask", [writes, reads])
async def test_what_is_asked_meanwhile_is_refused_and_nothing_afterwards(server: Postgres, database: Database, ask):
    assert await ask(database)
    await asyncio.to_thread(server.stop)
    for _ in range(3):
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(DatabaseUnavailable):
                await ask(database)
    await asyncio.to_thread(server.start)
    await goes_on(ask, database)
