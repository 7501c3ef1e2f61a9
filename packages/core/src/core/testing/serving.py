"""Serves an application on a port within the loop of the test, by the server that it has in production."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from starlette.types import ASGIApp

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
    """Starts `app` and serves it at 127.0.0.1 until the block ends; gives the state that its requests see."""
    config = configured(InFlight(Turns(app)), settings)
    watchdog = Watchdog(stall_s=STALL_S, exchange_of=lambda _: None)
    server = _Server(config, drain_delay_s=0, watchdog=watchdog)
    served = asyncio.create_task(server.serve(sockets=[listen("127.0.0.1", port)]))
    while not (server.started or served.done()):  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.005)
    try:
        yield server.lifespan.state
    finally:
        server.should_exit = True
        await served
