"""uvicorn's server, watched, and with a way to stop that loses no request."""

import asyncio
import gc
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn

from core.dependencies.resources import READINESS
from core.lifespan import Closing
from core.server.departures import QUIET_S_MAX, Departures
from core.server.unheard import HANDSHAKE_S, all_accepted, keep_off
from core.watchdog import Watchdog

TICK_S = 0.1

log = structlog.get_logger("core.server")


class ChassisServer(uvicorn.Server):
    """uvicorn, but a signal first turns `/readyz` to 503, and ends the process with an exit code that is ours."""

    def __init__(
        self, config: uvicorn.Config, *, drain_delay_s: float, watchdog: Watchdog, closing: Closing | None = None
    ) -> None:
        super().__init__(config)
        self._drain_delay_s = drain_delay_s
        self._watchdog = watchdog
        self._closing = closing or Closing()
        self._departures = Departures(self.server_state, quiet_s=min(drain_delay_s, QUIET_S_MAX))

    async def main_loop(self) -> None:
        """Serves until a signal, and for `drain_delay_s` longer: whoever sends requests has to hear of it first."""
        with _start_set_aside():
            async with self._watchdog.watching():
                await self._serve_and_drain()

    async def _serve_and_drain(self) -> None:
        await super().main_loop()
        readiness = self.lifespan.state.get(READINESS)
        if readiness is not None:
            readiness.drain()
        log.info("stopping", connections=len(self.server_state.connections), requests=len(self.server_state.tasks))
        self._departures.begin()
        clock = asyncio.get_running_loop().time
        until = clock() + self._drain_delay_s
        while clock() < until and not self.force_exit:
            self._departures.look()
            await asyncio.sleep(TICK_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops accepting, lets requests finish, then closes the application; who insists waits for nothing."""
        await self._stop_accepting(sockets or [])
        await self._finish_requests()
        if not self.force_exit:
            await self._close_application()

    async def _stop_accepting(self, sockets: list[socket.socket]) -> None:
        if self._drain_delay_s and sockets and not self.force_exit:
            # All of them are one socket of the kernel.
            keep_off(sockets[0])
            await asyncio.sleep(HANDSHAKE_S)
            await all_accepted(sockets[0])
        for server in self.servers:
            server.close()
        for each in sockets:
            each.close()

    async def _finish_requests(self) -> None:
        clock = asyncio.get_running_loop().time
        until = clock() + (self.config.timeout_graceful_shutdown or 0)
        state = self.server_state
        while (state.connections or state.tasks) and not self.force_exit:
            if clock() >= until:
                self._cut_off()
                return
            self._departures.close_quiet()
            await asyncio.sleep(TICK_S)

    def _cut_off(self) -> None:
        """Cancels what still runs; who waits for its end, and names it, is core.server.in_flight."""
        for task in self.server_state.tasks:
            task.cancel()
        if unsent := self._departures.unsent():
            self._closing.overran += unsent
            log.error("answers were not taken", requests=unsent)

    async def _close_application(self) -> None:
        closing = self._closing
        closing.begin()
        closed = asyncio.create_task(self.lifespan.shutdown(), name="close")
        while not closed.done() and not self.force_exit:
            left_s = closing.left_s()
            if left_s == 0:
                stuck = closing.closes[-1:] or ["lifespan"]
                closing.stuck += stuck
                log.error("the application did not close", stuck=stuck)
                return
            await asyncio.wait([closed], timeout=TICK_S)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends the server on SIGINT and SIGTERM; the signal is not raised again, so the exit code stays ours."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
                # The process is still there, and hears those who say it twice.
                signal.signal(number, self.handle_exit)


@contextmanager
def _start_set_aside() -> Iterator[None]:
    """Keeps the garbage collector from what was built at the start, which stays.

    To look through all of it takes a tenth of a second, in which nothing is served, and is due when many ask at once.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
