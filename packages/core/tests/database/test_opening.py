"""How a database is opened: warm, and where it cannot be, with a reason and without a secret."""

import asyncio
import socket
from collections.abc import Iterator

import asyncpg
import pytest
from example.things.repository import THING
from sqlalchemy import text

from core.database import DatabaseUnavailable, open_database
from core.lifespan import Opener, StartupError
from core.settings import DatabaseSettings

PIDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'under test'"
CONNECTIONS = PIDS.replace("pid", "count(*)", 1)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Something that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def behind(port: int, **settings: object) -> DatabaseSettings:
    url = f"postgresql://writer:hunter2@127.0.0.1:{port}/example?sslmode=disable"
    return DatabaseSettings.model_validate({"url": url, **settings})


async def test_the_first_transaction_and_the_first_read_connect_nothing(opened, admin):
    async with opened(pool_size=5, read_pool_size=5) as database:
        pids = await admin.fetch(PIDS)
        assert len(pids) == 4
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))
        await database.reads.first(THING, id="00000000-0000-0000-0000-000000000000")
        assert await admin.fetch(PIDS) == pids


async def test_closing_leaves_no_connection(opened, admin, becomes):
    async with opened():
        assert await admin.fetchval(CONNECTIONS) == 4
    await becomes(lambda: admin.fetchval(CONNECTIONS.replace("count(*)", "count(*) = 0")))


async def test_a_pool_of_one_is_warmed_too(opened, admin):
    async with opened(pool_size=1, read_pool_size=1):
        assert await admin.fetchval(CONNECTIONS) == 2


async def test_a_connection_that_the_server_has_closed_meanwhile_is_replaced(opened, admin, becomes):
    async with opened(pool_size=1) as database:
        async with database.engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection

        async def is_closed() -> bool:
            return driver.is_closed()

        for row in await admin.fetch(PIDS):
            await admin.execute("SELECT pg_terminate_backend($1)", row["pid"])
        await becomes(is_closed)
        async with database.transaction() as session:
            assert await session.scalar(text("SELECT 1")) == 1


async def test_every_connection_thinks_in_utc_and_knows_its_limit(opened):
    settings = "SELECT current_setting('timezone') || ' ' || current_setting('statement_timeout')"
    async with opened(statement_timeout_ms=4321) as database, database.transaction() as session:
        assert await session.scalar(text(settings)) == "UTC 4321ms"
        async with database.reads.pool.acquire() as connection:
            assert await connection.fetchval(settings) == "UTC 4321ms"


async def test_a_database_that_is_not_there_is_told_without_its_password(closed_port, logs):
    with pytest.raises(StartupError) as raised:
        async with Opener("example") as opener:
            await opener.open("database", open_database(behind(closed_port), name="example"))
    assert str(raised.value).startswith("example: database did not open: The database cannot be reached right now (")
    assert "Connect" in str(raised.value)
    texts = [str(raised.value), repr(raised.value.__cause__), str(logs)]
    assert not [text for text in texts if "hunter2" in text]


async def test_a_server_that_never_answers_is_given_up(silent_port):
    # Half of what asyncpg would wait by itself.
    async with asyncio.timeout(30):
        with pytest.raises(DatabaseUnavailable):
            async with open_database(behind(silent_port, connect_timeout_s=0.1), name="example"):
                pass


async def test_a_server_that_lets_nobody_in_is_told_without_its_password(server, logs):
    await asyncio.to_thread(server.create_database, "closed")
    url = server.url("closed").replace("postgres@/", "nobody:hunter2@/")
    with pytest.raises(DatabaseUnavailable) as raised:
        async with open_database(DatabaseSettings.model_validate({"url": url}), name="example"):
            pass
    assert raised.value.__cause__
    assert 'role "nobody" does not exist' in str(raised.value.__cause__)
    assert "hunter2" not in f"{raised.value.__cause__!r} {logs}"


async def test_a_server_that_has_no_connections_left_for_reads_is_told(server):
    await asyncio.to_thread(server.create_database, "crowded")
    admin = await asyncpg.connect(server.url("crowded"))
    await admin.execute("CREATE ROLE limited LOGIN CONNECTION LIMIT 2")
    await admin.close()
    settings = DatabaseSettings.model_validate({"url": server.url("crowded").replace("postgres@/", "limited@/")})
    with pytest.raises(DatabaseUnavailable) as raised:
        async with open_database(settings, name="example"):
            pass
    assert "too many connections" in str(raised.value.__cause__)
