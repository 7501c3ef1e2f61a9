"""The connection that there is now: made anew for ever, however long a server is away."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence

import structlog

from core.backoff import backoff_s
from core.events.bus.nats.connection import Connection, connected
from core.events.bus.nats.servers import Server
from core.events.bus.protocol import BusUnavailable

RECONNECT_S_MIN, RECONNECT_S_MAX = 0.1, 5.0
# One that is lost sooner has not ended the trouble.
STEADY_S = 30

log = structlog.get_logger("core.events")


class Link:
    """What holds the connection of one service; `prepare` sees to what has to be there before it is used."""

    def __init__(
        self, servers: Sequence[Server], *, name: str, prepare: Callable[[Connection], Awaitable[None]]
    ) -> None:
        # Replicas do not all come to the same one.
        self._servers = secrets.SystemRandom().sample(servers, len(servers))
        self._name = name
        self._prepare = prepare
        self._connection: Connection | None = None
        self._is_up = asyncio.Event()
        self._was_tried = asyncio.Event()
        # Why there is none, as it was told to the log.
        self._causes: list[str] = []

    async def run(self) -> None:
        """Connects until cancelled."""
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            started = clock()
            await self._hold(self._servers[failures % len(self._servers)])
            failures = 1 if clock() - started > STEADY_S else failures + 1
            await asyncio.sleep(self._pause_s(failures))

    def _pause_s(self, failures: int) -> float:
        """Each server once, and then a pause."""
        rounds, others = divmod(failures, len(self._servers))
        return 0 if others else backoff_s(rounds, first_s=RECONNECT_S_MIN, max_s=RECONNECT_S_MAX)

    async def now(self) -> Connection:
        """The connection; waits for the first attempt of all, and for no other.

        Raises:
            BusUnavailable: there is none.
        """
        await self._was_tried.wait()
        if self._connection is None:
            raise BusUnavailable(self._causes[-1])
        return self._connection

    async def up(self) -> Connection:
        """The connection, as soon as there is one."""
        while self._connection is None:
            await self._is_up.wait()
        return self._connection

    async def _hold(self, server: Server) -> None:
        try:
            async with connected(server, name=self._name) as connection:
                await self._prepare(connection)
                self._rise(connection)
                try:
                    cause = await connection.end()
                finally:
                    self._connection = None
                    self._is_up.clear()
        except BusUnavailable as failed:
            cause = str(failed)
        self._fall(f"{server.host}:{server.port}: {cause}")

    def _rise(self, connection: Connection) -> None:
        self._connection = connection
        self._is_up.set()
        self._was_tried.set()
        if self._causes:
            log.info("nats is back")
        self._causes.clear()

    def _fall(self, cause: str) -> None:
        self._was_tried.set()
        if cause not in self._causes:
            log.warning("nats is away", cause=cause)
            self._causes.append(cause)
