"""The database of one service: a pool for transactions, a pool for reads, and one meaning of "unavailable"."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import cast

import asyncpg
import orjson
from opentelemetry.trace import Tracer
from sqlalchemy import event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from core.cancellation import settled
from core.database.heartbeat import Heartbeat
from core.database.outage import OUTAGES, DatabaseUnavailable, tell_outage
from core.database.pools import CountingPool
from core.database.reads import ReadSession, open_reads
from core.database.statements import Statements, trace_statements
from core.errors import DomainError
from core.settings import DatabaseSettings
from core.tracing import NO_TRACER

WARM_CONNECTIONS = 2
# How much longer than the server's own limit a statement may take before the server counts as hung.
ANSWER_MARGIN_S = 1


@dataclass(frozen=True, slots=True)
class Database:
    """What a service has of its database."""

    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]
    reads: ReadSession
    heartbeat: Heartbeat

    @property
    def pool(self) -> CountingPool:
        """The connections of transactions."""
        return cast("CountingPool", self.engine.pool)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed when the block ends, or when its refusal keeps its changes; else rolled back.

        It takes a connection at its first statement, not before.

        Raises:
            DatabaseUnavailable: no connection could be had, or the one in use was lost.
        """
        try:
            async with self.sessions() as session:
                try:
                    yield session
                except BaseException as failure:
                    await ended(session, failure)
                    raise
                else:
                    await settled(session.commit())
        except PoolTimeoutError as full:
            raise DatabaseUnavailable from full

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[AsyncConnection]:
        """A connection on which every statement is committed by itself: no BEGIN, no COMMIT, one round trip each.

        Raises:
            DatabaseUnavailable: no connection could be had, or the one in use was lost.
        """
        try:
            async with self.engine.connect() as connection:
                yield await connection.execution_options(isolation_level="AUTOCOMMIT")
        except PoolTimeoutError as full:
            raise DatabaseUnavailable from full


async def ended(session: AsyncSession, failure: BaseException) -> None:
    """Ends the transaction of work that failed: commits for a refusal that keeps its changes, else rolls back."""
    if isinstance(failure, DomainError) and failure.keeps_changes:
        await settled(session.commit())
        return
    # Where that fails, the connection is lost, and the server rolls back by itself.
    with suppress(DatabaseUnavailable):
        await settled(session.rollback())


@asynccontextmanager
async def open_database(
    settings: DatabaseSettings, *, name: str, tracer: Tracer = NO_TRACER
) -> AsyncIterator[Database]:
    """Opens both pools and makes their first connections, so that the first request opens none.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    dsn = settings.url.get_secret_value().replace("postgresql+asyncpg://", "postgresql://", 1)
    server_settings = {
        "application_name": name,
        "statement_timeout": str(settings.statement_timeout_ms),
        "timezone": "UTC",
    }

    # Without a limit of our own, a server that hangs would hold a request beyond its deadline, and a stop for ever.
    limits = {
        "timeout": settings.connect_timeout_s,
        "command_timeout": settings.statement_timeout_ms / 1000 + ANSWER_MARGIN_S,
    }

    async def connect() -> asyncpg.Connection:
        try:
            return await asyncpg.connect(dsn, server_settings=server_settings, **limits)
        except (*OUTAGES, asyncpg.PostgresError) as failed:
            message = f"{type(failed).__name__}: {failed}"
            raise DatabaseUnavailable from ConnectionError(message)

    engine = _engine(settings, connect)
    statements = Statements.of(tracer, dsn)
    trace_statements(engine, statements)
    heartbeat = Heartbeat(connect)
    try:
        await _warm(engine, min(WARM_CONNECTIONS, settings.pool_size))
        async with open_reads(
            dsn, settings=settings, server_settings=server_settings, limits=limits, statements=statements
        ) as reads:
            yield Database(engine, async_sessionmaker(engine, expire_on_commit=False), reads, heartbeat)
    finally:
        heartbeat.close()
        await engine.dispose()


def _engine(settings: DatabaseSettings, connect: Callable[[], Awaitable[asyncpg.Connection]]) -> AsyncEngine:
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        poolclass=CountingPool,
        pool_size=settings.pool_size,
        # Connections that are opened for a peak and dropped after it cost a third of the throughput.
        max_overflow=0,
        pool_timeout=settings.pool_timeout_s,
        pool_use_lifo=True,
        # The text of an error is logged, and parameters are what nobody should read there.
        hide_parameters=True,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    event.listen(engine.sync_engine, "handle_error", tell_outage)
    event.listen(engine.sync_engine, "checkout", _replace_closed)
    return engine


def _replace_closed(connection: DBAPIConnection, *_: object) -> None:
    """Has the pool open another connection for one that the server has closed while nobody used it.

    Raises:
        DisconnectionError: it has.
    """
    if cast("asyncpg.Connection", connection.driver_connection).is_closed():
        raise DisconnectionError


async def _warm(engine: AsyncEngine, connections: int) -> None:
    """Makes the first connections, all at once: one after the other would use the same one."""

    async def select_one() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(select_one())
    except* DatabaseUnavailable as failures:
        first = failures.exceptions[0]
        raise first from first.__cause__
