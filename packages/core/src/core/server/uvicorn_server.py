"""uvicorn's server, watched, and with a way to stop that loses no request."""

import asyncio
import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from core.dependencies.resources import READINESS
from core.watchdog import Watchdog

TICK_S = 0.1


class ChassisServer(uvicorn.Server):
    """uvicorn, but a signal first turns `/readyz` to 503, and ends the process with an exit code that is ours."""

    def __init__(self, config: uvicorn.Config, *, drain_delay_s: float, watchdog: Watchdog) -> None:
        super().__init__(config)
        self._drain_delay_s = drain_delay_s
        self._watchdog = watchdog

    async def main_loop(self) -> None:
        """Serves until a signal, and for `drain_delay_s` longer: whoever sends requests has to hear of it first."""
        with _start_set_aside():
            async with self._watchdog.watching():
                await self._serve_and_drain()

    async def _serve_and_drain(self) -> None:
        await super().main_loop()
        readiness = self.lifespan.state.get(READINESS)
        if readiness is not None:
            readiness.draining = True
        for tick in range(round(self._drain_delay_s / TICK_S)):
            if self.force_exit:
                break
            await self.on_tick(tick)
            await asyncio.sleep(TICK_S)

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
