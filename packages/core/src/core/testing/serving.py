"""Serves an application on a port within the loop of the test, by the server that it has in production."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from starlette.types import ASGIApp

from core.lifespan import StartupError
from core.server import ChassisServer, listen
from core.server.in_flight import InFlight
from core.server.serving import configured
from core.server.turns import Turns
from core.settings import ServerSettings
from core.watchdog import Watchdog

# A busy machine is no stall.
STALL_S = 60


class _Server(ChassisServer):
    """One of several in a process that is not its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to whoever runs the tests."""
        yield


@asynccontextmanager
async def serving(app: ASGIApp, settings: ServerSettings, *, port: int) -> AsyncIterator[dict[str, Any]]:
    """Starts `app` and serves it at 127.0.0.1 until the block ends; gives the state that its requests see.

    Raises:
        StartupError: it does not start.
    """
    in_flight = InFlight(Turns(app))
    config = configured(in_flight, settings)
    watchdog = Watchdog(stall_s=STALL_S, exchange_of=lambda _: None)
    server = _Server(config, drain_delay_s=0, watchdog=watchdog)
    served = asyncio.create_task(_serve(server, in_flight, listen("127.0.0.1", port)))
    while not (server.started or served.done()):  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.005)
    if served.done():
        await served
    try:
        yield server.lifespan.state
    finally:
        server.should_exit = True
        await served


async def _serve(server: ChassisServer, in_flight: InFlight, listener: socket.socket) -> None:
    with listener:
        try:
            await server.serve(sockets=[listener])
        except SystemExit:
            # uvicorn's way to say that the application did not start; here it would end all tests.
            raise in_flight.failure or StartupError("The application did not start.") from None
