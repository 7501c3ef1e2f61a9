"""What a service wants of its sessions, it has in transactions that share the connections of PgBouncer."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest
from bouncer import PgBouncer
from sqlalchemy import text

from core.database import Database, open_database
from core.settings import DatabaseSettings
from core.testing.databases import served

MANY = 20
SESSION = "SELECT current_setting('statement_timeout') || ' ' || current_setting('timezone')"
READ_ONLY = "SELECT current_setting('default_transaction_read_only')"


@pytest.fixture(scope="session")
def service() -> None:
    """None: an empty database is enough."""


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that goes past PgBouncer."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def database(bouncer: PgBouncer, database_url: str, admin: asyncpg.Connection) -> AsyncIterator[Database]:
    """The database as a service opens it, with its role as deploy/postgres/databases.sh makes it."""
    await admin.execute("ALTER ROLE serving SET statement_timeout = '5s'")
    await admin.execute("CREATE TABLE notes (id int PRIMARY KEY, at timestamptz DEFAULT now(), body jsonb)")
    await admin.execute("GRANT SELECT, INSERT, UPDATE ON notes TO serving")
    url = served(bouncer.url(urlsplit(database_url).path.removeprefix("/")))
    settings = DatabaseSettings.model_validate({"url": url})
    async with open_database(settings, name="under test") as database:
        yield database
    await admin.execute("ALTER ROLE serving RESET statement_timeout")


async def test_a_read_cannot_write_and_a_transaction_can_whoever_had_the_connection_before(database: Database):
    async def write(number: int) -> None:
        async with database.transaction() as session:
            assert await session.scalar(text(READ_ONLY)) == "off"
            await session.execute(text("INSERT INTO notes (id) VALUES (:id)"), {"id": number})

    async def read() -> None:
        async with database.reads.pool.acquire() as connection:
            assert await connection.fetchval(READ_ONLY) == "on"
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await connection.execute("UPDATE notes SET body = '{}'")

    async def state(number: int) -> None:
        async with database.statement() as connection:
            assert await connection.scalar(text(READ_ONLY)) == "off"
            await connection.execute(text("UPDATE notes SET body = '{}' WHERE id = :id"), {"id": number})

    async with asyncio.TaskGroup() as group:
        for number in range(MANY):
            group.create_task(write(number))
            group.create_task(read())
            group.create_task(state(number))


async def test_each_transaction_thinks_in_utc_and_knows_the_limit_of_its_role(database: Database):
    async with database.transaction() as session:
        assert await session.scalar(text(SESSION)) == "5s UTC"
    async with database.reads.pool.acquire() as connection:
        assert await connection.fetchval(SESSION) == "5s UTC"
