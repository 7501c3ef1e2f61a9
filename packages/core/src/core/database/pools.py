"""Pools that tell how many wait for a connection, which neither SQLAlchemy nor asyncpg does."""

import asyncio
import logging

from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

# A pool logs in the name of its class; SQLAlchemy's own say no more than this, either.
logging.getLogger(__name__).setLevel(logging.WARNING)


class CountingPool(AsyncAdaptedQueuePool):
    """SQLAlchemy's pool; who waits is `waiting`, whether for a free connection or for a new one."""

    waiting = 0

    def _do_get(self) -> ConnectionPoolEntry:
        self.waiting += 1
        try:
            return super()._do_get()
        finally:
            self.waiting -= 1


class Gate(asyncio.Semaphore):
    """Lets as many in as there are connections; only a contended wait pays for a timer, and is counted."""

    waiting = 0

    async def enter(self, *, wait_s: float) -> None:
        """Takes a place.

        Raises:
            TimeoutError: none was free for `wait_s`.
        """
        if not self.locked():
            await self.acquire()
            return
        self.waiting += 1
        try:
            async with asyncio.timeout(wait_s):
                await self.acquire()
        finally:
            self.waiting -= 1
