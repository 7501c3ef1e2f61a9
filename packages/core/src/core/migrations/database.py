"""The database under migration: where it is, one migrating process at a time, connections that do not wait for long."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import asyncpg
from asyncpg.transaction import Transaction
from sqlalchemy import Connection, NullPool, event
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from core.migrations.errors import MigrationError

# Advisory locks belong to one database, and a database to one service: one number is enough. ASCII "core.mig".
LOCK_KEY = 0x636F72652E6D6967
POLL_INTERVAL_S = 0.2
CONNECT_TIMEOUT_S = 10


async def connect(url: str) -> asyncpg.Connection:
    """A connection to any form of the URL: `postgresql://` or `postgresql+asyncpg://`, `?host=/folder/of/a/socket`."""
    return await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://", 1), timeout=CONNECT_TIMEOUT_S)


async def current_name(url: str) -> str | None:
    """The migration that the database is at: one connection, one query.

    Raises:
        MigrationError: the database is at several.
    """
    connection = await connect(url)
    try:
        rows = await connection.fetch("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()
    if len(rows) > 1:
        raise MigrationError("the database is at several migrations at once; alembic_version must have one row")
    return rows[0][0] if rows else None


@asynccontextmanager
async def alone(url: str, *, wait_s: float) -> AsyncGenerator[None]:
    """Holds the lock that lets one process migrate at a time, in a transaction on a connection of its own.

    Raises:
        MigrationError: another process has held it for `wait_s`.
    """
    connection = await connect(url)
    try:
        try:
            async with asyncio.timeout(wait_s):
                transaction = await _take_lock(connection)
        except TimeoutError:
            raise MigrationError(f"another process has been migrating this database for {wait_s} s") from None
        yield
        await transaction.rollback()
    finally:
        await connection.close()


async def _take_lock(connection: asyncpg.Connection) -> Transaction:
    """Asks for the lock until it is there, each time in a new transaction.

    A `CREATE INDEX CONCURRENTLY` of whoever migrates waits for every transaction with a snapshot older than its own:
    one that waited for the lock would have such a snapshot, and both would wait for ever.
    """
    while True:
        transaction = connection.transaction()
        await transaction.start()
        if await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK_KEY):
            # The lock is held while another connection works, however long that takes. As a simple query this also
            # ends the one before it, which would keep its snapshot until the next.
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            return transaction
        await transaction.rollback()
        await asyncio.sleep(POLL_INTERVAL_S)


@asynccontextmanager
async def open_connection(url: str, *, lock_timeout_ms: int) -> AsyncGenerator[AsyncConnection]:
    """A SQLAlchemy connection whose transactions give up on a lock after `lock_timeout_ms`.

    A migration that waits for a lock makes every later query of that table wait behind it.
    """
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: connect(url), poolclass=NullPool)

    @event.listens_for(engine.sync_engine, "begin")
    def limit(connection: Connection) -> None:
        # LOCAL: in Alembic's autocommit_block there is no transaction, and this says nothing. That is as it should be,
        # because what runs there (CONCURRENTLY) waits without being in the way.
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {lock_timeout_ms:d}")

    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()
