"""From the first request to the exit code."""

import asyncio
import logging
import socket
import sys
from contextlib import ExitStack

import structlog
import uvicorn
from starlette.types import ASGIApp

from core.lifespan import StartupError
from core.middleware.edge import exchange_of
from core.redaction import redact
from core.server.in_flight import InFlight
from core.server.turns import Turns
from core.server.uvicorn_server import ChassisServer
from core.settings import ServerSettings
from core.watchdog import Watchdog, loop_lag

EXIT_OK = 0
# It stopped, but not as it should: work was cut off, or a resource did not close.
EXIT_UNCLEAN = 1
EXIT_STARTUP = 3

# uvloop accepts one connection of a socket in each turn of the loop; a probe, which opens one, would wait for a turn
# of every connection before it.
ACCEPTS_MAX = 32

log = structlog.get_logger("core.server")


def serve(app: ASGIApp, settings: ServerSettings, *, listener: socket.socket) -> int:
    """Serves until a signal; returns the exit code of the process."""
    in_flight = InFlight(Turns(app))
    config = _config(in_flight, settings)
    uvicorn_log = logging.getLogger("uvicorn")
    uvicorn_log.setLevel(logging.WARNING)
    watchdog = Watchdog(stall_s=settings.loop_stall_ms / 1000, exchange_of=exchange_of)
    server = ChassisServer(config, drain_delay_s=settings.drain_delay_s, watchdog=watchdog)
    token = loop_lag.set(watchdog.lag)
    runner = asyncio.Runner(loop_factory=config.get_loop_factory())
    try:
        with ExitStack() as until_then:
            # What does not start does not close them, either.
            others = [until_then.enter_context(listener.dup()) for _ in range(ACCEPTS_MAX - 1)]
            runner.run(server.serve(sockets=[listener, *others]))
    except SystemExit:
        # uvicorn's way to say that the application did not start.
        sys.stderr.write(f"{redact(_sentence(in_flight.failure))}\n")
        return EXIT_STARTUP
    finally:
        loop_lag.reset(token)
        if server.force_exit:
            # Whoever insisted wants no story of what was cut off on the way.
            uvicorn_log.setLevel(logging.CRITICAL)
        if not in_flight.stuck:
            # It waits for every task, and those would never end.
            runner.close()
        uvicorn_log.setLevel(logging.WARNING)
    return EXIT_UNCLEAN if in_flight.failure or in_flight.cut_off or server.force_exit else EXIT_OK


def _config(app: ASGIApp, settings: ServerSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # The walk through trusted proxies is the chassis' own.
        proxy_headers=False,
        backlog=settings.backlog,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.graceful_timeout_s,
        # Without it, one request can see the context of another on the same connection.
        reset_contextvars=True,
    )


def _sentence(failure: BaseException | None) -> str:
    if isinstance(failure, StartupError):
        return str(failure)
    # Nobody foresaw it: whoever has to find it needs the traceback, too.
    log.critical("the application did not start", exc_info=failure)
    return f"The application did not start: {type(failure).__name__}: {failure}"
