"""Whether the database answers, asked on a connection of its own: pools that are busy are no outage."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg

from core.database.outage import OUTAGES, DatabaseUnavailable


class Heartbeat:
    """One connection, made at the first beat, and anew when it was lost."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        self._connect = connect
        self._connection: asyncpg.Connection | None = None
        self._one_at_a_time = asyncio.Lock()

    async def beat(self) -> None:
        """One round trip.

        Raises:
            DatabaseUnavailable: there was no answer.
        """
        async with self._one_at_a_time:
            self._connection = connection = self._connection or await self._connect()
            try:
                await connection.execute("SELECT 1")
            except BaseException as failed:
                # Also when it was cancelled: nobody waits here for an answer that comes late.
                self.close()
                if isinstance(failed, OUTAGES):
                    raise DatabaseUnavailable from failed
                raise

    def close(self) -> None:
        """Closes its connection, if it has one."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
