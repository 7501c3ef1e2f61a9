"""Counts that all replicas share, in a server that speaks the protocol of Redis."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from limits.aio.storage import RedisStorage
from valkey.asyncio import BlockingConnectionPool

# A request waits for the count: better uncounted than late.
TIMEOUT_S = 0.25
CONNECTIONS_MAX = 20


@asynccontextmanager
async def shared_storage(url: str, *, service: str) -> AsyncGenerator[RedisStorage]:
    """The storage at `url` (redis, rediss, valkey, valkeys); it connects at the first hit."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS_MAX,
        timeout=TIMEOUT_S,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
    )
    try:
        # Only the scheme: the pool knows the rest, and the library would not do without a port.
        yield RedisStorage(
            "async+valkey://",
            wrap_exceptions=True,
            key_prefix=service,
            connection_pool=pool,  # type: ignore[bad-argument-type] - of the client's options the library types the plain
        )
    finally:
        await pool.disconnect()
